import { createHmac } from 'node:crypto';
import { isKeywayError } from '../../errors/index.ts';
import {
  type DemoIdentity,
  decodeNvsKeys,
  type NvsEntry,
  type NvsKeys,
  PARTITION_DATA,
  type Partition,
  type PartitionTable,
  readNvs,
  SUBTYPE_DATA_NVS,
  SUBTYPE_DATA_NVS_KEYS,
} from '../../esp/index.ts';
import { nodePlatform } from '../../esp/node.ts';
import type { ChipContext } from '../chip/context.ts';
import type { BootScript } from './script.ts';

/** Partition that firmware opens when it names none. */
const DEFAULT_LABEL = 'nvs';
/** What the HMAC engine is given, eight times over (ESP-IDF, nvs_sec_provider): for the encryption and the tweak key. */
const HMAC_SEEDS = [0xaebe5a5a, 0xcedea5a5] as const;
const FLAG_OF = { nvs_keys: 'Flash Encryption', hmac: 'HMAC' } as const;

type Scheme = 'none' | 'nvs_keys' | 'hmac';

/** What an app has of its NVS partition. */
export interface OpenedNvs {
  readonly entries: readonly NvsEntry[];
  /** Where it lies; `keys` of an encrypted one are a secret: overwrite them. */
  readonly place: { readonly offset: number; readonly size: number; readonly keys: NvsKeys | null };
}

/**
 * Opens the NVS partition as an app does at its start: plain, with the keys of the nvs_keys partition (which the chip
 * decrypts where flash encryption is on), or with those that the key in its efuses gives. What is wrong is printed.
 *
 * @param built what the firmware was built for; left out, it takes what it finds.
 * @returns null when there is nothing that it can read.
 */
export function openNvs(
  context: ChipContext,
  table: PartitionTable,
  built: DemoIdentity['nvs'],
  script: BootScript,
): OpenedNvs | null {
  const refuse = (why: string): null => {
    script.log('E', 'nvs', why);
    return null;
  };
  const partition = table.find((entry) => isData(entry, SUBTYPE_DATA_NVS) && entry.label === DEFAULT_LABEL);
  if (partition === undefined) return refuse(`Partition "${DEFAULT_LABEL}" not found (ESP_ERR_NOT_FOUND)`);
  const { offset, size, encrypted } = partition;
  if (encrypted && context.encryption.isOn) {
    // Flash encryption works in blocks, and NVS clears single bits.
    return refuse(`Partition "${DEFAULT_LABEL}" has flag "encrypted" set (ESP_ERR_NVS_WRONG_ENCRYPTION)`);
  }
  const stored = context.flash.read(offset, size);
  if (stored.every((byte) => byte === 0xff)) {
    return { entries: [], place: { offset, size, keys: null } };
  }
  let problem = '';
  for (const scheme of built === undefined ? schemesFor(context, table) : [built]) {
    const keys = keysFor(scheme, context, table);
    if (typeof keys === 'string') {
      problem = keys;
      continue;
    }
    try {
      const { entries } = readNvs(stored, { platform: nodePlatform, ...(keys === null ? {} : { keys }) });
      if (scheme !== 'none') {
        script.log('I', 'nvs_sec_provider', `NVS Encryption - Registering ${FLAG_OF[scheme]}-based scheme...`);
        script.log('I', 'nvs', `NVS partition "${DEFAULT_LABEL}" is encrypted.`);
      }
      return { entries, place: { offset, size, keys } };
    } catch (error) {
      wipe(keys);
      if (!isKeywayError(error)) throw error;
      // That it is encrypted says less than why it cannot be decrypted.
      if (error.code !== 'NVS_ENCRYPTED' || problem === '') problem = error.message;
      if (!isKeywayError(error, 'NVS_ENCRYPTED', 'NVS_WRONG_KEYS')) break;
    }
  }
  return refuse(problem);
}

/** Overwrites keys. */
export function wipe(keys: NvsKeys | null): void {
  keys?.encryption.fill(0);
  keys?.tweak.fill(0);
}

function isData({ type, subtype }: Partition, wanted: number): boolean {
  return type === PARTITION_DATA && subtype === wanted;
}

function schemesFor({ security }: ChipContext, table: PartitionTable): Scheme[] {
  return [
    'none',
    ...(security.hmacKey === undefined ? [] : (['hmac'] as const)),
    ...(table.some((entry) => isData(entry, SUBTYPE_DATA_NVS_KEYS)) ? (['nvs_keys'] as const) : []),
  ];
}

/** Null for none; text where there are none and should be. */
function keysFor(scheme: Scheme, context: ChipContext, table: PartitionTable): NvsKeys | null | string {
  if (scheme === 'none') return null;
  if (scheme === 'hmac') {
    const key = context.security.hmacKey;
    return key === undefined
      ? 'No HMAC key is burnt into the efuses (ESP_ERR_NVS_SEC_HMAC_KEY_NOT_FOUND)'
      : derive(key);
  }
  const partition = table.find((entry) => isData(entry, SUBTYPE_DATA_NVS_KEYS));
  if (partition === undefined) return 'NVS key partition not found (ESP_ERR_NOT_FOUND)';
  const bytes = context.encryption.view(partition.offset, partition.size);
  try {
    return decodeNvsKeys(bytes);
  } catch (error) {
    if (!isKeywayError(error)) throw error;
    return error.message;
  }
}

function derive(key: Uint8Array): NvsKeys {
  const [encryption, tweak] = HMAC_SEEDS.map((seed) => {
    const message = Buffer.alloc(32);
    for (let at = 0; at < message.length; at += 4) message.writeUInt32LE(seed, at);
    return new Uint8Array(createHmac('sha256', key).update(message).digest());
  }) as [Uint8Array, Uint8Array];
  return { encryption, tweak };
}
