import { Inflate } from 'pako';
import { isKeywayError } from '../../errors/index.ts';
import type { Platform } from '../platform.ts';
import { roundUp } from '../units.ts';
import type { PreparedRequest } from './channel.ts';
import type { Piece } from './gaps.ts';
import { FlashCommands, type LoaderContext } from './loader.ts';
import { STATUS_CHECKSUM } from './protocol.ts';
import { isSecret, type WriteOptions, type WriteRegion } from './region.ts';
import { sleep } from './timing.ts';

/** What is left to others between sending a block and preparing the next, in ms. */
const TURN_MS = 2;
/** How often a block with a checksum error is sent again before its region is. */
const BLOCK_ATTEMPTS = 3;
/** Flash encryption works on so many bytes at a time: 32 on the ESP32, 16 later. */
const ENCRYPTED_UNIT = 32;

/** Compresses a piece. What may hold secrets is not kept after, and is the caller's to wipe. */
export async function pack(
  platform: Platform,
  region: WriteRegion,
  piece: Piece,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const secret = isSecret(region);
  const bytes = pieceBytes(region, piece, 4);
  try {
    return await platform.deflate(bytes, { signal, keep: !secret });
  } finally {
    if (secret && bytes !== region.data) bytes.fill(0);
  }
}

/** The piece, padded with 0xFF to a multiple of `unit`: whole words are what the flash chip wants. */
function pieceBytes(region: WriteRegion, piece: Piece, unit: number): Uint8Array {
  if (piece.size === region.data.length && piece.size % unit === 0) return region.data;
  const bytes = new Uint8Array(roundUp(piece.size, unit)).fill(0xff);
  bytes.set(region.data.subarray(piece.offset, piece.offset + piece.size));
  return bytes;
}

interface PreparedBlock {
  readonly request: PreparedRequest;
  /** Uncompressed bytes. */
  readonly yields: number;
}

/** Writes a piece, compressed. */
export async function writePacked(
  context: LoaderContext,
  region: WriteRegion,
  piece: Piece,
  options: WriteOptions,
): Promise<void> {
  const { signal } = options;
  const commands = new FlashCommands(context);
  options.onPhase?.('compress');
  const packed = await pack(context.platform, region, piece, signal);
  try {
    const size = roundUp(piece.size, 4);
    const counter = new SizeCounter();
    await commands.deflateBegin(region.offset + piece.offset, size, packed.length, signal);
    const prepare = (sequence: number): PreparedBlock => {
      const block = packed.subarray(sequence * commands.blockSize, (sequence + 1) * commands.blockSize);
      return { request: commands.prepareBlock(block, sequence), yields: counter.add(block) };
    };
    const blocks = Math.ceil(packed.length / commands.blockSize);
    const done = () => piece.offset + Math.min(piece.size, counter.total);
    const pending = await sendBlocks(context, commands, blocks, prepare, done, options);
    await commands.deflateEnd(pending, signal);
  } finally {
    if (isSecret(region)) packed.fill(0);
  }
}

/** Writes a piece as it is. */
export async function writePlain(
  context: LoaderContext,
  region: WriteRegion,
  piece: Piece,
  options: WriteOptions,
): Promise<void> {
  const { signal } = options;
  const commands = new FlashCommands(context);
  const { blockSize } = commands;
  const encrypt = region.encrypt === true;
  const bytes = pieceBytes(region, piece, encrypt ? ENCRYPTED_UNIT : 4);
  try {
    await commands.begin(region.offset + piece.offset, bytes.length, encrypt, signal);
    let total = 0;
    const prepare = (sequence: number): PreparedBlock => {
      const part = bytes.subarray(sequence * blockSize, (sequence + 1) * blockSize);
      total += part.length;
      // The ROM takes whole blocks; what it writes beyond the end was erased anyway and stays so.
      const block = context.stub ? part : new Uint8Array(blockSize).fill(0xff);
      if (block !== part) block.set(part);
      return { request: commands.prepareBlock(block, sequence, false), yields: part.length };
    };
    const done = () => piece.offset + Math.min(piece.size, total);
    const blocks = Math.ceil(bytes.length / blockSize);
    const pending = await sendBlocks(context, commands, blocks, prepare, done, options);
    await commands.end(pending, signal);
  } finally {
    if (isSecret(region) && bytes !== region.data) bytes.fill(0);
  }
}

/** Sends blocks one after the other. @returns the bytes that the chip may still have to write. */
async function sendBlocks(
  context: LoaderContext,
  commands: FlashCommands,
  blocks: number,
  prepare: (sequence: number) => PreparedBlock,
  doneSoFar: () => number,
  options: WriteOptions,
): Promise<number> {
  const { signal } = options;
  const { channel } = commands;
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
    const answer = send().catch((error: unknown) => resend(error, send, options));
    answer.catch(() => undefined);
    pending = yields;
    const done = doneSoFar();
    if (!isLast) {
      // While the line is busy: prepare the next block, so that it leaves in the moment in which the answer comes;
      // but not before driver and port server have had their turn at this one.
      await sleep(TURN_MS);
      ready = prepare(sequence + 1);
    }
    await answer;
    options.onSent?.(yields);
    options.onBytes?.(done);
  }
  return pending;
}

/** A block whose checksum was wrong was thrown away by the stub: it alone may be sent again. */
async function resend(error: unknown, send: () => Promise<unknown>, options: WriteOptions): Promise<void> {
  let last = error;
  for (let attempt = 2; attempt <= BLOCK_ATTEMPTS; attempt++) {
    if (!isKeywayError(last, 'CHIP_REFUSED') || last.detail?.status !== STATUS_CHECKSUM) throw last;
    options.onResent?.();
    try {
      await send();
      return;
    } catch (again) {
      last = again;
    }
  }
  throw last;
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
