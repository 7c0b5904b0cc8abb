import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { createCsr, type JsonObject, normaliseMac } from '../../../lib/pki/index.ts';
import { Authority, createJudge, type Issued, type Judge, nodePki, signingKey } from '../../../lib/pki/node.ts';
import { type AuditEntry, openSqliteRegistry, type Registry } from '../../../lib/registry/index.ts';
import type { Keystore } from '../../../lib/vault/index.ts';
import { MAC, NAMESPACE, PASSPHRASE, scratch, testKeystore } from './support.ts';

export const NOW = Date.UTC(2026, 10, 22, 12);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A key, and what it asks for. */
export interface Request {
  readonly key: KeyObject;
  readonly pem: Buffer;
  readonly csr: Uint8Array;
}

export async function requestFor(commonName: string, key?: KeyObject): Promise<Request> {
  const own = key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const { der } = await createCsr(nodePki, commonName, signingKey(own));
  return { key: own, pem: Buffer.from(own.export({ type: 'pkcs8', format: 'pem' })), csr: der };
}

/** A device that holds a certificate. */
export interface Holder extends Request {
  readonly id: string;
  readonly mac: string;
  readonly issued: Issued;
}

/** A registry in a file, an authority on it, and a judge, by a clock that tests move. */
export interface TrustWorld {
  readonly folder: string;
  readonly registry: Registry;
  readonly keystore: Keystore;
  readonly authority: Authority;
  readonly judge: Judge;
  readonly clock: { now: number };
  /** A registered device with a live certificate, awaiting its set-up. */
  holder(mac?: string, options?: { namespace?: string; live?: boolean }): Promise<Holder>;
  /** Another certificate of a device, as a renewal by EST makes it. */
  renewal(holder: Holder): Promise<Holder>;
  /** The audit log's entries of an action, newest first. */
  audited(action: string): Promise<readonly AuditEntry[]>;
  close(): Promise<void>;
}

export interface TrustWorldOptions {
  readonly settings?: JsonObject;
  readonly crlBaseUrl?: string;
  /** What the clock says at first: the present for what goes through TLS, which has its own. Default: NOW. */
  readonly now?: number;
}

export async function trustWorld(options: TrustWorldOptions = {}): Promise<TrustWorld> {
  const { settings = {}, crlBaseUrl = 'http://crl.example.com', now = NOW } = options;
  const { folder, remove } = await scratch();
  const closing: (() => unknown)[] = [remove];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const keystore = await testKeystore();
    closing.push(() => keystore.close());
    const clock = { now };
    const text = new TextDecoder();
    const registry = await openSqliteRegistry({
      path: join(folder, 'registry.sqlite'),
      clock: { now: () => clock.now },
      keystore: {
        seal: (purpose, bytes, owner) => keystore.seal(purpose, bytes, text.decode(owner)),
        unseal: (purpose, bytes, owner) => keystore.unseal(purpose, bytes, text.decode(owner)),
      },
    });
    closing.push(() => registry.close());
    const authority = new Authority(registry, keystore, { crlBaseUrl, clock: () => clock.now });
    closing.push(() => authority.close());
    await authority.createRoot({ passphrase: PASSPHRASE });
    const own = { brokerHost: 'broker.example.com', ...settings };
    await authority.createNamespace(NAMESPACE, own, { passphrase: PASSPHRASE });
    await authority.createServices({ passphrase: PASSPHRASE });
    const judge = createJudge({ store: registry, authority, clock: () => clock.now });
    closing.push(() => judge.close());
    const issue = async (mac: string, namespace: string, more: object): Promise<Request & { issued: Issued }> => {
      const request = await requestFor(`${namespace}:${mac}`);
      return { ...request, issued: await authority.issueDevice({ namespace, mac, csr: request.csr, ...more }) };
    };
    return {
      ...{ folder, registry, keystore, authority, judge, clock, close },
      holder: async (spelled = MAC, { namespace = NAMESPACE, live = true } = {}) => {
        const mac = normaliseMac(spelled);
        const known = await registry.device({ namespace, mac });
        const { id } = known ?? (await registry.addDevice({ namespace, mac }));
        const made = await issue(mac, namespace, {});
        if (live) {
          await authority.markLive(made.issued.serial);
          await registry.setState(id, 'awaiting-setup');
        }
        return { ...made, id, mac };
      },
      renewal: async ({ id, mac, issued }) => ({ ...(await issue(mac, issued.namespace, { renew: true })), id, mac }),
      audited: async (action) => (await registry.auditLog({ action })).items,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
