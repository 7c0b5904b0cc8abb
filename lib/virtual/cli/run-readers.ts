import { ReaderBus } from '../readers/bus.ts';
import { makeReaders } from '../readers/crew.ts';
import type { Service } from '../serve/listen.ts';
import { servePty } from '../serve/pty.ts';
import { serveRfc2217 } from '../serve/rfc2217.ts';
import { serveTcp } from '../serve/tcp.ts';
import { readKeyFile } from './key-file.ts';
import type { ReaderArguments } from './reader-options.ts';
import type { Output } from './run.ts';

export interface RunningReaders {
  readonly bus: ReaderBus;
  close(): Promise<void>;
}

/** Starts a bus with its readers and all that serves it. @throws what the readers and the servers throw */
export async function runReaders(args: ReaderArguments, output: Output): Promise<RunningReaders> {
  const { line, keyFile, natures, rfc2217, tcp, pty, ...rest } = args;
  const key = keyFile === undefined ? {} : { key: await readKeyFile('key', keyFile) };
  const readers = makeReaders({ ...rest, natures, ...key });
  const bus = new ReaderBus({ name: `readers-${process.pid}`, mode: line, baudRate: args.baudRate });
  const services: Service[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(services.map((service) => service.close()));
    bus.close();
  };
  try {
    for (const reader of readers) bus.add(reader);
    const reached: Record<string, string> = {};
    const serve = async (kind: string, service: Promise<Service>): Promise<void> => {
      const started = await service;
      services.push(started);
      reached[kind] = started.address;
    };
    if (rfc2217 !== undefined) await serve('rfc2217', serveRfc2217(bus.cable(), rfc2217));
    if (tcp !== undefined) await serve('tcp', serveTcp(bus.cable(), tcp));
    if (pty !== undefined) await serve('pty', servePty(bus.cable(), pty === true ? {} : { path: pty }));
    output.line(
      JSON.stringify({
        ready: true,
        device: 'readers',
        readers: readers.map(({ address, baudRate, id, isKeyed }) => ({
          address,
          baudRate,
          serial: id.serial,
          keyed: isKeyed,
        })),
        ...reached,
        pid: process.pid,
      }),
    );
  } catch (error) {
    await close();
    throw error;
  }
  return { bus, close };
}
