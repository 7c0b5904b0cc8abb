import { isKeywayError } from '../../lib/errors/index.ts';
import {
  looksLikeNvs,
  PARTITION_DATA,
  PARTITION_TABLE_BYTES,
  type Partition,
  parseNvs,
  SUBTYPE_DATA_NVS,
  SUBTYPE_DATA_NVS_KEYS,
  tryDecodeTable,
} from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { createHandle } from '../../lib/vault/index.ts';
import { audit } from '../shared/audit.ts';
import { asBuffer } from '../shared/bytes.ts';
import type { Job } from '../shared/jobs.ts';
import { listingOf } from '../shared/nvs-listing.ts';
import type { Red, RedNode } from '../shared/types.ts';

/** Where ESP-IDF puts the partition table unless it is told otherwise. */
const TABLE_OFFSET = 0x8000;
const SECTOR = 4096;
/** How long what was read is kept, in ms. */
const KEPT_MS = 3_600_000;

/** What was asked for, and who asks. */
export interface GuardedRead {
  readonly red: Red;
  readonly node: RedNode;
  readonly job: Job;
  readonly mac: string | null;
  readonly offset: number;
  readonly size: number;
  /** Whether the bytes are told although there are secrets among them. */
  readonly raw: boolean;
  read(offset: number, size: number): Promise<Uint8Array>;
}

/** A place in the flash whose bytes may be secrets. */
interface Secret {
  readonly label: string;
  readonly offset: number;
  readonly size: number;
  readonly isNvs: boolean;
}

/**
 * The bytes of a range; where NVS or its keys are among them, a handle and what lies there without its values, unless
 * the bytes are asked for in so many words, which is written down.
 */
export async function readGuarded(asked: GuardedRead): Promise<unknown> {
  const { offset, size, raw, job } = asked;
  const bytes = await asked.read(offset, size);
  const secrets = [...(await fromTable(asked, bytes)), ...byLooks(bytes, offset)];
  const places = secrets.filter((one, i) => secrets.findIndex((other) => covers(other, one)) === i);
  if (places.length === 0) return asBuffer(bytes);
  const labels = places.map(({ label }) => label);
  if (raw) {
    const facts = { job: job.id, mac: asked.mac ?? 'unknown', offset, size, partitions: labels.join(' ') };
    audit(asked.red, asked.node, 'flash.read', facts);
    return asBuffer(bytes);
  }
  const nvs = await Promise.all(places.filter(({ isNvs }) => isNvs).map((place) => listed(place, bytes, offset)));
  const handle = createHandle(bytes, {
    kind: 'flash-image',
    redeemableBy: ['keyway-secret'],
    expiresInMs: KEPT_MS,
    label: `${size} bytes from 0x${offset.toString(16)}`,
  });
  return { handle, offset, size, secrets: labels, nvs };
}

/** What the chip's own table says lies in the range. */
async function fromTable({ offset, size, read }: GuardedRead, bytes: Uint8Array): Promise<Secret[]> {
  const within = offset <= TABLE_OFFSET && TABLE_OFFSET + PARTITION_TABLE_BYTES <= offset + size;
  const stored = within
    ? bytes.subarray(TABLE_OFFSET - offset, TABLE_OFFSET - offset + PARTITION_TABLE_BYTES)
    : await read(TABLE_OFFSET, PARTITION_TABLE_BYTES);
  const isSecret = (one: Partition): boolean =>
    one.type === PARTITION_DATA && (one.subtype === SUBTYPE_DATA_NVS || one.subtype === SUBTYPE_DATA_NVS_KEYS);
  return (tryDecodeTable(stored) ?? [])
    .filter((one) => isSecret(one) && one.offset < offset + size && one.offset + one.size > offset)
    .map(({ label, subtype, ...place }) => ({ ...place, label, isNvs: subtype === SUBTYPE_DATA_NVS }));
}

/** What looks like NVS without a table that says so: one that lies elsewhere, or was overwritten. */
function byLooks(bytes: Uint8Array, offset: number): Secret[] {
  const found: Secret[] = [];
  for (let at = (SECTOR - (offset % SECTOR)) % SECTOR; at + SECTOR <= bytes.length; at += SECTOR) {
    if (!looksLikeNvs(bytes.subarray(at, at + SECTOR))) continue;
    const place = offset + at;
    found.push({ label: `0x${place.toString(16)}`, offset: place, size: SECTOR, isNvs: true });
  }
  return found;
}

function covers(outer: Secret, inner: Secret): boolean {
  return outer.offset <= inner.offset && inner.offset + inner.size <= outer.offset + outer.size;
}

/** What lies in an NVS partition, without values; nothing where it is encrypted, damaged, or only a part was read. */
async function listed({ label, offset, size }: Secret, bytes: Uint8Array, start: number): Promise<object> {
  const place = { partition: label, offset, size };
  const whole = offset >= start && offset + size <= start + bytes.length;
  if (!whole) return { ...place, whole, encrypted: null, entries: [] };
  const image = bytes.slice(offset - start, offset - start + size);
  try {
    const content = await parseNvs(image, { platform: nodePlatform });
    return { ...place, whole, encrypted: false, ...listingOf(content, false) };
  } catch (error) {
    return { ...place, whole, encrypted: isKeywayError(error, 'NVS_ENCRYPTED') || null, entries: [] };
  } finally {
    image.fill(0);
  }
}
