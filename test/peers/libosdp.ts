import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createMemoryPair, type Link } from '../../lib/link/index.ts';
import { FrameParser, realClock, withMark } from '../../lib/osdp/index.ts';

const SCRIPT = fileURLToPath(new URL('./osdp-peer.py', import.meta.url));

/** A Python that has libosdp: KEYWAY_OSDP_PYTHON, else python3 if it has. */
export function findPython(): string | undefined {
  for (const python of [process.env.KEYWAY_OSDP_PYTHON, 'python3']) {
    if (python === undefined || python === '') continue;
    try {
      execFileSync(python, ['-c', 'import osdp'], { stdio: 'ignore' });
      return python;
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

/** For `before`: what needs libosdp is left out where there is none, and says so. */
export function needLibosdp(context: Mocha.Context, python: string | undefined): void {
  if (python !== undefined) return;
  if (process.env.KEYWAY_PEERS === 'required') throw new Error('libosdp not found, and KEYWAY_PEERS is "required"');
  console.log('    left out: no Python with libosdp (KEYWAY_OSDP_PYTHON)');
  context.skip();
}

export interface Told {
  ready?: boolean;
  state?: { online: boolean; secure: boolean };
  event?: Record<string, unknown>;
  command?: Record<string, unknown>;
  done?: unknown;
}

/** libosdp in a process of its own, at one end of a socket pair. */
export class Peer {
  readonly child: ChildProcess;
  readonly wire: Duplex;
  readonly told: Told[] = [];
  #error = '';
  readonly #waiting = new Set<() => void>();

  constructor(python: string, config: Record<string, unknown>) {
    this.child = spawn(python, [SCRIPT, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    this.wire = this.child.stdio[3] as Duplex;
    this.wire.on('error', () => undefined);
    this.child.stdin?.on('error', () => undefined);
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.#error += chunk.toString();
    });
    if (this.child.stdout === null) throw new Error('no output');
    createInterface(this.child.stdout).on('line', (line) => {
      this.told.push(JSON.parse(line) as Told);
      for (const look of [...this.#waiting]) look();
    });
    this.child.once('exit', () => {
      for (const look of [...this.#waiting]) look();
    });
  }

  order(what: Record<string, unknown>): void {
    this.child.stdin?.write(`${JSON.stringify(what)}\n`);
  }

  /** Resolves when it has told something that fits, from now or before. */
  until(fits: (told: Told) => boolean | undefined, what: string, ms = 15_000): Promise<Told> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.told.find((one) => fits(one) === true);
        if (found === undefined && this.child.exitCode === null) return;
        this.#waiting.delete(look);
        clearTimeout(timer);
        if (found === undefined) reject(new Error(`The peer ended without: ${what}. ${this.#error}`));
        else resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`The peer never told: ${what}. It told ${JSON.stringify(this.told)} ${this.#error}`));
      }, ms);
      this.#waiting.add(look);
      look();
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => {
        this.child.once('exit', resolve);
      });
      this.child.kill('SIGKILL');
      await ended;
    }
    this.wire.destroy();
  }
}

/** A link to what is at the other end of the socket pair. Whoever had the wire before has it no more. */
export function linkTo(other: Peer, name = 'osdp-peer'): Link {
  const { host, device } = createMemoryPair({ name, baudRate: 115200 });
  other.wire.removeAllListeners('data');
  device.onData((bytes) => other.wire.write(bytes));
  other.wire.on('data', (bytes: Buffer) => device.send(bytes));
  return host;
}

/** Their panel at their reader. Their panel loses the begin of a frame that it reads in two pieces: it is given whole ones. */
export function joinPeers(panel: Peer, reader: Peer): void {
  const parser = new FrameParser({ clock: realClock, onFrame: ({ raw }) => panel.wire.write(withMark(raw)) });
  reader.wire.removeAllListeners('data');
  reader.wire.on('data', (bytes: Buffer) => parser.push(bytes));
  panel.wire.on('data', (bytes: Buffer) => reader.wire.write(bytes));
}
