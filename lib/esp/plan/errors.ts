import { errorMaker } from '../../errors/index.ts';

/** What can be wrong with a plan, before a port is opened or before the first write. */
export const planErrors = {
  EMPTY_PLAN: 'there is nothing to write and nothing to erase',
  BAD_OFFSET: 'an offset is negative, no whole number, not a multiple of 4096, or beyond 4 GB',
  BAD_SIZE: 'the size of a range to erase is no multiple of 4096 above 0',
  BAD_FORCE: 'a word in the list of guards to override is no guard',
  EMPTY_REGION: 'a region has no bytes',
  OVERLAP: 'two regions share a sector of the flash',
  UNKNOWN_CHIP: 'no chip family has that name',
  TABLE_MISSING: 'provisioning mode needs the partition table, which is not among the regions',
  NO_FACTORY: 'provisioning mode puts the app into the factory partition, and there is none, or more than one app',
  PLAN_WITHOUT_BYTES: 'the plan was made to be looked at, or was cut short: it does not carry the bytes to write',
  WRONG_CHIP: 'an image is for another chip',
  REVISION_UNSUPPORTED: 'an image is for other revisions of the chip',
  BEYOND_FLASH: 'a range ends beyond the end of the flash',
  BOOTLOADER_OFFSET: 'the bootloader is not where the chip looks for it',
  NOT_IN_TABLE: 'a region lies in no partition of the table that is being written',
  DOES_NOT_FIT: 'a region is longer than its partition',
  DEMO_IMAGE: 'a demo image is to be written to a real chip',
  SECURE_BOOT: 'the chip has secure boot on',
  FLASH_ENCRYPTION: 'the chip has flash encryption on',
  SECURE_DOWNLOAD: 'the chip is in secure download mode',
} as const;

export const fail = errorMaker(planErrors);

/** The guards that a caller may override, one by one, by naming them in `force`. */
export const GUARDS = [
  'WRONG_CHIP',
  'REVISION_UNSUPPORTED',
  'BEYOND_FLASH',
  'BOOTLOADER_OFFSET',
  'NOT_IN_TABLE',
  'DOES_NOT_FIT',
  'DEMO_IMAGE',
  'SECURE_BOOT',
  'FLASH_ENCRYPTION',
  'SECURE_DOWNLOAD',
] as const;

/** The code of a guard that may be overridden. */
export type Guard = (typeof GUARDS)[number];

/** Collects what was overridden, throws what was not. */
export class GuardBook {
  readonly notes: { code: string; message: string }[] = [];
  readonly force: ReadonlySet<Guard>;

  /** @throws BAD_FORCE naming the word. */
  constructor(force: readonly string[]) {
    this.force = new Set(force.map(asGuard));
  }

  /** A guard is met: throws its code, or takes a note when it is overridden. */
  meet(code: Guard, message: string, options: { hint: string; detail: Record<string, unknown> }): void {
    if (!this.force.has(code)) throw fail(code, message, options);
    this.notes.push({ code, message: `Overridden: ${message}` });
  }
}

function asGuard(word: string): Guard {
  const guard = GUARDS.find((code) => code === word);
  if (guard !== undefined) return guard;
  throw fail('BAD_FORCE', `"${word}" is no guard that can be overridden.`, {
    hint: `Choose from ${GUARDS.join(', ')}.`,
    detail: { field: 'force', value: word },
  });
}
