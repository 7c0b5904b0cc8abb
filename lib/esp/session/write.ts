import { Inflate } from 'pako';
import { isKeywayError } from '../../errors/index.ts';
import { toHex } from '../digest.ts';
import type { Platform } from '../platform.ts';
import type { RegionKind } from '../types.ts';
import { hex, roundUp, SECTOR } from '../units.ts';
import type { PreparedRequest } from './channel.ts';
import { fail } from './errors.ts';
import { blankMd5, type Piece, partAtGaps } from './gaps.ts';
import { FlashCommands, type LoaderContext } from './loader.ts';
import { recover } from './recover.ts';
import { sleep } from './timing.ts';

/** Bytes to write in one go, verified as a whole. */
export interface WriteRegion {
  /** A multiple of 4096. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly name: string;
  readonly kind?: RegionKind | 'erase';
  /** Lower-case hex; computed when absent. */
  readonly md5?: string;
}

/** How to cancel a write, and whom to tell. */
export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Uncompressed bytes of the region that are written. */
  readonly onBytes?: (done: number) => void;
  readonly onPhase?: (phase: 'compress' | 'erase' | 'verify') => void;
}

/** How a write went. */
export interface WriteResult {
  readonly md5: string;
  /** How often the region was written; more than 1 after a fault that only its MD5 showed. */
  readonly attempts: number;
  /** Blocks sent again because the stub found their checksum wrong: a measure of the line. */
  readonly resent: number;
  readonly wireBytes: number;
}

/** How often a region may be written: once, and again after a fault of the line or of the flash. */
const ATTEMPTS = 3;
/** What is left to others between sending a block and preparing the next, in ms. */
const TURN_MS = 2;
/** How often a block with a checksum error is sent again before its region is. */
const BLOCK_ATTEMPTS = 3;
const STATUS_CHECKSUM = 0xc1;

/** Compresses a region ahead of time, so that the line does not wait for it. The platform keeps the result. */
export async function compressRegion(
  platform: Platform,
  region: WriteRegion,
  stub: boolean,
  signal?: AbortSignal,
): Promise<void> {
  for (const piece of piecesOf(region, stub)) if (!piece.blank) await pack(platform, region, piece, signal);
}

/**
 * Writes one region, compressed, and checks the whole of it by MD5. Every acknowledgement is distrusted: the stub
 * gives it before it writes, and tells an error only at the next command. A fault therefore repeats the region, not
 * the block. @throws MD5_MISMATCH, CHIP_REFUSED, CHIP_STOPPED, BOARD_RESET, PORT_GONE, CANCELLED.
 */
export async function writeRegion(
  context: LoaderContext,
  region: WriteRegion,
  options: WriteOptions = {},
): Promise<WriteResult> {
  const { channel, platform } = context;
  const commands = new FlashCommands(context);
  const before = channel.wireBytes;
  const md5 = region.md5 ?? toHex(await platform.md5(region.data));
  let mismatches = 0;
  let resent = 0;
  const counted: WriteOptions & Counting = { ...options, onResent: () => resent++ };
  for (let attempt = 1; ; attempt++) {
    try {
      for (const piece of piecesOf(region, context.stub)) {
        if (piece.blank) await makeBlank(context, commands, region, piece, attempt > 1, options);
        else await writePiece(context, commands, region, piece, counted);
      }
      options.onPhase?.('verify');
      const found = await commands.md5(region.offset, region.data.length, options.signal);
      if (found === md5) return { md5, attempts: attempt, resent, wireBytes: channel.wireBytes - before };
      mismatches++;
      if (mismatches > 1 || attempt >= ATTEMPTS) throw mismatch(region, md5, found);
    } catch (error) {
      if (attempt >= ATTEMPTS || !isKeywayError(error, 'CHIP_REFUSED', 'CHIP_STOPPED')) throw error;
      await recover(context, error, options.signal);
    }
  }
}

function piecesOf(region: WriteRegion, stub: boolean): Piece[] {
  // The ROM erases what it is told to write up front: leaving gaps out gains nothing there.
  if (!stub) return [{ offset: 0, size: region.data.length, blank: false }];
  return partAtGaps(region.data);
}

async function pack(platform: Platform, region: WriteRegion, piece: Piece, signal?: AbortSignal): Promise<Uint8Array> {
  // What may hold secrets is not kept after.
  return await platform.deflate(pieceBytes(region, piece), { signal, keep: region.kind !== 'nvs' });
}

/** The piece, padded to whole words with 0xFF as the flash chip wants it. */
function pieceBytes(region: WriteRegion, piece: Piece): Uint8Array {
  if (piece.size === region.data.length && piece.size % 4 === 0) return region.data;
  const bytes = new Uint8Array(roundUp(piece.size, 4)).fill(0xff);
  bytes.set(region.data.subarray(piece.offset, piece.offset + piece.size));
  return bytes;
}

async function writePiece(
  context: LoaderContext,
  commands: FlashCommands,
  region: WriteRegion,
  piece: Piece,
  options: WriteOptions & Counting,
): Promise<void> {
  const { signal } = options;
  options.onPhase?.('compress');
  const packed = await pack(context.platform, region, piece, signal);
  const size = roundUp(piece.size, 4);
  const { blockSize, channel } = commands;
  const counter = new SizeCounter();
  await commands.deflateBegin(region.offset + piece.offset, size, packed.length, signal);
  const blocks = Math.ceil(packed.length / blockSize);
  const prepare = (sequence: number): PreparedBlock => {
    const block = packed.subarray(sequence * blockSize, (sequence + 1) * blockSize);
    return { request: commands.prepareBlock(block, sequence), yields: counter.add(block) };
  };
  let ready: PreparedBlock | undefined = prepare(0);
  // What the chip still has to write before it answers: with the stub the block before, with the ROM this one.
  let pending = 0;
  for (let sequence = 0; sequence < blocks; sequence++) {
    const { request, yields } = ready ?? prepare(sequence);
    ready = undefined;
    const timeoutMs = commands.blockTimeout(request.frame.length, context.stub ? pending : yields);
    const isLast = sequence + 1 === blocks;
    const followUp = () => ready?.request;
    const send = () => channel.exchange(request, { timeoutMs, signal, followUp });
    const answer = send().catch((error: unknown) => resend(error, send, options.onResent));
    answer.catch(() => undefined);
    pending = yields;
    const done = piece.offset + Math.min(piece.size, counter.total);
    if (!isLast) {
      // While the line is busy: prepare the next block, so that it leaves in the moment in which the answer comes;
      // but not before driver and port server have had their turn at this one.
      await sleep(TURN_MS);
      ready = prepare(sequence + 1);
    }
    await answer;
    options.onBytes?.(done);
  }
  await commands.deflateEnd(pending, signal);
}

interface Counting {
  readonly onResent: () => void;
}

interface PreparedBlock {
  readonly request: PreparedRequest;
  /** Uncompressed bytes. */
  readonly yields: number;
}

/** A block whose checksum was wrong was thrown away by the stub: it alone may be sent again. */
async function resend(error: unknown, send: () => Promise<unknown>, onResent: () => void): Promise<void> {
  let last = error;
  for (let attempt = 2; attempt <= BLOCK_ATTEMPTS; attempt++) {
    if (!isKeywayError(last, 'CHIP_REFUSED') || last.detail?.status !== STATUS_CHECKSUM) throw last;
    onResent();
    try {
      await send();
      return;
    } catch (again) {
      last = again;
    }
  }
  throw last;
}

/** Erases a gap unless it is blank already. */
async function makeBlank(
  context: LoaderContext,
  commands: FlashCommands,
  region: WriteRegion,
  piece: Piece,
  always: boolean,
  options: WriteOptions,
): Promise<void> {
  const offset = region.offset + piece.offset;
  const size = roundUp(piece.size, SECTOR);
  if (always || (await commands.md5(offset, size, options.signal)) !== (await blankMd5(context.platform, size))) {
    options.onPhase?.('erase');
    await commands.erase(offset, size, options.signal);
  }
  options.onBytes?.(piece.offset + piece.size);
}

/** Counts what blocks of a zlib stream unpack to, a block at a time. */
class SizeCounter {
  readonly #inflate = new Inflate({ chunkSize: 0x10000 });
  total = 0;

  constructor() {
    this.#inflate.onData = () => undefined;
  }

  /** Uncompressed bytes that this block yields. */
  add(block: Uint8Array): number {
    this.#inflate.push(block, false);
    const { total_out: total } = (this.#inflate as unknown as { strm: { total_out: number } }).strm;
    const more = total - this.total;
    this.total = total;
    return more;
  }
}

function mismatch(region: WriteRegion, wanted: string, found: string): Error {
  return fail(
    'MD5_MISMATCH',
    `The flash at ${hex(region.offset)} does not hold "${region.name}" (${region.data.length} bytes), though it was written twice.`,
    {
      hint: 'Try a lower baud rate. When it stays so, the flash chip or its wiring is faulty.',
      detail: { offset: region.offset, size: region.data.length, name: region.name, wanted, found },
    },
  );
}
