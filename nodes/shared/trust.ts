import {
  type CrlAuthority,
  type CrlEvent,
  type CrlFile,
  CrlPublisher,
  createJudge,
  type Judge,
  type TrustAuthority,
} from '../../lib/pki/node.ts';
import type { DeployedAuthority, OpenAuthority } from './authority.ts';
import { OnDemand } from './on-demand.ts';
import { fail } from './trust-errors.ts';

/** An authority, who is let in by it, and its revocation lists, which are current. */
export interface Trust extends OpenAuthority {
  readonly judge: Judge;
  readonly lists: CrlPublisher;
}

/** A node's part in the trust of an authority. */
export interface TrustHold {
  /** The same one for all nodes of the authority; what failed is tried again. @throws what the authority and the store throw */
  open(): Promise<Trust>;
  /** Tells what becomes of lists. @returns what ends it */
  onList(listener: (event: CrlEvent) => void): () => void;
  /** Keeps a file with lists, as long as the node is there: `crl.written` or `crl.failed` follows. */
  keepFile(file: CrlFile): Promise<void>;
  /** The node is not there any more. */
  release(): Promise<void>;
}

interface Shared {
  readonly trust: OnDemand<Trust>;
  readonly listeners: Set<(event: CrlEvent) => void>;
  /** The publisher looks at it whenever it writes. */
  readonly files: CrlFile[];
  users: number;
}

const held = new Map<DeployedAuthority, Shared>();

/** Takes part in the trust of an authority: judge and lists are there while a node holds them. */
export function holdTrust(authority: DeployedAuthority): TrustHold {
  const shared = held.get(authority) ?? makeShared(authority);
  held.set(authority, shared);
  shared.users++;
  const own = new Set<CrlFile>();
  const listening = new Set<(event: CrlEvent) => void>();
  let released = false;
  return {
    // A registry that was restored has another authority above it.
    open: async () => ({ ...(await shared.trust.get()), ...(await authority.open()) }),
    onList(listener) {
      shared.listeners.add(listener);
      listening.add(listener);
      return () => void shared.listeners.delete(listener);
    },
    async keepFile(file) {
      const same = [...own].find((old) => old.path === file.path);
      if (same !== undefined && same.namespaces.join() === file.namespaces.join()) return;
      if (same !== undefined) drop(shared, own, same);
      own.add(file);
      shared.files.push(file);
      // It writes every file anew.
      await (await shared.trust.get()).lists.rootChanged();
    },
    async release() {
      if (released) return;
      released = true;
      for (const listener of listening) shared.listeners.delete(listener);
      for (const file of own) drop(shared, own, file);
      if (--shared.users > 0) return;
      if (held.get(authority) === shared) held.delete(authority);
      await shared.trust.close();
    },
  };
}

/**
 * The trust of a deployed authority that has a certificate namespace; with none named, of any. Undefined where there is
 * none, or where it is not clear whose is meant: authorities of one registry are one and the same, of several are not.
 */
export async function trustOf(namespace: string | null): Promise<Trust | undefined> {
  const all = [...held].filter(([{ namespaces }]) => namespace === null || namespaces.includes(namespace));
  const [one] = all;
  if (one === undefined || all.some(([{ registry }]) => registry !== one[0].registry)) return undefined;
  return await one[1].trust.get();
}

function drop({ files }: Shared, own: Set<CrlFile>, file: CrlFile): void {
  own.delete(file);
  const at = files.indexOf(file);
  if (at >= 0) files.splice(at, 1);
}

function makeShared(authority: DeployedAuthority): Shared {
  const listeners = new Set<(event: CrlEvent) => void>();
  const files: CrlFile[] = [];
  const tell = (event: CrlEvent): void => {
    for (const listener of [...listeners]) listener(event);
  };
  const trust = new OnDemand<Trust>(
    () => openTrust(authority, files, tell),
    async ({ judge, lists, letGo }: Trust & { letGo?: () => void }) => {
      judge.close();
      await lists.close();
      letGo?.();
    },
    () => fail('SERVICE_CLOSED', `The authority "${authority.name}" has no service that is deployed.`),
  );
  return { trust, listeners, files, users: 0 };
}

async function openTrust(
  deployed: DeployedAuthority,
  files: readonly CrlFile[],
  onEvent: (event: CrlEvent) => void,
): Promise<Trust & { letGo: () => void }> {
  const open = await deployed.open();
  const { registry: store } = open;
  // A clock that is behind would issue lists that are over, and let in who is not.
  await open.authority.time();
  const letGo = open.hold();
  const authority = whicheverAuthority(deployed);
  const judge = createJudge({ store, authority });
  const lists = new CrlPublisher({ store, authority, files, onEvent });
  try {
    await judge.ready;
    await lists.start();
    return { ...open, judge, lists, letGo };
  } catch (error) {
    judge.close();
    await lists.close();
    letGo();
    throw error;
  }
}

/** What judge and lists ask an authority, of the one that there is just then: a restored registry has another. */
function whicheverAuthority(deployed: DeployedAuthority): TrustAuthority & CrlAuthority {
  const now = async () => (await deployed.open()).authority;
  return {
    issuer: async (namespace) => (await now()).issuer(namespace),
    settings: async (namespace) => (await now()).settings(namespace),
    markLive: async (serial) => (await now()).markLive(serial),
    issueCrl: async (namespace, order) => (await now()).issueCrl(namespace, order),
    rootCrl: async () => (await now()).rootCrl(),
    renewRootCrl: async (passphrase) => (await now()).renewRootCrl(passphrase),
  };
}
