import { VirtualChip } from '../chip/chip.ts';
import type { Service } from '../serve/listen.ts';
import { servePty } from '../serve/pty.ts';
import { serveRfc2217 } from '../serve/rfc2217.ts';
import { serveTcp } from '../serve/tcp.ts';
import { VirtualSocket } from '../socket.ts';
import type { Arguments } from './args.ts';
import { FlashFile, readFlashFile } from './flash-file.ts';
import { readKeyFile } from './key-file.ts';

/** Where the command writes to. */
export interface Output {
  line(text: string): void;
  error(text: string): void;
}

export interface RunningChip {
  readonly chip: VirtualChip;
  printStats(): void;
  close(): Promise<void>;
}

/** Starts a chip and everything that serves it. @throws what the chip, the servers and the flash file throw. */
export async function runChip(args: Arguments, output: Output): Promise<RunningChip> {
  const content = args.flashFile === undefined ? undefined : await readFlashFile(args.flashFile);
  const keys = {
    ...(args.keyFile === undefined ? {} : { encryptionKey: await readKeyFile('encryption-key', args.keyFile) }),
    ...(args.hmacKeyFile === undefined ? {} : { hmacKey: await readKeyFile('hmac-key', args.hmacKeyFile) }),
  };
  const chip = new VirtualChip({
    ...args.chip,
    ...(content === undefined ? {} : { flash: content }),
    ...(Object.keys(keys).length === 0 ? {} : { security: { ...args.chip.security, ...keys } }),
  });
  const socket = new VirtualSocket({ name: chip.mac });
  const services: Service[] = [];
  let file: FlashFile | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(services.map((service) => service.close()));
    socket.close();
    await file?.close();
  };
  try {
    if (args.flashFile !== undefined) {
      const kept = new FlashFile(args.flashFile, chip.flash, (error) => output.error(error.message));
      file = kept;
      if (content === undefined) await kept.save();
      chip.on('flash', () => kept.changed());
    }
    if (args.log) chip.on('log', (text) => output.error(text));
    socket.insert(chip);
    const reached: Record<string, string> = {};
    const serve = async (kind: string, service: Promise<Service>): Promise<void> => {
      const started = await service;
      services.push(started);
      reached[kind] = started.address;
    };
    if (args.rfc2217 !== undefined) await serve('rfc2217', serveRfc2217(socket, args.rfc2217));
    if (args.tcp !== undefined) await serve('tcp', serveTcp(socket, args.tcp));
    if (args.pty !== undefined) {
      await serve('pty', servePty(socket, args.pty === true ? {} : { path: args.pty }));
    }
    const { model, mac, flash } = chip;
    output.line(
      JSON.stringify({
        ready: true,
        device: 'chip',
        model: model.id,
        mac,
        flashSize: flash.length,
        ...reached,
        pid: process.pid,
      }),
    );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    chip,
    printStats: () => {
      if (args.stats) output.line(JSON.stringify({ stats: chip.stats() }));
    },
    close,
  };
}
