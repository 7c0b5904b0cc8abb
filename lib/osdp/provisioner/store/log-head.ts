import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { StoreFile, StoreFolder } from './folder.ts';
import type { Head, Place } from './log-chain.ts';
import { writeKeyFile } from './seal.ts';

/** Tells where the log ends. */
export const HEAD_NAME = 'device.log.head';

/**
 * The file has two places, for entries of even and of odd number: while one is written, the other is whole. Each holds
 * the number (u64, little-endian), the MAC of the entry (32) and the seal (32). They lie in blocks of their own.
 */
const PLACE_BYTES = 72;
const BLOCK = 4096;

/** The file of the head, while the log is open. */
export class HeadFile {
  readonly #key: KeyObject;
  readonly #file: StoreFile;

  private constructor(key: KeyObject, file: StoreFile) {
    this.#key = key;
    this.#file = file;
  }

  static async open(folder: StoreFolder, key: KeyObject): Promise<{ file: HeadFile; head: Head }> {
    const file = await folder.open(HEAD_NAME);
    try {
      return { file: new HeadFile(key, file), head: readHead(key, await file.read()) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Makes the file, or another one in its stead. */
  static async make(folder: StoreFolder, key: KeyObject, place: Place): Promise<void> {
    const bytes = Buffer.alloc(BLOCK + PLACE_BYTES);
    for (const at of [0, BLOCK]) bytes.set(encode(key, place), at);
    await placeFile(folder, HEAD_NAME, bytes);
  }

  async write(place: Place): Promise<void> {
    await this.#file.write((place.n % 2) * BLOCK, encode(this.#key, place));
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** @param bytes of the file; none when there is no such file */
export function readHead(key: KeyObject, bytes: Buffer): Head {
  const places = [0, BLOCK].map((at) => decode(key, bytes.subarray(at, at + PLACE_BYTES)));
  const whole = places.flatMap((place) => place ?? []).sort((a, b) => b.n - a.n);
  const [place] = whole;
  return { ...(place && { place }), torn: whole.length < places.length };
}

/** A file that is there as a whole, or not at all. */
export async function placeFile(folder: StoreFolder, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${name}.tmp`;
  if ((await folder.list()).includes(temporary)) await folder.remove(temporary);
  await writeKeyFile(folder, temporary, bytes);
  await folder.rename(temporary, name);
  await folder.sync();
}

function encode(key: KeyObject, { n, mac }: Place): Buffer {
  const bytes = Buffer.alloc(PLACE_BYTES);
  bytes.writeBigUInt64LE(BigInt(n));
  mac.copy(bytes, 8);
  seal(key, bytes.subarray(0, 40)).copy(bytes, 40);
  return bytes;
}

function decode(key: KeyObject, bytes: Buffer): Place | undefined {
  if (bytes.length < PLACE_BYTES || !timingSafeEqual(seal(key, bytes.subarray(0, 40)), bytes.subarray(40))) {
    return undefined;
  }
  return { n: Number(bytes.readBigUInt64LE()), mac: Buffer.from(bytes.subarray(8, 40)) };
}

/** Who cannot make it cannot cut entries off the end unseen. */
function seal(key: KeyObject, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update('head\0').update(bytes).digest();
}
