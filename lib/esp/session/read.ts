import { toHex } from '../digest.ts';
import { hex, SECTOR } from '../units.ts';
import { fail } from './errors.ts';
import { FlashCommands, type LoaderContext } from './loader.ts';
import { words } from './protocol.ts';
import { retrying } from './retry.ts';

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: (done: number) => void;
}

/**
 * Reads flash. With the stub the data is checked against the MD5 that ends it and read once more when it differs; the
 * ROM reads 64 bytes at a time and the whole is checked by its MD5 command. @throws READ_CORRUPT and the channel's.
 */
export async function readFlash(
  context: LoaderContext,
  offset: number,
  size: number,
  options: ReadOptions = {},
): Promise<Uint8Array> {
  const faults = { tries: 2, codes: ['READ_CORRUPT', 'CHIP_STOPPED'], signal: options.signal };
  return await retrying(context, faults, async () => {
    const read = await (context.stub ? readByStub : readByRom)(context, offset, size, options);
    const own = toHex(await context.platform.md5(read.data));
    if (own === read.md5) return read.data;
    throw fail('READ_CORRUPT', `${size} bytes at ${hex(offset)} were read again and again, and damaged each time.`, {
      hint: 'Try a lower baud rate.',
      detail: { offset, size, wanted: read.md5, found: own },
    });
  });
}

interface ReadData {
  readonly data: Uint8Array;
  readonly md5: string;
}

async function readByStub(
  context: LoaderContext,
  offset: number,
  size: number,
  options: ReadOptions,
): Promise<ReadData> {
  const { channel, timing } = context;
  const { signal } = options;
  const data = new Uint8Array(size);
  await new FlashCommands(context).readBegin(offset, size, SECTOR, signal);
  for (let done = 0; done < size; ) {
    const frame = await channel.nextFrame(timing.commandMs + channel.lineTime(SECTOR * 2), signal);
    if (done + frame.length > size) {
      throw fail('READ_CORRUPT', `The chip sent more than the ${size} bytes that were asked for.`, {
        detail: { offset, size },
      });
    }
    data.set(frame, done);
    done += frame.length;
    channel.send(words(done));
    options.onBytes?.(done);
  }
  const sum = await channel.nextFrame(timing.commandMs, signal);
  return { data, md5: toHex(sum) };
}

async function readByRom(
  context: LoaderContext,
  offset: number,
  size: number,
  options: ReadOptions,
): Promise<ReadData> {
  const commands = new FlashCommands(context);
  const data = new Uint8Array(size);
  for (let done = 0; done < size; done += 64) {
    data.set(await commands.readSlow(offset + done, Math.min(64, size - done), options.signal), done);
    options.onBytes?.(Math.min(size, done + 64));
  }
  return { data, md5: await commands.md5(offset, size, options.signal) };
}
