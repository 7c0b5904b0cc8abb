import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import type { Cable } from './cable.ts';
import type { Service } from './listen.ts';
import { RemoteEnd } from './remote-end.ts';

type Helper = 'python3' | 'socat';

/** Where the pseudo-terminal appears, and who makes it. */
export interface PtyOptions {
  /** Where a link to the device is put; default none. */
  readonly path?: string;
  /** Which helpers are tried, in order. Default python3, socat. */
  readonly helpers?: readonly Helper[];
}

/** How long a helper may take to make its device, in ms. */
const START_MS = 5000;
/** What a helper says once its device is set up: socat names it before it has made it raw. */
const READY: Readonly<Record<Helper, RegExp>> = { python3: /\n/, socat: /starting data transfer loop/ };

/**
 * Makes a raw pseudo-terminal and carries bytes between it and standard input and output. It keeps the device open
 * itself, so that hosts may come and go; what nobody takes is dropped, as on a wire.
 */
const SCRIPT = `
import os, select, sys, tty
master, slave = os.openpty()
tty.setraw(slave)
os.set_blocking(master, False)
sys.stderr.write(os.ttyname(slave) + "\\n")
sys.stderr.flush()
while True:
    ready, _, _ = select.select([0, master], [], [])
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            break
        try:
            while data:
                data = data[os.write(master, data):]
        except BlockingIOError:
            pass
    if master in ready:
        data = os.read(master, 65536)
        while data:
            data = data[os.write(1, data):]
`;

/**
 * Serves a socket's cable as a pseudo-terminal. It has no control lines, the host's rate stays unknown, and the
 * cable counts as held for as long as the terminal is there. It goes when the cable is pulled and comes back with it.
 *
 * @throws PTY_HELPER_MISSING, PTY_FAILED
 */
export async function servePty(cable: Cable, options: PtyOptions = {}): Promise<Service> {
  const folder = options.path === undefined ? await mkdtemp(join(tmpdir(), 'keyway-pty-')) : undefined;
  const link = options.path ?? join(folder as string, 'tty');
  const helpers = options.helpers ?? ['python3', 'socat'];
  const tidy = async (): Promise<void> => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
  const first = await openTerminal(link, helpers).catch(async (error: unknown) => {
    await tidy();
    throw error;
  });
  let terminal: Terminal | undefined = first;
  const address = options.path ?? first.device;
  let work = Promise.resolve();
  let closed = false;

  const connect = (to: Terminal): void => {
    const end = new RemoteEnd({
      send: (bytes) => to.child.stdin.write(bytes),
      hangUp: () => void close(to),
      baudRate: null,
    });
    to.child.stdout.on('data', (chunk: Uint8Array) => end.received(chunk));
    to.child.on('exit', () => {
      // socat leaves with the host that closes its end: another one is started in its place.
      if (terminal === to) terminal = undefined;
      end.ended();
    });
    cable.attach(end);
  };
  const close = async (which: Terminal): Promise<void> => {
    if (terminal === which) terminal = undefined;
    await which.close();
  };
  const follow = (): void => {
    if (closed || !cable.hasPort || cable.isHeld || terminal !== undefined) return;
    work = work
      .then(async () => {
        if (closed || terminal !== undefined) return;
        terminal = await openTerminal(link, helpers);
        connect(terminal);
      })
      .catch(() => undefined);
  };

  try {
    connect(first);
  } catch (error) {
    await close(first);
    await tidy();
    throw error;
  }
  const stop = cable.onChange(follow);
  return {
    address,
    close: async () => {
      closed = true;
      stop();
      await work;
      if (terminal !== undefined) await close(terminal);
      await tidy();
    },
  };
}

interface Terminal {
  readonly child: ChildProcessWithoutNullStreams;
  /** The device itself: /dev/pts/3. */
  readonly device: string;
  close(): Promise<void>;
}

async function openTerminal(link: string, helpers: readonly Helper[]): Promise<Terminal> {
  for (const helper of helpers) {
    await rm(link, { force: true });
    const child =
      helper === 'python3' ? spawn('python3', ['-c', SCRIPT]) : spawn('socat', ['-d', '-d', 'STDIO', 'PTY,raw,echo=0']);
    child.stdin.on('error', () => undefined);
    const device = await deviceOf(child, READY[helper]);
    if (device === undefined) continue;
    await symlink(device, link);
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    return {
      child,
      device,
      close: async () => {
        child.kill();
        await exited;
        await rm(link, { force: true });
      },
    };
  }
  throw fail('PTY_HELPER_MISSING', `A pseudo-terminal needs ${helpers.join(' or ')}, and none can be run here.`, {
    hint: 'Install socat or python3, or use RFC 2217.',
    detail: { helpers: [...helpers] },
  });
}

/** The device a helper names on its standard error; undefined when the helper is not installed. */
function deviceOf(child: ChildProcessWithoutNullStreams, ready: RegExp): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = '';
    const failed = (what: string): void => {
      child.kill();
      reject(fail('PTY_FAILED', `The pseudo-terminal could not be made: ${what}.`, { detail: { said } }));
    };
    const timer = setTimeout(() => failed(`no device within ${START_MS} ms`), START_MS);
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT') resolve(undefined);
      else failed(error.message);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      failed(`the helper ended with code ${String(code)}`);
    });
    child.stderr.on('data', (chunk: Uint8Array) => {
      said += new TextDecoder().decode(chunk);
      const device = /(\/dev\/\S+)\s/.exec(said)?.[1];
      if (device === undefined || !ready.test(said)) return;
      clearTimeout(timer);
      resolve(device);
    });
  });
}
