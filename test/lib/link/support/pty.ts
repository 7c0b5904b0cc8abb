import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** A serial port without hardware: socat holds the master, its stdin and stdout are the device. */
export interface Pty {
  readonly path: string;
  /** Sends as the device. */
  send(bytes: Uint8Array): void;
  /** What the device got; resolves when there are that many bytes. */
  received(count: number): Promise<Buffer>;
  /** Closes the master: to the host, the cable is pulled. */
  pull(): Promise<void>;
}

const running = new Set<{ child: ChildProcess; folder: string }>();

export function hasSocat(): boolean {
  return spawnSync('socat', ['-V']).status === 0;
}

export async function openPty(): Promise<Pty> {
  const folder = mkdtempSync(join(tmpdir(), 'keyway-pty-'));
  const path = join(folder, 'port');
  const child = spawn('socat', ['-d', '-d', `pty,raw,echo=0,link=${path}`, '-']);
  const entry = { child, folder };
  running.add(entry);
  await says(child.stderr, 'starting data transfer loop');
  const device: Readable & { read(): Buffer | null } = child.stdout;
  const input: Writable = child.stdin;
  let got = Buffer.alloc(0);
  device.on('data', (chunk: Buffer) => {
    got = Buffer.concat([got, chunk]);
  });
  return {
    path,
    send: (bytes) => void input.write(bytes),
    async received(count) {
      while (got.length < count) await once(device, 'data');
      return got;
    },
    async pull() {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}

/** For afterEach. */
export async function closePtys(): Promise<void> {
  for (const { child, folder } of running) {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  }
  running.clear();
}

async function says(stream: Readable, text: string): Promise<void> {
  let heard = '';
  for (;;) {
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    heard += chunk.toString();
    if (heard.includes(text)) return;
  }
}
