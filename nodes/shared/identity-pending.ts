import type { By } from '../../lib/registry/index.ts';
import { describeHandle, discardHandle } from '../../lib/vault/index.ts';
import { authorityById, type OpenAuthority } from './authority.ts';
import type { Identity } from './identity-shape.ts';
import type { DeviceName } from './states.ts';

/** A certificate whose key is in the vault, and which no chip is known to hold yet. */
export interface Pending {
  readonly identity: Identity & { readonly key: string };
  /** Id of the authority's node. */
  readonly authority: string;
  readonly replace: boolean;
  readonly name: DeviceName;
}

/** CRLReason, RFC 5280 §5.3.1: cessationOfOperation. */
const CESSATION = 5;
/** How long after a key's end it is looked whether it is gone, and then again while a job holds it, in ms. */
const LOOK_AGAIN = 30_000;
const BY: By = { actor: 'keyway' };
/** Written with each certificate whose key is in the vault: one of them is lost when the process ends. */
const MINTED = 'identity.minted';

/** By serial number. Like the handles, it does not outlive the process. */
const pending = new Map<string, Pending & { timer: NodeJS.Timeout }>();
/** Devices that a job writes to at present. */
const atWork = new Set<string>();

const keyOf = ({ namespace, mac }: DeviceName): string => `${namespace}:${mac}`;

/** Remembers what was minted until it is settled, or its key's time is over. */
export async function remember(one: Pending, lifetimeMs: number, { registry }: OpenAuthority): Promise<void> {
  const { serial } = one.identity;
  const timer = setTimeout(() => void expire(serial), lifetimeMs + LOOK_AGAIN).unref();
  pending.set(serial, { ...one, timer });
  await registry.audit({ action: MINTED, namespace: one.name.namespace, subject: serial }, BY);
}

function forget(serial: string): void {
  clearTimeout(pending.get(serial)?.timer);
  pending.delete(serial);
}

/** Whether a handle can still be redeemed. */
export function lives(handle: string): boolean {
  try {
    describeHandle(handle);
    return true;
  } catch {
    return false;
  }
}

/** What an authority minted for a device and nobody has settled; what was settled elsewhere is forgotten. */
export async function pendingOf(
  authority: string,
  { namespace, mac }: DeviceName,
  { registry }: OpenAuthority,
): Promise<Pending[]> {
  const found: Pending[] = [];
  for (const one of [...pending.values()]) {
    if (one.authority !== authority || one.name.namespace !== namespace || one.name.mac !== mac) continue;
    const record = await registry.certificate(one.identity.serial);
    if (record?.state === 'pending') found.push(one);
    else forget(one.identity.serial);
  }
  return found;
}

/** A certificate was settled by other means: it is given out no more, and its key, where it is here, is overwritten. */
export function settledElsewhere(serial: string): void {
  const one = pending.get(serial);
  if (one === undefined) return;
  forget(serial);
  discardHandle(one.identity.key);
}

/** The time of a key is over: nobody can bring the certificate to life any more. */
async function expire(serial: string): Promise<void> {
  const one = pending.get(serial);
  if (one === undefined) return;
  if (lives(one.identity.key)) {
    // A job still works with it, and settles it.
    one.timer = setTimeout(() => void expire(serial), LOOK_AGAIN).unref();
    return;
  }
  forget(serial);
  try {
    await drop(await authorityById(one.authority).open(), serial, one.name.namespace, 'HANDLE_EXPIRED', BY);
  } catch {
    // The authority is not deployed any more: the certificate is dropped when it comes back, or ends by itself.
  }
}

async function drop(
  { authority, registry }: OpenAuthority,
  serial: string,
  namespace: string,
  code: string,
  by: By,
): Promise<void> {
  if ((await registry.certificate(serial))?.state !== 'pending') return;
  await authority.revoke(serial, CESSATION);
  await registry.audit({ action: 'identity.dropped', namespace, subject: serial, detail: { code } }, by);
}

/**
 * Settles what an earlier process left: certificates whose keys went with it are revoked, and a device that was being
 * flashed is registered again. Nothing that this process works on is touched.
 */
export async function dropOrphans(open: OpenAuthority, namespaces: readonly string[]): Promise<void> {
  const { registry } = open;
  for (const namespace of namespaces) {
    for (const { serial } of await all((after) => registry.certificates({ namespace, states: ['pending'] }, after))) {
      if (pending.has(serial)) continue;
      const { items } = await registry.auditLog({ action: MINTED, subject: serial }, { limit: 1 });
      if (items.length > 0 && !pending.has(serial)) await drop(open, serial, namespace, 'HANDLE_UNKNOWN', BY);
    }
    for (const { id, mac } of await all((after) => registry.devices({ namespace, states: ['flashing'] }, after))) {
      if (mac !== null && atWork.has(keyOf({ namespace, mac }))) continue;
      const reason = 'Node-RED ended while it was flashed';
      // Somebody may have begun with it meanwhile.
      await registry.setState(id, 'registered', { reason, from: ['flashing'], by: BY }).catch(() => undefined);
    }
  }
}

async function all<T>(
  page: (request: { after?: string }) => Promise<{ readonly items: readonly T[]; readonly next: string | null }>,
): Promise<T[]> {
  const found: T[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const { items, next } = await page(after === undefined ? {} : { after });
    found.push(...items);
    after = next;
  }
  return found;
}

/** What becomes of a pending identity that is to go onto a chip. */
export interface Settlement {
  readonly identity: Identity;
  readonly name: DeviceName;
  /** The authority that it is from. @throws AUTHORITY_NOT_SET, what the registry and the authority throw */
  open(): Promise<OpenAuthority>;
  /** A job works with it until what this gives is called. */
  begin(): () => void;
  /** Nothing more is to come for it. */
  done(): void;
  /**
   * The job failed. The certificate stays pending while its key lives, and is revoked when it does not. It may be live
   * already, where only what came after failed.
   */
  failed(open: OpenAuthority, code: string, by: By): Promise<Identity['state']>;
}

/** The pending identity whose key is among the handles; undefined when there is none. */
export function settlementOf(handles: readonly string[]): Settlement | undefined {
  for (const one of pending.values()) {
    if (handles.includes(one.identity.key)) return settlement(one);
  }
  return undefined;
}

function settlement({ identity, name, authority }: Pending): Settlement {
  const { serial, key } = identity;
  return {
    identity,
    name,
    open: () => authorityById(authority).open(),
    begin: () => {
      atWork.add(keyOf(name));
      return () => void atWork.delete(keyOf(name));
    },
    done: () => forget(serial),
    failed: async (open, code, by) => {
      const { registry } = open;
      const record = await registry.certificate(serial);
      if (record?.state === 'live') return 'live';
      const { namespace } = name;
      if (record?.state === 'pending' && lives(key)) {
        const entry = { action: 'identity.kept', namespace, subject: serial, detail: { code } } as const;
        await registry.audit({ ...entry, outcome: 'failed' }, by);
        return 'pending';
      }
      forget(serial);
      await drop(open, serial, namespace, code, by);
      return 'revoked';
    },
  };
}
