import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import { codeOf, isKeywayError } from '../../../errors/index.ts';
import { type Link, openLink } from '../../../link/index.ts';
import { formatProvisionerAddress, parseProvisionerAddress } from '../link/address.ts';
import { fail } from '../link/errors.ts';
import { checkSocketFolder } from '../link/folder.ts';
import type { LinkIdentity } from '../link/identity.ts';
import { openLine } from '../link/line.ts';
import type { Binding } from '../link/pairing.ts';
import { secure } from '../link/secure.ts';

/** Where the provisioner is: an address (see `ProvisionerAddress`), or a way to open any Link to it. */
export type Where = string | (() => Promise<Link>);

export interface DialOptions {
  /** What this host shows of itself; a unix socket needs none. */
  readonly identity?: LinkIdentity;
  /** For each of connecting and the handshake, ms. Default 5000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A stream to what may be a provisioner: nobody has said a word yet. */
export interface Dialled {
  readonly stream: Duplex;
  /** Both certificates and the session; null on a unix socket. */
  readonly binding: Binding | null;
  /** The stream has ended, and what it went over is free for somebody else. */
  readonly released: Promise<void>;
}

const NOW = Promise.resolve();

const TIMEOUT_MS = 5000;

/** For people. */
export const nameOf = (where: Where): string => (typeof where === 'string' ? where : 'the given link');

/**
 * @throws BAD_LINK_ADDRESS, LINK_FOLDER_OPEN, LINK_UNREACHABLE, LINK_NO_PROVISIONER, BAD_LINK_OPTION, what opening the
 * port throws
 */
export async function dial(where: Where, options: DialOptions): Promise<Dialled> {
  const { timeoutMs = TIMEOUT_MS } = options;
  if (typeof where !== 'string') return overLine(await where(), options);
  const address = parseProvisionerAddress(where);
  const name = formatProvisionerAddress(address);
  switch (address.kind) {
    case 'unix':
      await checkSocketFolder(address.path);
      return { stream: await connect({ path: address.path }, name, options), binding: null, released: NOW };
    case 'tls':
      return shake(
        await connect({ host: address.host, port: address.port, noDelay: true }, name, options),
        NOW,
        options,
      );
    case 'serial': {
      identityOf(options);
      const link = await openLink(address.address, {
        owner: 'a provisioner’s host',
        baudRate: address.baudRate,
        timeoutMs,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      return overLine(link, options);
    }
  }
}

async function overLine(link: Link, options: DialOptions): Promise<Dialled> {
  const { stream, released } = await openLine(link, options.timeoutMs ?? TIMEOUT_MS);
  try {
    return await shake(stream, released, options);
  } catch (error) {
    stream.destroy();
    await released;
    throw error;
  }
}

async function shake(raw: Duplex, released: Promise<void>, options: DialOptions): Promise<Dialled> {
  let identity: LinkIdentity;
  try {
    identity = identityOf(options);
  } catch (error) {
    raw.destroy();
    throw error;
  }
  const { stream, fingerprint, exporter } = await secure(raw, 'host', identity, options.timeoutMs ?? TIMEOUT_MS);
  return { stream, released, binding: { exporter, host: identity.fingerprint, provisioner: fingerprint } };
}

function identityOf({ identity }: DialOptions): LinkIdentity {
  if (identity !== undefined) return identity;
  throw fail('BAD_LINK_OPTION', 'This host has no certificate to show.', {
    hint: 'Make an identity: only a unix socket goes without.',
    detail: { field: 'identity' },
  });
}

function connect(where: net.NetConnectOpts, name: string, { timeoutMs = TIMEOUT_MS, signal }: DialOptions) {
  return new Promise<net.Socket>((resolve, reject) => {
    const socket = net.connect(where);
    const give = (reason: string, cause?: unknown): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(unreachable(name, reason, cause));
    };
    const onError = (error: Error): void => give(codeOf(error), error);
    const onAbort = (): void => give('given up');
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    const timer = setTimeout(() => give(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', onError);
    };
    socket.on('connect', onConnect);
    socket.on('error', onError);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });
}

export function unreachable(name: string, reason: string, cause?: unknown): Error {
  if (isKeywayError(cause)) return cause;
  return fail('LINK_UNREACHABLE', `The provisioner at ${name} cannot be reached (${reason}).`, {
    hint: 'Look whether it runs, and whether the address is right.',
    detail: { field: 'address', value: name },
    ...(cause === undefined ? {} : { cause }),
  });
}
