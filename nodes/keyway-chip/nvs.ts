import { isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import {
  type ChipSession,
  decodeNvsKeys,
  type NvsContent,
  type NvsKeys,
  PARTITION_DATA,
  PARTITION_TABLE_BYTES,
  type Partition,
  type PartitionTable,
  parseNvs,
  SUBTYPE_DATA_NVS,
  SUBTYPE_DATA_NVS_KEYS,
  tryDecodeTable,
} from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { audit } from '../shared/audit.ts';
import type { Fields } from '../shared/evaluate.ts';
import type { Job, Outcome } from '../shared/jobs.ts';
import { keyHandleIn, nvsKeysOf } from '../shared/nvs-keys.ts';
import { listingOf } from '../shared/nvs-listing.ts';
import { redeemer, withSecrets } from '../shared/secrets.ts';
import type { Red, RedNode } from '../shared/types.ts';
import type { ChipConfig } from './config.ts';

const TYPE = 'keyway-chip';
/** Where ESP-IDF puts the partition table unless it is told otherwise. */
const TABLE_OFFSET = 0x8000;
/** As much of an nvs_keys partition as says something. */
const KEYS_BYTES = 0x1000;

/** Which NVS partition is to be read, and the handle of its keys. */
export interface NvsWish {
  readonly partition: string;
  readonly key: string | undefined;
}

/** @throws BAD_FIELD */
export async function nvsWish(fields: Fields<ChipConfig>): Promise<NvsWish> {
  const partition = (await fields.text('partition')) ?? 'nvs';
  return { partition, key: keyHandleIn(await fields.value('nvsKey'), TYPE) };
}

export interface NvsReading {
  readonly red: Red;
  readonly node: RedNode;
  readonly job: Job;
  readonly wish: NvsWish;
  /** Whether the values are told too. */
  readonly raw: boolean;
}

/** What is in an NVS partition of the chip: without values, unless opted in and written down. The stub runs. */
export async function readNvs(session: ChipSession, reading: NvsReading): Promise<Outcome> {
  const { red, node, job, wish, raw } = reading;
  const options = { signal: job.signal, onProgress: job.progress };
  const read = (offset: number, size: number): Promise<Uint8Array> => session.readFlash(offset, size, options);
  const table = tryDecodeTable(await read(TABLE_OFFSET, PARTITION_TABLE_BYTES));
  if (table === null) throw noTable();
  job.msg.device = { ...job.msg.device, partitions: table };
  const partition = nvsPartition(table, wish.partition);
  const bytes = await read(partition.offset, partition.size);
  const onChip = async (): Promise<NvsKeys | undefined> => {
    const home = table.find(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_NVS_KEYS);
    return home === undefined ? undefined : decodeNvsKeys(await read(home.offset, KEYS_BYTES));
  };
  const { content, encrypted } = await parse(bytes, wish.key, job, onChip);
  const { label, offset, size } = partition;
  if (raw) {
    const mac = session.facts.mac ?? 'unknown';
    audit(red, node, 'nvs.read', { job: job.id, mac, partition: label, entries: content.entries.length });
  }
  return {
    topic: 'chip/nvs',
    payload: { partition: label, offset, size, encrypted, ...listingOf(content, raw) },
    status: red._('keyway.status.entries', { count: `${content.entries.length}` }),
  };
}

/** Plain where it is plain; else with the keys of the handle, or those that lie on the chip. */
async function parse(
  bytes: Uint8Array,
  handle: string | undefined,
  job: Job,
  onChip: () => Promise<NvsKeys | undefined>,
): Promise<{ content: NvsContent; encrypted: boolean }> {
  const platform = nodePlatform;
  try {
    return { content: await parseNvs(bytes, { platform }), encrypted: false };
  } catch (error) {
    if (!isKeywayError(error, 'NVS_ENCRYPTED')) throw error;
    const keys =
      handle === undefined
        ? await onChip()
        : // Looking uses no key up.
          await withSecrets([handle], redeemer(TYPE, job), (secrets) => nvsKeysOf(secrets.bytesOf(handle)), {
            returned: true,
          });
    if (keys === undefined) throw error;
    return { content: await parseNvs(bytes, { keys, platform }), encrypted: true };
  }
}

function nvsPartition(table: PartitionTable, label: string): Partition {
  const isNvs = ({ type, subtype }: Partition): boolean => type === PARTITION_DATA && subtype === SUBTYPE_DATA_NVS;
  const found = table.find((partition) => partition.label === label && isNvs(partition));
  if (found !== undefined) return found;
  const labels = table.filter(isNvs).map((partition) => partition.label);
  throw new KeywayError('NO_SUCH_PARTITION', `The table on the chip has no NVS partition "${label}".`, {
    hint: `Its NVS partitions: ${labels.join(', ') || 'none'}.`,
    detail: { field: 'partition', value: label },
  });
}

function noTable(): Error {
  return new KeywayError('TABLE_MISSING', 'There is no partition table on the chip at 0x8000 that can be read.', {
    hint: 'Flash one first. A chip that encrypts its flash does not show what it holds.',
    detail: { field: 'partition', offset: TABLE_OFFSET },
  });
}
