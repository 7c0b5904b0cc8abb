import { lstat, rm } from 'node:fs/promises';
import * as net from 'node:net';
import { codeOf } from '../../../errors/index.ts';
import { type Link, openLink } from '../../../link/index.ts';
import { formatProvisionerAddress, type ProvisionerAddress } from './address.ts';
import { fail } from './errors.ts';
import { checkSocketFolder } from './folder.ts';
import type { ProvisionerHub } from './hub.ts';
import { serveLine } from './line.ts';

/** A way by which hosts come. */
export interface Listening {
  /** With the port that was taken, where it was left open. */
  readonly address: string;
  close(): Promise<void>;
}

/** Between tries to open a port that went or is not there yet. */
const REOPEN_MS = 2000;

/**
 * Lets hosts come at an address.
 * @throws LINK_FOLDER_OPEN, LINK_UNREACHABLE, LINK_LISTEN_FAILED
 */
export async function listen(
  hub: ProvisionerHub,
  address: ProvisionerAddress,
  onEvent: (text: string) => void = () => undefined,
): Promise<Listening> {
  switch (address.kind) {
    case 'unix':
      return listenUnix(hub, address.path);
    case 'tls':
      return listenTls(hub, address.host, address.port);
    case 'serial':
      return listenSerial(hub, address, onEvent);
  }
}

/** A unix socket in a folder of the mode 0700; one that was left behind gives way. */
async function listenUnix(hub: ProvisionerHub, path: string): Promise<Listening> {
  await checkSocketFolder(path);
  const address = `unix:${path}`;
  await removeStale(path, address);
  const server = net.createServer((socket) => hub.serveClear(socket));
  await started(server, { path }, address);
  return { address, close: () => closed(server) };
}

async function listenTls(hub: ProvisionerHub, host: string, port: number): Promise<Listening> {
  const server = net.createServer({ noDelay: true, keepAlive: true }, (socket) => hub.serveSecure(socket));
  await started(server, { host, port }, formatProvisionerAddress({ kind: 'tls', host, port }));
  const taken = (server.address() as net.AddressInfo).port;
  return { address: formatProvisionerAddress({ kind: 'tls', host, port: taken }), close: () => closed(server) };
}

async function removeStale(path: string, address: string): Promise<void> {
  const facts = await lstat(path).catch(() => undefined);
  if (facts === undefined) return;
  const taken = facts.isSocket() ? await answers(path) : true;
  if (taken) throw cannotListen(address, facts.isSocket() ? 'somebody listens there already' : 'it is no socket');
  await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function started(server: net.Server, where: net.ListenOptions, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(address, codeOf(error), error)));
    server.listen(where, () => {
      server.removeAllListeners('error');
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** Nobody comes any more; the hub ends the connections that are there. */
async function closed(server: net.Server): Promise<void> {
  server.close();
}

/** A port, opened again whenever it went: a cable that is pulled is no end. */
async function listenSerial(
  hub: ProvisionerHub,
  where: Extract<ProvisionerAddress, { kind: 'serial' }>,
  onEvent: (text: string) => void,
): Promise<Listening> {
  const address = formatProvisionerAddress(where);
  const over = new AbortController();
  let serving: Listening | undefined;
  let wake = (): void => undefined;
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const open = async (): Promise<Link> =>
    openLink(where.address, { owner: 'the provisioner’s link', baudRate: where.baudRate, signal: over.signal });
  const keep = async (first: Link): Promise<void> => {
    for (let link: Link | undefined = first; !over.signal.aborted; ) {
      if (link === undefined) {
        await pause(REOPEN_MS);
        if (over.signal.aborted) return;
        link = await open().catch(() => undefined);
        if (link !== undefined) onEvent(`${address} is back.`);
        continue;
      }
      const current = link;
      serving = listenLink(hub, current);
      await new Promise<void>((resolve) => current.onClose(() => resolve()));
      await serving.close();
      if (!over.signal.aborted) onEvent(`${address} is gone; it is opened again when it is back.`);
      link = undefined;
    }
  };
  const running = keep(
    await open().catch((error: unknown) => Promise.reject(cannotListen(address, codeOf(error), error))),
  );
  return {
    address,
    close: async () => {
      over.abort();
      wake();
      await serving?.close();
      await running;
    },
  };
}

/** Lets a host come over a link that is open. Closing closes the link. */
export function listenLink(hub: ProvisionerHub, link: Link): Listening {
  const stop = serveLine(link, (stream) => hub.serveSecure(stream));
  return {
    address: `serial:${link.info.address}`,
    close: async () => {
      stop();
      await link.close();
    },
  };
}

function cannotListen(address: string, reason: string, cause?: unknown): Error {
  return fail('LINK_LISTEN_FAILED', `The provisioner cannot listen at ${address} (${reason}).`, {
    hint: 'Choose another address, or end what holds this one.',
    detail: { field: 'listen', value: address },
    ...(cause === undefined ? {} : { cause }),
  });
}
