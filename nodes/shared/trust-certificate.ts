import { createCsr } from '../../lib/pki/index.ts';
import { nodePki } from '../../lib/pki/node.ts';
import type { OpenAuthority } from './authority.ts';
import { pemBytes } from './pem-bytes.ts';

/** What a service shows of itself: key and certificate, PEM. The key is a secret: overwrite it once it is in use. */
export interface ServicePair {
  readonly key: Buffer;
  readonly chain: string;
  readonly notAfter: number;
  /** When a new one is due, ms since 1970. */
  readonly renewAt: number;
}

/** Of a certificate's validity, after which a new one is issued. */
const PART = 2 / 3;

/** A key of its own and a certificate from the services intermediate. @throws what the authority throws */
export async function serviceCertificate({ authority }: OpenAuthority, names: readonly string[]): Promise<ServicePair> {
  const request = await createCsr(nodePki, names[0] ?? 'localhost');
  const issued = await authority.issueService({ names, csr: request.der });
  const der = await request.key.exportPrivateKey();
  try {
    const { chain, notBefore, notAfter } = issued;
    const renewAt = notBefore + (notAfter - notBefore) * PART;
    return { key: pemBytes('PRIVATE KEY', der), chain, notAfter, renewAt };
  } finally {
    der.fill(0);
  }
}

/** How often it is looked whether the certificate of a service is due, in ms. */
const LOOK_MS = 3_600_000;

/** A certificate that gets a successor in time. */
export interface KeptPair {
  /** Of the one that is in use, ms since 1970. */
  readonly notAfter: number;
  stop(): void;
}

/**
 * Puts another pair in place once the one in use is due; what fails is tried again at the next look. Keys are overwritten
 * after `use`. @param how for tests
 */
export function keepPair(
  first: ServicePair,
  issue: () => Promise<ServicePair>,
  use: (pair: ServicePair) => void,
  complain: (error: unknown) => void,
  how: { readonly lookMs?: number; readonly now?: () => number } = {},
): KeptPair {
  const { lookMs = LOOK_MS, now = Date.now } = how;
  let pair = first;
  let busy = false;
  const renew = async (): Promise<void> => {
    const next = await issue();
    try {
      use(next);
      pair = next;
    } finally {
      next.key.fill(0);
    }
  };
  const timer = setInterval(() => {
    if (busy || now() < pair.renewAt) return;
    busy = true;
    renew()
      .catch(complain)
      .finally(() => {
        busy = false;
      });
  }, lookMs).unref();
  return {
    get notAfter() {
      return pair.notAfter;
    },
    stop: () => clearInterval(timer),
  };
}

/** The names of a service that listens on `host`: what is typed in, then the host, and those of loopback. */
export function serviceNames(host: string, typed: string, more: readonly (string | null)[] = []): string[] {
  const any = ['', '0.0.0.0', '::'].includes(host);
  const own = typed.split(/[\s,;]+/).filter((name) => name !== '');
  const names = [...own, ...more.filter((name) => name !== null), ...(any ? [] : [host]), 'localhost', '127.0.0.1'];
  return [...new Set(names)];
}
