import { join } from 'node:path';
import type { EndpointOptions } from '../../../lib/endpoint/index.ts';
import { Authority, createJudge, type Judge } from '../../../lib/pki/node.ts';
import { type AuditEntry, openSqliteRegistry, type Registry } from '../../../lib/registry/index.ts';
import { NAMESPACE, scratch, testKeystore } from '../pki/support.ts';
import { Bench, type Ground, type Identity, identity, MAC, OTHER_MAC } from './support.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const ELSEWHERE = 'plant-8';

/** A registry in a file, its authority, and the judge that decides from both. */
export interface Trust extends Omit<Ground, 'here'> {
  readonly registry: Registry;
  readonly authority: Authority;
  readonly judge: Judge;
  /** Milliseconds that the clock of all of them is ahead. */
  ahead: number;
  time(): number;
  /** A certificate of a device, live unless told. */
  mint(mac?: string, how?: { namespace?: string; live?: boolean; renew?: boolean; by?: Authority }): Promise<Identity>;
  /** Entries of the audit log with that action, oldest first. */
  log(action: string): Promise<readonly AuditEntry[]>;
  bench(options?: Partial<EndpointOptions> & { manual?: boolean }): Promise<Bench<Judge>>;
  /** An authority on the same registry, by another clock. */
  authorityAhead(ms: number): Authority;
}

export async function trust(): Promise<Trust> {
  const closing: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const { folder, remove } = await scratch();
    closing.push(remove);
    const keystore = await testKeystore(true);
    closing.push(() => keystore.close());
    const text = new TextDecoder();
    const all = { ahead: 0 };
    const time = (): number => Date.now() + all.ahead;
    const registry = await openSqliteRegistry({
      path: join(folder, 'registry.sqlite'),
      clock: { now: time },
      keystore: {
        seal: (purpose, bytes, owner) => keystore.seal(purpose, bytes, text.decode(owner)),
        unseal: (purpose, bytes, owner) => keystore.unseal(purpose, bytes, text.decode(owner)),
      },
    });
    closing.push(() => registry.close());
    const authority = new Authority(registry, keystore, { clock: time });
    closing.push(() => authority.close());
    await authority.createRoot();
    for (const namespace of [NAMESPACE, ELSEWHERE]) {
      await authority.createNamespace(namespace, { brokerHost: '127.0.0.1' });
      for (const mac of [MAC, OTHER_MAC]) await registry.addDevice({ namespace, mac });
    }
    await authority.createServices();
    const judge = createJudge({ store: registry, authority, clock: time });
    closing.push(() => judge.close());

    const mint: Trust['mint'] = async (mac = MAC, how = {}) => {
      const { namespace = NAMESPACE, live = true, renew = false, by = authority } = how;
      const made = await identity((csr) =>
        by.issueDevice({ namespace, mac, csr, ...(renew ? { renew } : { replace: true }) }),
      );
      if (live) await by.markLive(made.serial);
      return made;
    };
    const service = await identity((csr) => authority.issueService({ names: ['127.0.0.1', 'localhost'], csr }));
    const [device, other] = [await mint(), await mint(OTHER_MAC)];
    const given: Trust = Object.assign(all, {
      ...{ registry, authority, judge, service, device, other, time, mint, close },
      log: async (action: string) => (await registry.auditLog({ action })).items.toReversed(),
      authorityAhead: (ms: number) => new Authority(registry, keystore, { clock: () => time() + ms }),
      bench: (options: Partial<EndpointOptions> & { manual?: boolean } = {}) =>
        new Bench(given, judge, {
          audit: (entry) => registry.audit(entry, { actor: 'endpoint' }),
          time,
          ...options,
        }).open(),
    });
    return given;
  } catch (error) {
    await close();
    throw error;
  }
}
