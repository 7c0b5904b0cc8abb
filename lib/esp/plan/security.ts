import type { PartitionTable } from '../formats/partition-rules.ts';
import { findSignature } from '../formats/signature.ts';
import type { ChipFacts, FlashPlan, PlanStep } from '../types.ts';
import { hex } from '../units.ts';
import { isDecrypted } from './encrypt.ts';
import { fail, type GuardBook } from './errors.ts';
import { checkHmacKey } from './hmac.ts';
import type { FoundImage } from './images.ts';
import { tableOf } from './table.ts';

/** Everything that is burnt into the chip and stands in the way of what is to be written. */
export function checkSecurity(
  plan: FlashPlan,
  images: readonly FoundImage[],
  facts: ChipFacts,
  tableOnChip: PartitionTable | null | undefined,
  guards: GuardBook,
): void {
  checkDownload(plan, facts, guards);
  checkMerges(plan, facts);
  checkHmacKey(plan, facts, guards);
  checkEncryption(plan, facts, tableOnChip, guards);
  if (facts.security.secureBoot) checkSignatures(plan, images, facts, guards);
}

const nameOf = ({ name, mac }: ChipFacts): string => (mac === null ? name : `${name} ${mac}`);
const stateOf = ({ security }: ChipFacts): Record<string, unknown> => ({ field: 'security', value: { ...security } });

function checkDownload(plan: FlashPlan, facts: ChipFacts, guards: GuardBook): void {
  const encrypted = plan.steps.filter(({ encrypt }) => encrypt === true).map(({ name }) => `"${name}"`);
  if (facts.security.secureDownload) {
    const chip = nameOf(facts);
    guards.meet('SECURE_DOWNLOAD', `The ${chip} is in secure download mode: what is written cannot be verified.`, {
      hint: 'Use another board, or override the guard when you know that the images fit.',
      detail: stateOf(facts),
    });
    guards.note('UNVERIFIED', `Nothing was verified: in secure download mode the ${facts.name} cannot be read.`);
  } else if (encrypted.length > 0) {
    guards.note(
      'UNVERIFIED',
      `What the chip encrypted cannot be read back and was not verified: ${encrypted.join(', ')}.`,
    );
  }
}

/** A merge needs what is there, and the keys it is encrypted with. @throws NVS_UNREADABLE */
function checkMerges(plan: FlashPlan, facts: ChipFacts): void {
  const { secureDownload, flashEncryption } = facts.security;
  const merges = [
    ...plan.steps.map(({ name, nvs }) => ({ name, nvs })),
    ...(plan.unplaced ?? []).map(({ partition, nvs }) => ({ name: partition, nvs })),
  ].filter(({ nvs }) => nvs?.mode === 'merge');
  for (const { name, nvs } of merges) {
    const encryption = nvs?.encryption;
    const keysHidden = flashEncryption && encryption?.scheme === 'nvs_keys' && encryption.handle === undefined;
    if (!secureDownload && !keysHidden) continue;
    const why = secureDownload
      ? 'in secure download mode it cannot be read'
      : 'its keys lie encrypted in the flash, and no handle holds them';
    throw fail('NVS_UNREADABLE', `NVS "${name}" of the ${nameOf(facts)} is to be merged with new entries: ${why}.`, {
      hint: 'Replace the partition instead of merging, or give its keys.',
      detail: { field: name, value: 'merge' },
    });
  }
}

function checkEncryption(
  plan: FlashPlan,
  facts: ChipFacts,
  tableOnChip: PartitionTable | null | undefined,
  guards: GuardBook,
): void {
  const { encryption } = facts.security;
  const chip = nameOf(facts);
  const detail = stateOf(facts);
  if (encryption === 'release') {
    const what = `The ${chip} encrypts its flash for good (release mode): nothing plain starts on it`;
    guards.meet('FLASH_ENCRYPTION_RELEASE', `${what}, and its loader is closed to whoever would encrypt.`, {
      hint: 'Update it over the air. Override the guard only for what is encrypted for this very chip already.',
      detail,
    });
    return;
  }
  if (encryption === 'off') return;
  const table = tableOf(plan) ?? tableOnChip ?? null;
  const isPlain = (step: PlanStep) => isDecrypted(step, table) ?? tableOnChip === null;
  const plain = plan.steps.filter((step) => step.encrypt !== true && isPlain(step));
  if (plain.length === 0) return;
  const names = plain.map(({ name }) => `"${name}"`).join(', ');
  guards.meet(
    'FLASH_ENCRYPTION',
    `The ${chip} encrypts its flash: it cannot use what is written in plain (${names}).`,
    {
      hint: 'Plan it with encryption set to "encrypt", or override the guard when the images are encrypted already.',
      detail: { ...detail, regions: plain.map(({ name }) => name) },
    },
  );
}

/** Below it lies what secure boot protects first: bootloader and partition table. */
const PROTECTED_END = 0x8000;
/** Where a signature stands behind a partition table under secure boot v1. */
const TABLE_BYTES = 0xc00;

/** Whoever starts signed firmware only is useless with anything else: not even this loader helps then. */
function checkSignatures(plan: FlashPlan, images: readonly FoundImage[], facts: ChipFacts, guards: GuardBook): void {
  const scheme = facts.security.secureBootScheme ?? 'v2';
  const refuse = (what: string, name: string) =>
    guards.meet('SECURE_BOOT', `The ${nameOf(facts)} has secure boot ${scheme} on: ${what}.`, {
      hint: 'Sign the images with the key of this chip, use another board, or override the guard.',
      detail: { ...stateOf(facts), name },
    });
  let signed = 0;
  for (const step of plan.steps) {
    if (step.offset < PROTECTED_END && (step.action === 'erase' || scheme === 'v1')) {
      refuse(`"${step.name}" at ${hex(step.offset)} touches its bootloader`, step.name);
    } else if (isProgram(step, scheme)) {
      const found = images.filter(({ name, offset }) => name === step.name && isInside(offset, step));
      const problem = signatureProblem(step, found, scheme);
      if (problem === null) signed++;
      else refuse(`"${step.name}" ${problem}`, step.name);
    }
  }
  if (signed === 0) return;
  guards.note(
    'SIGNATURE_UNCHECKED',
    `The images are signed; whether the ${nameOf(facts)} trusts their key was not checked.`,
  );
}

const isInside = (offset: number, step: PlanStep): boolean => offset >= step.offset && offset < step.offset + step.size;

/** Under secure boot v1 the partition table is signed too. */
function isProgram({ kind, data }: PlanStep, scheme: 'v1' | 'v2'): boolean {
  if (data === undefined) return false;
  return ['bootloader', 'app', 'merged'].includes(kind) || (scheme === 'v1' && kind === 'partition-table');
}

function signatureProblem(step: PlanStep, images: readonly FoundImage[], scheme: 'v1' | 'v2'): string | null {
  const parts =
    step.kind === 'partition-table' && step.data !== undefined
      ? [{ bytes: step.data, length: TABLE_BYTES }]
      : images.map(({ bytes, image }) => ({ bytes, length: image.length }));
  if (parts.length === 0) return 'holds no image that could be signed';
  for (const { bytes, length } of parts) {
    const signature = findSignature(bytes, length);
    if (signature === null) return 'is not signed';
    if (signature.scheme !== scheme) return `is signed for secure boot ${signature.scheme}`;
    if (!signature.sound) return 'carries a signature that is damaged or of other bytes';
  }
  return null;
}
