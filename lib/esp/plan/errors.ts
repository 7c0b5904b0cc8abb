import { errorMaker } from '../../errors/index.ts';

/** What can be wrong with a plan, before a port is opened or before the first write. */
export const planErrors = {
  EMPTY_PLAN: 'there is nothing to write and nothing to erase',
  BAD_PLAN: 'a plan came back with something in it that no plan has; detail.field says where',
  BAD_OFFSET: 'an offset is negative, no whole number, not a multiple of 4096, or beyond 4 GB',
  BAD_SIZE: 'the size of a range to erase, or of an NVS partition, is no multiple of 4096 above 0',
  BAD_FORCE: 'a word in the list of guards to override is no guard',
  EMPTY_REGION: 'a region has no bytes',
  OVERLAP: 'two things are to be written into one sector of the flash; it cannot be overridden, one would be lost',
  UNKNOWN_CHIP: 'no chip family has that name',
  TABLE_MISSING: 'a partition table is needed, and it is neither among the regions nor on the chip',
  NO_FACTORY: 'provisioning mode puts the app into the factory partition, and there is none, or more than one app',
  NO_SLOT: 'direct mode finds no partition for the app, no otadata to choose it, or not exactly one app',
  NO_SUCH_PARTITION: 'the partition table has no partition of that label, or none for the keys of an encrypted NVS',
  KEEPS_TOUCHED:
    'the plan would erase, overwrite or move a partition that it is told to keep, or move one that it merges into',
  NVS_KEYS_DIFFER: 'NVS partitions are to be encrypted with different keys, and the chip has one place for them',
  NVS_WRONG_ENCRYPTION:
    'the table flags an NVS partition as encrypted, and firmware opens none such where flash encryption is on',
  NVS_NO_HMAC_KEY:
    'NVS is to be encrypted with keys derived by HMAC, and the chip has no HMAC engine, or no key for it',
  NVS_UNREADABLE: 'NVS is to be merged with what is on a chip that cannot be asked for it, or not for its keys',
  PLAN_WITHOUT_BYTES: 'the plan was made to be looked at, or was cut short: it does not carry the bytes to write',
  WRONG_CHIP: 'an image is for another chip',
  REVISION_UNSUPPORTED: 'an image is for other revisions of the chip',
  BEYOND_FLASH: 'a range ends beyond the end of the flash',
  BOOTLOADER_OFFSET: 'the bootloader is not where the chip looks for it',
  NOT_IN_TABLE: 'a region lies in no partition of the table that is written, or of the one on the chip',
  DOES_NOT_FIT: 'a region is longer than its partition',
  DEMO_IMAGE: 'a demo image is to be written to a real chip',
  SECURE_BOOT: 'the chip has secure boot on, and what is to be written is not signed as it wants it',
  FLASH_ENCRYPTION: 'the chip encrypts its flash, and what is to be written would lie there in plain',
  FLASH_ENCRYPTION_RELEASE: 'the chip encrypts its flash for good: nothing plain starts, and nobody but it can encrypt',
  SECURE_DOWNLOAD: 'the chip is in secure download mode: what is written cannot be verified',
  WRONG_BOARD: 'another board is plugged in than the one that is expected',
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
  'FLASH_ENCRYPTION_RELEASE',
  'SECURE_DOWNLOAD',
  'NVS_WRONG_ENCRYPTION',
  'NVS_NO_HMAC_KEY',
  'WRONG_BOARD',
] as const;

/** The code of a guard that may be overridden. */
export type Guard = (typeof GUARDS)[number];

/** Things worth knowing that stop nothing; beside them, notes carry the codes of guards that were overridden. */
export const planNotes = {
  UNVERIFIED: 'the chip cannot be asked what it holds now',
  UNTESTED_CHIP: 'no virtual chip of this family exists: flashing it follows documentation alone',
  NO_TABLE_ON_CHIP: 'no table could be read from the chip, so the places in the plan were held against none',
  SIGNATURE_UNCHECKED: 'the images carry signatures; whether the chip trusts their key was not checked',
} as const;

type NoteCode = keyof typeof planNotes;

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

  note(code: NoteCode, message: string): void {
    this.notes.push({ code, message });
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
