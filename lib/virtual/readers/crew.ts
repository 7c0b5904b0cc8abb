import { randomBytes } from 'node:crypto';
import { checkAddress, checkBaudRate, isForbiddenKey } from '../../osdp/index.ts';
import { fail } from '../errors.ts';
import { type Nature, parseNature } from './personalities.ts';
import { VirtualReader, type VirtualReaderOptions } from './reader.ts';

/** Readers that are made together. */
export interface CrewOptions extends Pick<VirtualReaderOptions, 'baudRate' | 'replyMs' | 'switchMs'> {
  /** 1 … 126. Default: as many as there are addresses, else 1. */
  readonly count?: number;
  /** One a reader; default 0, 1, 2 … Two readers may have the same: they collide. */
  readonly addresses?: readonly number[];
  /** One a reader, see `parseNature`; the last one holds for all that follow. Default normal. */
  readonly natures?: readonly string[];
  /** The key of those that are keyed, 16 bytes; without it each has a random one that nobody knows. */
  readonly key?: Uint8Array;
  /**
   * Serial number of the first; those that follow count up. Default 0x10000000 and the address, 0x100 more for each
   * reader before it with the same address.
   */
  readonly serial?: number;
}

/** @throws BAD_READER_OPTION, BAD_OSDP_ADDRESS, BAD_OSDP_BAUD */
export function makeReaders(options: CrewOptions): VirtualReader[] {
  const { addresses, natures = [], key, serial, count: asked, ...same } = options;
  const count = asked ?? addresses?.length ?? 1;
  if (!Number.isInteger(count) || count < 1 || count > 126) {
    throw bad('count', count, 'From 1 to 126 readers fit on a bus.');
  }
  if (addresses !== undefined && addresses.length !== count) {
    throw bad('addresses', addresses.length, `Give ${count} addresses, one a reader, or none.`);
  }
  if (key !== undefined && key.length !== 16) throw bad('key', `${key.length} bytes`, 'A key has 16 bytes.');
  if (options.baudRate !== undefined) checkBaudRate(options.baudRate);
  const known = natures.map(parseNature);
  const normal = parseNature('normal');
  return Array.from({ length: count }, (_, i) => {
    const address = addresses?.[i] ?? i;
    checkAddress(address, 'addresses');
    const { personality, keyed, busy, switchMs }: Nature = known[i] ?? known.at(-1) ?? normal;
    const alike = addresses?.slice(0, i).filter((one) => one === address).length ?? 0;
    const id = { serial: serial === undefined ? 0x10000000 + address + 0x100 * alike : serial + i };
    const reader = new VirtualReader({
      ...same,
      id,
      ...(switchMs === undefined ? {} : { switchMs }),
      address,
      personality,
      key: keyed ? (key ?? ownKey()) : null,
    });
    reader.busy = busy;
    return reader;
  });
}

/** One that a panel may use. */
function ownKey(): Uint8Array {
  for (;;) {
    const key = randomBytes(16);
    if (!isForbiddenKey(key)) return key;
  }
}

function bad(field: string, value: string | number, hint: string): Error {
  return fail('BAD_READER_OPTION', `${field} of the virtual readers cannot be ${value}.`, {
    hint,
    detail: { field, value },
  });
}
