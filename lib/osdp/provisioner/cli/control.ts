import { rm } from 'node:fs/promises';
import * as net from 'node:net';
import { join } from 'node:path';
import { codeOf } from '../../../errors/index.ts';
import { fail } from '../link/errors.ts';
import { checkSocketFolder } from '../link/folder.ts';

/** What the console may ask of a provisioner that runs: only who may open the socket in its store may. */
export type ControlRequest =
  | { readonly do: 'pair'; readonly enrol: boolean }
  | { readonly do: 'forget' | 'enrol' | 'dismiss'; readonly fingerprint: string };

const LINE_MOST = 4096;
const TIME_MS = 5000;
/** sockaddr_un of Linux, its NUL included. */
const PATH_BYTES = 108;

/** Where the link keeps its files within the store. */
export const linkFolder = (store: string): string => join(store, 'link');
const socketOf = (store: string): string => join(linkFolder(store), 'control.sock');

/** @throws BAD_LINK_OPTION the path of its socket would be too long */
export function checkStorePath(store: string): void {
  if (Buffer.byteLength(socketOf(store)) < PATH_BYTES) return;
  throw fail('BAD_LINK_OPTION', `The path of the store is too long: ${store}.`, {
    hint: `Its socket ${socketOf(store)} must have less than ${PATH_BYTES} bytes.`,
    detail: { field: 'store', value: store },
  });
}

/** Answers the console. @returns the way to stop */
export async function serveControl(
  store: string,
  answer: (request: ControlRequest) => Promise<object>,
): Promise<() => Promise<void>> {
  const path = socketOf(store);
  await checkSocketFolder(path);
  // The store is held by this process alone: what lies there was left behind.
  await rm(path, { force: true });
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.setTimeout(TIME_MS, () => socket.destroy());
    reply(socket, answer).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return async () => void server.close();
}

async function reply(socket: net.Socket, answer: (request: ControlRequest) => Promise<object>): Promise<void> {
  const line = await lineOf(socket);
  if (line === undefined) {
    socket.destroy();
    return;
  }
  const said = await answer(JSON.parse(line) as ControlRequest).catch((error: unknown) => ({
    error: { code: codeOf(error), message: error instanceof Error ? error.message : String(error) },
  }));
  socket.end(`${JSON.stringify(said)}\n`);
}

/** Asks the provisioner that works on a store. @throws PROVISIONER_NOT_RUNNING, what it answers */
export async function askControl(store: string, request: ControlRequest): Promise<Readonly<Record<string, unknown>>> {
  const socket = net.connect(socketOf(store));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.setTimeout(TIME_MS, () => socket.destroy());
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await lineOf(socket);
    if (line === undefined) throw new Error('no answer');
    return JSON.parse(line) as Record<string, unknown>;
  } catch (cause) {
    throw fail(
      'PROVISIONER_NOT_RUNNING',
      `No provisioner answers that works on ${store} (${codeOf(cause, 'no answer')}).`,
      {
        hint: 'Start it, and ask as the user that it runs as.',
        detail: { field: 'store', value: store },
        cause,
      },
    );
  } finally {
    socket.destroy();
  }
}

/** The first line; undefined when there is none, or none of moderate length. */
async function lineOf(socket: net.Socket): Promise<string | undefined> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString('utf8');
    const end = text.indexOf('\n');
    if (end >= 0) return text.slice(0, end);
    if (text.length > LINE_MOST) return undefined;
  }
  return undefined;
}
