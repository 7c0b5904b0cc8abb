import type { LinkInfo } from '../../link/index.ts';
import { chipByName } from '../chips.ts';
import type { ChipFacts, FlashPlan } from '../types.ts';
import { hex } from '../units.ts';
import { GuardBook } from './errors.ts';
import { type FoundImage, imageIn } from './images.ts';

/**
 * Holds a plan against the chip that was found, before anything is written.
 * @returns what was overridden, as notes.
 * @throws WRONG_CHIP, REVISION_UNSUPPORTED, BEYOND_FLASH, BOOTLOADER_OFFSET, DEMO_IMAGE, SECURE_BOOT,
 * FLASH_ENCRYPTION, SECURE_DOWNLOAD, BAD_FORCE.
 */
export function checkPlanAgainstChip(
  plan: FlashPlan,
  facts: ChipFacts,
  link: LinkInfo,
  force: readonly string[] = [],
): FlashPlan['notes'] {
  const guards = new GuardBook([...plan.force, ...force]);
  checkFamily(plan, facts, guards);
  for (const found of imagesOf(plan)) checkImage(found, facts, link, guards);
  checkPlaces(plan, facts, guards);
  checkSecurity(facts, guards);
  return guards.notes;
}

function imagesOf(plan: FlashPlan): FoundImage[] {
  return plan.steps.flatMap(({ data, ...step }) => {
    const found = data === undefined ? null : imageIn({ ...step, data });
    return found === null ? [] : [found];
  });
}

function checkFamily(plan: FlashPlan, facts: ChipFacts, guards: GuardBook): void {
  if (plan.chip === undefined || chipByName(plan.chip)?.name === facts.name) return;
  guards.meet('WRONG_CHIP', `"${plan.name}" is for ${plan.chip}, the chip is ${facts.description}.`, {
    hint: `Choose the files for ${facts.name}, or plug in the other board.`,
    detail: { field: 'chip', value: plan.chip, expected: facts.name },
  });
}

function checkImage({ image, name }: FoundImage, facts: ChipFacts, link: LinkInfo, guards: GuardBook): void {
  if (image.chipId !== facts.imageChipId) {
    const family = image.chip ?? `chip id ${image.chipId}`;
    guards.meet('WRONG_CHIP', `"${name}" is for ${family}, the chip is ${facts.description}.`, {
      hint: `Choose the files for ${facts.name}, or plug in the other board.`,
      detail: { field: name, value: family, expected: facts.name },
    });
  }
  if (facts.revision !== null && (facts.revision < image.minRevision || facts.revision > image.maxRevision)) {
    guards.meet(
      'REVISION_UNSUPPORTED',
      `"${name}" is for revisions ${revision(image.minRevision)} to ${revision(image.maxRevision)}, the chip has ${revision(facts.revision)}.`,
      {
        hint: 'Build it for this revision of the chip.',
        detail: { field: name, value: facts.revision, minimum: image.minRevision, maximum: image.maxRevision },
      },
    );
  }
  if (image.demo && link.kind !== 'virtual') {
    guards.meet('DEMO_IMAGE', `"${name}" is a demo image: it holds no program, and ${link.name} is no virtual chip.`, {
      hint: 'Flash real firmware, or choose a port of the virtual bench.',
      detail: { field: name, value: link.address },
    });
  }
}

function checkPlaces(plan: FlashPlan, facts: ChipFacts, guards: GuardBook): void {
  const size = facts.flash?.size ?? null;
  for (const step of plan.steps) {
    const end = step.offset + step.size;
    if (size !== null && end > size) {
      guards.meet(
        'BEYOND_FLASH',
        `"${step.name}" ends at ${hex(end)}, the flash has ${size / 0x100000} MB (${hex(size)}).`,
        {
          hint: 'Use a smaller layout or a chip with more flash.',
          detail: { field: step.name, value: end, flashSize: size },
        },
      );
    }
    if (step.kind === 'bootloader' && step.offset !== facts.bootloaderOffset) {
      guards.meet(
        'BOOTLOADER_OFFSET',
        `"${step.name}" is to be written at ${hex(step.offset)}, but the ${facts.name} looks for its bootloader at ${hex(facts.bootloaderOffset)}.`,
        {
          hint: `Give it the offset ${hex(facts.bootloaderOffset)}.`,
          detail: { field: step.name, value: step.offset },
        },
      );
    }
  }
}

function checkSecurity({ security, name, mac }: ChipFacts, guards: GuardBook): void {
  const chip = mac === null ? name : `${name} ${mac}`;
  const detail = { field: 'security', value: { ...security } };
  if (security.secureDownload) {
    guards.meet('SECURE_DOWNLOAD', `The ${chip} is in secure download mode: what is written cannot be verified.`, {
      hint: 'Use another board, or override the guard when you know that the images fit.',
      detail,
    });
  }
  if (security.flashEncryption) {
    guards.meet('FLASH_ENCRYPTION', `The ${chip} encrypts its flash: plain images do not start.`, {
      hint: 'Use another board, or override the guard when the images are encrypted for this chip already.',
      detail,
    });
  }
  if (security.secureBoot) {
    guards.meet('SECURE_BOOT', `The ${chip} starts signed firmware only: an unsigned bootloader makes it useless.`, {
      hint: 'Use another board, or override the guard when the images are signed with its key.',
      detail,
    });
  }
}

function revision(value: number): string {
  return value === 65_535 ? 'any' : `v${Math.floor(value / 100)}.${value % 100}`;
}
