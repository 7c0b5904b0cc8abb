import { toHex } from '../digest.ts';
import type { Platform } from '../platform.ts';
import { hex, roundUp, SECTOR } from '../units.ts';
import { pack, writePacked, writePlain } from './blocks.ts';
import { fail } from './errors.ts';
import { blankMd5, type Piece, partAtGaps } from './gaps.ts';
import { FlashCommands, type LoaderContext } from './loader.ts';
import { isSecret, type SectorRange, type WriteOptions, type WriteRegion, type WriteResult } from './region.ts';
import { retrying } from './retry.ts';

/** How often a region may be written: once, and again after a fault of the line or of the flash. */
const ATTEMPTS = 3;

/** Compresses a region ahead of time, so that the line does not wait for it. The platform keeps the result. */
export async function compressRegion(
  platform: Platform,
  region: WriteRegion,
  stub: boolean,
  signal?: AbortSignal,
): Promise<void> {
  if (isSecret(region) || region.encrypt === true) return;
  for (const piece of piecesOf(region, stub)) if (!piece.blank) await pack(platform, region, piece, signal);
}

/**
 * Writes one region, compressed where the chip takes that, and checks the whole of it by MD5. Every acknowledgement is
 * distrusted: the stub gives it before it writes, and tells an error only at the next command. A fault therefore
 * repeats the region, not the block. @throws MD5_MISMATCH, CHIP_REFUSED, CHIP_STOPPED, BOARD_RESET, PORT_GONE,
 * CANCELLED.
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
  const verified = context.verifies && region.encrypt !== true;
  let { changed } = options;
  let mismatches = 0;
  let attempts = 0;
  let resent = 0;
  const counted: WriteOptions = {
    ...options,
    onResent: () => {
      resent++;
      options.onResent?.();
    },
  };
  const writeOnce = async (): Promise<string> => {
    attempts++;
    options.onAttempt?.(changed === undefined);
    for (const piece of piecesOf(region, context.stub, changed)) {
      if (piece.blank) await makeBlank(context, commands, region, piece, attempts > 1, options);
      else if (verified) await writePacked(context, region, piece, counted);
      else await writePlain(context, region, piece, counted);
    }
    if (!verified) return md5;
    options.onPhase?.('verify');
    return await commands.md5(region.offset, region.data.length, options.signal);
  };
  const faults = { tries: ATTEMPTS, codes: ['CHIP_REFUSED', 'CHIP_STOPPED'], signal: options.signal };
  for (;;) {
    const found = await retrying(context, faults, writeOnce);
    if (found === md5) return { md5, attempts, resent, wireBytes: channel.wireBytes - before, verified };
    // What the flash was said to hold was not the truth: all of it is written.
    if (changed !== undefined) changed = undefined;
    else if (++mismatches > 1) throw mismatch(region, md5, found);
  }
}

/** Which parts of a region are sent, and which need only be blank. */
function piecesOf(region: WriteRegion, stub: boolean, changed?: readonly SectorRange[]): Piece[] {
  const ranges = changed ?? [{ offset: 0, size: region.data.length }];
  // The ROM erases what it is told to write up front: leaving gaps out gains nothing there. And a gap that is read
  // through the flash encryption has to be written to come out as one.
  if (!stub || region.encrypt === true) return ranges.map(({ offset, size }) => ({ offset, size, blank: false }));
  return ranges.flatMap(({ offset, size }) =>
    partAtGaps(region.data.subarray(offset, offset + size)).map((piece) => ({
      ...piece,
      offset: offset + piece.offset,
    })),
  );
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

/** @throws MD5_MISMATCH */
function mismatch(region: WriteRegion, wanted: string, found: string): Error {
  return fail(
    'MD5_MISMATCH',
    `The flash at ${hex(region.offset)} does not hold "${region.name}" (${region.data.length} bytes), though it was written twice.`,
    {
      hint: 'Try a lower baud rate. When it stays so, the flash chip or its wiring is faulty.',
      detail: {
        offset: region.offset,
        size: region.data.length,
        name: region.name,
        ...(isSecret(region) ? {} : { wanted, found }),
      },
    },
  );
}
