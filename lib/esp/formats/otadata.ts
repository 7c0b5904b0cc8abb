import { fail } from '../errors.ts';
import { SECTOR } from '../units.ts';
import { espCrc32 } from './crc32.ts';
import type { Partition, PartitionTable } from './partition-rules.ts';
import {
  OTA_SLOTS,
  PARTITION_APP,
  PARTITION_DATA,
  SUBTYPE_DATA_OTA,
  SUBTYPE_FACTORY,
  SUBTYPE_OTA_FIRST,
} from './partition-types.ts';

/** Two sectors of 4 KB, one select entry at the start of each. */
export const OTADATA_BYTES = 0x2000;
const ENTRY = 32;
const BLANK = 0xffffffff;

/** `esp_ota_img_states_t`. */
const states = { new: 0, pending: 1, valid: 2, invalid: 3, aborted: 4, undefined: BLANK } as const;
/** What the bootloader noted about a slot. */
export type OtaState = keyof typeof states;

/** One select entry. */
export interface OtaEntry {
  /** Counts up with every change; the slot is (sequence − 1) modulo the number of slots. */
  readonly sequence: number;
  /** The state's name, or its number where it has none. */
  readonly state: OtaState | number;
  /** Whether the checksum over the sequence is right. */
  readonly crcValid: boolean;
}

export interface Otadata {
  /** The entries of the two sectors; null where a sector's entry is blank. */
  readonly entries: readonly [OtaEntry | null, OtaEntry | null];
  /** Which of them counts, 0 or 1; null when neither does. */
  readonly active: 0 | 1 | null;
}

function decodeEntry(bytes: Uint8Array, at: number): OtaEntry | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, ENTRY);
  const sequence = view.getUint32(0, true);
  if (sequence === BLANK) return null;
  const state = view.getUint32(24, true);
  return {
    sequence,
    state: (Object.keys(states) as OtaState[]).find((name) => states[name] === state) ?? state,
    crcValid: view.getUint32(28, true) === espCrc32(bytes.subarray(at, at + 4)),
  };
}

/** Reads an otadata partition. @throws BAD_OTADATA when the bytes are fewer than its two sectors */
export function decodeOtadata(bytes: Uint8Array): Otadata {
  if (bytes.length < OTADATA_BYTES) {
    throw fail('BAD_OTADATA', `OTA data has ${bytes.length} bytes, it must have ${OTADATA_BYTES}.`, {
      detail: { field: 'length', value: bytes.length },
    });
  }
  const entries = [decodeEntry(bytes, 0), decodeEntry(bytes, SECTOR)] as const;
  return { entries: [...entries], active: pickActive(entries[0], entries[1]) };
}

/** Neither blank, nor given up on, nor damaged. */
function countable(entry: OtaEntry | null): entry is OtaEntry {
  return entry !== null && !givenUp(entry) && entry.crcValid;
}

const givenUp = (entry: OtaEntry): boolean => entry.state === 'invalid' || entry.state === 'aborted';

function pickActive(first: OtaEntry | null, second: OtaEntry | null): 0 | 1 | null {
  if (!countable(first)) return countable(second) ? 1 : null;
  return countable(second) && second.sequence > first.sequence ? 1 : 0;
}

export interface OtaChoice {
  /** The OTA slot that is to boot, 0 … slots − 1; null for blank OTA data. */
  readonly slot: number | null;
  /** How many OTA slots the table has, 1 … 16. */
  readonly slots: number;
  /** Default `undefined`: what ESP-IDF's own tools write. */
  readonly state?: OtaState;
}

/**
 * OTA data that chooses a slot, as it is after that many updates: the entry of the slot, and the one before it.
 * @throws BAD_OTADATA
 */
export function encodeOtadata(choice: OtaChoice): Uint8Array {
  const { slot, slots } = choice;
  checkNumber('slots', slots, 1, OTA_SLOTS);
  if (slot !== null) checkNumber('slot', slot, 0, slots - 1);
  const state = choice.state ?? 'undefined';
  if (!Object.hasOwn(states, state)) {
    const known = Object.keys(states).join(', ');
    throw fail('BAD_OTADATA', `OTA state "${state}" is not one of ${known}.`, {
      detail: { field: 'state', value: state },
    });
  }
  const bytes = new Uint8Array(OTADATA_BYTES).fill(0xff);
  if (slot === null) return bytes;
  const last = slot + 1;
  for (const sequence of last === 1 ? [1] : [last - 1, last]) writeEntry(bytes, sequence, states[state]);
  return bytes;
}

function writeEntry(bytes: Uint8Array, sequence: number, state: number): void {
  const at = ((sequence - 1) & 1) * SECTOR;
  const view = new DataView(bytes.buffer, at, ENTRY);
  view.setUint32(0, sequence, true);
  view.setUint32(24, state, true);
  view.setUint32(28, espCrc32(bytes.subarray(at, at + 4)), true);
}

function checkNumber(field: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw fail('BAD_OTADATA', `OTA data: ${field} ${value} is not between ${low} and ${high}.`, {
    detail: { field, value },
  });
}

/** OTA app partitions by slot: `ota_0` first. Slots that the table leaves out are left out here too. */
export function otaSlots(table: PartitionTable): Partition[] {
  return table
    .filter(({ type, subtype }) => type === PARTITION_APP && subtype >= SUBTYPE_OTA_FIRST)
    .filter(({ subtype }) => subtype < SUBTYPE_OTA_FIRST + OTA_SLOTS)
    .sort((a, b) => a.subtype - b.subtype);
}

export interface BootChoice {
  /** What the bootloader tries first; null when the table has no app at all. */
  readonly partition: Partition | null;
  /** The OTA slot's number; null for factory. */
  readonly slot: number | null;
  readonly reason: 'no-otadata' | 'blank' | 'selected' | 'damaged';
  /** Everything in the order in which it is tried, as each turns out not to hold a bootable image. */
  readonly order: readonly Partition[];
}

/**
 * Which app ESP-IDF's bootloader starts (bootloader_utility.c, with app rollback off): without OTA data, or with two
 * entries that are blank or given up on, factory, else ota_0; otherwise the slot of the highest sequence with a right
 * checksum; with none, factory. From there it tries downwards to factory, then upwards.
 *
 * @param otadata bytes of the otadata partition, or null when they cannot be read
 * @throws BAD_OTADATA when the bytes are too few
 */
export function chooseBootSlot(table: PartitionTable, otadata: Uint8Array | null): BootChoice {
  const factory = table.find(({ type, subtype }) => type === PARTITION_APP && subtype === SUBTYPE_FACTORY) ?? null;
  const slots = otaSlots(table);
  const hasOtadata = table.some(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA);
  if (!hasOtadata || otadata === null) return choose(factory, slots, null, 'no-otadata');
  const { entries, active } = decodeOtadata(otadata);
  const unused = entries.every((entry) => entry === null || givenUp(entry));
  if (slots.length === 0 || unused) return choose(factory, slots, null, 'blank');
  if (active === null) return choose(factory, slots, null, 'damaged');
  const sequence = (entries[active] as OtaEntry).sequence;
  // A sequence of 0 with a right checksum wraps round in 32 bits, as it does in the bootloader.
  return choose(factory, slots, ((sequence - 1) >>> 0) % slots.length, 'selected');
}

function choose(
  factory: Partition | null,
  slots: readonly Partition[],
  selected: number | null,
  reason: BootChoice['reason'],
): BootChoice {
  const start = selected ?? (factory === null && slots.length > 0 ? 0 : null);
  const below = start === null ? [] : slots.slice(0, start + 1).reverse();
  const above = start === null ? slots : slots.slice(start + 1);
  const order = [...below, ...(factory === null ? [] : [factory]), ...above];
  return { partition: order[0] ?? null, slot: start, reason, order };
}
