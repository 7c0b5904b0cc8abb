import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { serveRfc2217, VirtualChip, type VirtualChipOptions, VirtualSocket } from '../../lib/virtual/index.ts';

const COMMAND = fileURLToPath(new URL('../../lib/virtual/cli.ts', import.meta.url));
export const MAC = '60:55:f9:01:02:03';
/** pySerial waits 0.2 s a command over RFC 2217: a run of esptool takes 10 to 40 s, nearly all of it asleep. */
export const RUN_MS = 180_000;

export function findEsptool(): string | undefined {
  const named = process.env.KEYWAY_ESPTOOL;
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'esptool'))
    .find((path) => existsSync(path));
}

/** pySerial gives a server 3 s to negotiate: on a busy machine a run is begun a second and a third time. */
export async function runEsptool(program: string, args: readonly string[], starts = 3): Promise<string> {
  try {
    return await runOnce(program, args);
  } catch (error) {
    if (starts <= 1 || !/Remote does not seem to support RFC2217/.test(String(error))) throw error;
    return await runEsptool(program, args, starts - 1);
  }
}

function runOnce(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: RUN_MS, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out + err);
      else reject(new Error(`esptool ${args.join(' ')}\n${out}${err}`, { cause: error }));
    });
  });
}

/** A chip that esptool reaches by RFC 2217. */
export interface Peer {
  readonly port: string;
  /** Lines that the chip printed. */
  readonly log: string[];
  /** Resolves when the chip prints a line that matches. */
  printed(pattern: RegExp): Promise<void>;
  close(): Promise<void>;
}

/** In this process, with its flash at hand. */
export interface LocalPeer extends Peer {
  readonly chip: VirtualChip;
}

let count = 0;

export async function localPeer(options: Partial<VirtualChipOptions> & { model: string }): Promise<LocalPeer> {
  const chip = new VirtualChip({ mac: MAC, line: 'free', ...options });
  const log = new Log();
  chip.on('log', (line) => log.add(line));
  const socket = new VirtualSocket({ name: `peer-${++count}` });
  socket.insert(chip);
  const service = await serveRfc2217(socket, { host: '127.0.0.1', port: 0 });
  return {
    chip,
    port: service.address,
    log: log.lines,
    printed: (pattern) => log.printed(pattern),
    close: async () => {
      await service.close();
      socket.close();
    },
  };
}

/** In another process, as anyone would start it. */
export async function commandPeer(...options: string[]): Promise<Peer> {
  const args = ['chip', '--mac', MAC, '--line', 'free', '--log', '--rfc2217', '127.0.0.1:0', ...options];
  const child = spawn(process.execPath, [COMMAND, ...args]);
  const log = new Log();
  createInterface(child.stderr).on('line', (line) => log.add(line));
  const ready = createInterface(child.stdout)[Symbol.asyncIterator]();
  const first = await ready.next();
  if (first.done === true) throw new Error(`no chip: ${log.lines.join('\n')}`);
  return {
    port: (JSON.parse(first.value) as { rfc2217: string }).rfc2217,
    log: log.lines,
    printed: (pattern) => log.printed(pattern),
    close: () => end(child),
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => {
    child.once('close', resolve);
  });
  child.kill('SIGTERM');
  await ended;
  assert.equal(child.exitCode, 0);
}

class Log {
  readonly lines: string[] = [];
  #waiting: (() => void)[] = [];

  add(line: string): void {
    this.lines.push(line);
    for (const look of this.#waiting.splice(0)) look();
  }

  printed(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.lines.some((line) => pattern.test(line))) resolve();
        else this.#waiting.push(look);
      };
      look();
    });
  }
}

/** Runs so many jobs at once and no more. */
export class Lanes {
  #free: number;
  #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    } else this.#free--;
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
