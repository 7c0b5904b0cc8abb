import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type KeystoreSource, takeEnvironmentSecret, wipe } from '../../../vault/index.ts';
import { parseProvisionerAddress } from '../link/address.ts';
import { fail } from '../link/errors.ts';
import { checkSocketFolder } from '../link/folder.ts';
import type { ProvisionerMode } from '../types.ts';

/** What to start, as a process of its own. */
export interface SpawnOptions {
  /** The bus: see `parseAddress` of lib/link. `virtual:` ports are of this process alone and cannot be given away. */
  readonly port: string;
  readonly store: string;
  /** Where its socket is made: an absolute path in a folder that is made with, or has, the mode 0700. */
  readonly socket: string;
  /** Further ways for other hosts: `tls:…`, `serial:…`. */
  readonly listen?: readonly string[];
  readonly modes?: readonly ProvisionerMode[];
  readonly slots?: number;
  readonly name?: string;
  /** A key in the environment goes to the child's environment alone; nothing of it is in its arguments. */
  readonly key: KeystoreSource;
  /** Make the key file when there is none. */
  readonly makeKey?: boolean;
  /** What the child says, line by line. */
  readonly onLine?: (text: string) => void;
  /** It started, ended, or could not be started again. */
  readonly onState?: (state: SpawnState) => void;
  /** For tests: the program instead of ours. */
  readonly program?: { readonly file: string; readonly args: readonly string[] };
  /** Between tries to start it again, ms: the first, and the longest. Default 500 and 30 000. */
  readonly restartMs?: readonly [number, number];
}

export type SpawnState =
  | { readonly state: 'running'; readonly pid: number }
  | { readonly state: 'ended'; readonly text: string };

/** A provisioner in a process of its own. */
export interface SpawnedProvisioner {
  /** For `ProvisionerHost`. */
  readonly address: string;
  /** While it runs. */
  readonly pid: number | undefined;
  /** The addresses that it serves, as it said last. */
  readonly listening: readonly string[];
  /** Ends it within 5 s, and does not start it again. */
  stop(): Promise<void>;
}

/** A child that is ready, and what it said when it ended. */
interface Launched {
  readonly ended: Promise<string>;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

const RESTART_MS = [500, 30_000] as const;
const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 4900;
/** A child that ran so long was well: the next pause is short again. */
const WELL_MS = 60_000;
/** What a program needs of the environment, and nothing that may be a secret. */
const KEPT = ['PATH', 'HOME', 'TZ', 'LANG', 'LC_ALL', 'TMPDIR', 'SystemRoot', 'CREDENTIALS_DIRECTORY'];
const LAST_LINES = 5;

/**
 * Starts `keyway-provisioner` on a unix socket and waits until hosts can come; starts it again when it dies. It ends
 * with this process, because its standard input does.
 * @throws PROVISIONER_NOT_STARTED with what it said last; BAD_LINK_ADDRESS, LINK_FOLDER_OPEN, SECRET_MISSING
 */
export async function spawnProvisioner(options: SpawnOptions): Promise<SpawnedProvisioner> {
  const address = `unix:${options.socket}`;
  parseProvisionerAddress(address);
  const folder = dirname(options.socket);
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await chmod(folder, 0o700);
  await checkSocketFolder(options.socket);
  const keeper = new Keeper(options, address);
  await keeper.start();
  return keeper;
}

class Keeper implements SpawnedProvisioner {
  readonly address: string;
  readonly #options: SpawnOptions;
  #child: Child | undefined;
  #listening: readonly string[] = [];
  #stopping = false;
  #wake = (): void => undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: SpawnOptions, address: string) {
    this.#options = options;
    this.address = address;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get listening(): readonly string[] {
    return this.#listening;
  }

  async start(): Promise<void> {
    const first = await this.#launch();
    this.#running = this.#keep(first);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    const child = this.#child;
    if (child !== undefined) await end(child);
    await this.#running;
  }

  async #keep(first: Launched): Promise<void> {
    const [least, most] = this.#options.restartMs ?? RESTART_MS;
    let launched: Launched = first;
    for (let pause = least; ; ) {
      const since = performance.now();
      const text = await launched.ended;
      if (this.#stopping) return;
      this.#options.onState?.({ state: 'ended', text });
      if (performance.now() - since > WELL_MS) pause = least;
      await this.#pause(pause);
      if (this.#stopping) return;
      pause = Math.min(pause * 2, most);
      try {
        launched = await this.#launch();
      } catch (error) {
        launched = { ended: Promise.resolve(error instanceof Error ? error.message : String(error)) };
      }
    }
  }

  /** Resolves when it is ready. */
  async #launch(): Promise<Launched> {
    const child = this.#spawn();
    this.#child = child;
    const said: string[] = [];
    createInterface(child.stderr).on('line', (line) => {
      said.push(line);
      if (said.length > LAST_LINES) said.shift();
      this.#options.onLine?.(line);
    });
    // A child that is gone does not read.
    child.stdin.on('error', () => undefined);
    const ended = new Promise<string>((resolve) => {
      const over = (how: string): void => {
        if (this.#child === child) this.#child = undefined;
        resolve([...said, how].join(' '));
      };
      child.once('error', (error) => over(error.message));
      child.once('close', (code, signal) => over(`(it ended with ${signal ?? code})`));
    });
    const ready = await Promise.race([readyLine(child), ended.then(() => undefined)]);
    if (ready === undefined) {
      await end(child);
      throw fail('PROVISIONER_NOT_STARTED', `The provisioner did not start: ${await ended}`, {
        hint: 'Correct what it says; it is started with the port, the store and the key of its configuration.',
        detail: { field: 'port', value: this.#options.port },
      });
    }
    this.#listening = ready;
    this.#options.onState?.({ state: 'running', pid: child.pid ?? 0 });
    return { ended };
  }

  #spawn(): Child {
    const { program } = this.#options;
    const script = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../cli.ts' : '../cli.js', import.meta.url));
    const { file, args } = program ?? { file: process.execPath, args: [script] };
    return spawn(file, [...args, ...argumentsOf(this.#options)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environmentOf(this.#options.key),
      windowsHide: true,
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function argumentsOf(options: SpawnOptions): string[] {
  const { port, store, socket, listen = [], modes, slots, name, key, makeKey } = options;
  return [
    ...['--port', port, '--store', store, '--listen', `unix:${socket}`],
    ...listen.flatMap((one) => ['--listen', one]),
    ...(modes === undefined ? [] : ['--modes', modes.join(',')]),
    ...(slots === undefined ? [] : ['--slots', String(slots)]),
    ...(name === undefined ? [] : [`--name=${name}`]),
    ...('file' in key ? ['--key-file', key.file] : []),
    ...('environment' in key ? ['--key-variable', key.environment] : []),
    ...('credential' in key ? ['--key-credential', key.credential] : []),
    ...(makeKey === true ? ['--make-key'] : []),
    '--parent',
  ];
}

function environmentOf(key: KeystoreSource): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = {};
  for (const name of KEPT) if (process.env[name] !== undefined) kept[name] = process.env[name];
  if (!('environment' in key)) return kept;
  const secret = takeEnvironmentSecret(key.environment);
  kept[key.environment] = secret.toString('utf8');
  wipe(secret);
  return kept;
}

/** The addresses of the first line; undefined when it is another one, or too late. */
async function readyLine(child: Child): Promise<readonly string[] | undefined> {
  const lines = createInterface(child.stdout);
  const late = new Promise<undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), READY_WITHIN_MS);
    lines.once('close', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    lines.once('line', () => clearTimeout(timer));
  });
  const line = await Promise.race([once(lines, 'line').then(([text]) => String(text)), late]);
  if (line === undefined) return undefined;
  try {
    const value = JSON.parse(line) as { readonly ready?: unknown; readonly listening?: unknown };
    return value.ready === true && Array.isArray(value.listening) ? value.listening.map(String) : undefined;
  } catch {
    return undefined;
  }
}

/** Asks it to end, and makes it when it does not. */
async function end(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  child.stdin.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await closed;
  clearTimeout(timer);
}
