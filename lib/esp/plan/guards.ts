import type { LinkInfo } from '../../link/index.ts';
import { chipByName } from '../chips.ts';
import type { PartitionTable } from '../formats/partition-rules.ts';
import type { ChipFacts, FlashPlan } from '../types.ts';
import { hex } from '../units.ts';
import { GuardBook } from './errors.ts';
import { type FoundImage, imagesOf } from './images.ts';
import { checkBootloader } from './regions.ts';
import { checkSecurity } from './security.ts';
import { tableOf } from './table.ts';

/**
 * Holds a plan against the chip that was found, before anything is written. `tableOnChip` tells which data the chip
 * decrypts: with null, since none could be read, all data counts as such; left out, since it is not read yet, none.
 * @returns what was overridden, and UNTESTED_CHIP, UNVERIFIED, SIGNATURE_UNCHECKED, as notes.
 * @throws WRONG_CHIP, REVISION_UNSUPPORTED, BEYOND_FLASH, BOOTLOADER_OFFSET, DEMO_IMAGE, SECURE_BOOT,
 * FLASH_ENCRYPTION, FLASH_ENCRYPTION_RELEASE, SECURE_DOWNLOAD, NVS_NO_HMAC_KEY, NVS_UNREADABLE, BAD_FORCE.
 */
export function checkPlanAgainstChip(
  plan: FlashPlan,
  facts: ChipFacts,
  link: LinkInfo,
  force: readonly string[] = [],
  tableOnChip?: PartitionTable | null,
): FlashPlan['notes'] {
  const guards = new GuardBook([...plan.force, ...force]);
  checkFamily(plan, facts, guards);
  const images = imagesOf(plan.steps);
  for (const found of images) checkImage(found, facts, link, guards);
  checkPlaces(plan, images, facts, guards);
  checkBootloader(plan.steps, facts, guards);
  checkSecurity(plan, images, facts, tableOnChip, guards);
  if (chipByName(facts.name)?.twin !== true) {
    guards.note(
      'UNTESTED_CHIP',
      `Flashing the ${facts.name} was never tried on a virtual chip: check the board after.`,
    );
  }
  return guards.notes;
}

/**
 * Whether the board that answers is the one that is expected, by its base MAC in any spelling. A chip that does not
 * tell its MAC (secure download mode) cannot be known again.
 * @returns what was overridden, as notes.
 * @throws WRONG_BOARD, BAD_FORCE.
 */
export function checkBoard(
  expectedMac: string,
  facts: Pick<ChipFacts, 'mac' | 'name'>,
  force: readonly string[] = [],
): FlashPlan['notes'] {
  const guards = new GuardBook(force);
  const plain = (mac: string) => mac.toLowerCase().replace(/[^0-9a-z]/g, '');
  if (facts.mac === null || plain(facts.mac) !== plain(expectedMac)) {
    const found = facts.mac === null ? `an ${facts.name} that does not tell its MAC` : `the ${facts.name} ${facts.mac}`;
    guards.meet('WRONG_BOARD', `The board ${expectedMac} is expected, ${found} is plugged in.`, {
      hint: 'Plug in the board that this work began on; nothing was written to this one.',
      detail: { field: 'mac', value: facts.mac, expected: expectedMac },
    });
  }
  return guards.notes;
}

function checkFamily(plan: FlashPlan, facts: ChipFacts, guards: GuardBook): void {
  if (plan.chip === undefined || chipByName(plan.chip)?.name === facts.name) return;
  guards.meet('WRONG_CHIP', `"${plan.name}" is for ${plan.chip}, the chip is ${facts.description}.`, {
    hint: `Choose the files for ${facts.name}, or plug in the other board.`,
    detail: { field: 'chip', value: plan.chip, expected: facts.name },
  });
}

function checkImage({ image, name }: FoundImage, facts: ChipFacts, link: LinkInfo, guards: GuardBook): void {
  // Images of the ESP8266 are of another format, without a chip id.
  if (facts.imageChipId !== null && image.chipId !== facts.imageChipId) {
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

function checkPlaces(plan: FlashPlan, images: readonly FoundImage[], facts: ChipFacts, guards: GuardBook): void {
  const size = facts.flash?.size ?? null;
  if (size === null) return;
  const has = `the flash has ${megabytes(size)} (${hex(size)})`;
  const meet = (name: string, end: number, what: string) =>
    guards.meet('BEYOND_FLASH', `"${name}" ${what}, ${has}.`, {
      hint: 'Use a smaller layout or a chip with more flash.',
      detail: { field: name, value: end, flashSize: size },
    });
  for (const { name, offset, size: length } of plan.steps) {
    const end = offset + length;
    if (end > size) meet(name, end, `ends at ${hex(end)}`);
  }
  // In secure download mode the size is what somebody said, or a guess at the least.
  if (facts.security.secureDownload) return;
  // A bootloader refuses a table that goes further than its flash, and firmware a header that promises more.
  for (const { label, offset, size: length } of tableOf(plan) ?? []) {
    const end = offset + length;
    if (end > size) meet(`partition ${label}`, end, `ends at ${hex(end)}`);
  }
  for (const { image, name, offset } of images) {
    const built = offset === facts.bootloaderOffset ? image.flashSize : null;
    if (built !== null && built > size) meet(name, built, `is built for ${megabytes(built)} of flash`);
  }
}

const megabytes = (size: number): string => `${size / 0x100000} MB`;

function revision(value: number): string {
  return value === 65_535 ? 'any' : `v${Math.floor(value / 100)}.${value % 100}`;
}
