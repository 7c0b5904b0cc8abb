import { createCsr, deviceCommonName } from '../../lib/pki/index.ts';
import { type Issued, nodePki } from '../../lib/pki/node.ts';
import { createHandle, wipe } from '../../lib/vault/index.ts';
import type { DeployedAuthority, OpenAuthority } from './authority.ts';
import { lives, type Pending, pendingOf, remember, settledElsewhere } from './identity-pending.ts';
import type { Identity } from './identity-shape.ts';
import { pemBytes } from './pem-bytes.ts';
import { withColons } from './registry.ts';
import type { DeviceName } from './states.ts';

export type { Identity } from './identity-shape.ts';

/** What is under way for a device, so that two messages do not mint for it at once. */
const turns = new Map<string, Promise<unknown>>();

/** CRLReason, RFC 5280 §5.3.1. */
const SUPERSEDED = 4;
/** A certificate that ends within this is not given out again, in ms. */
const TOO_LATE = 60_000;

/** What a key and certificate are made with. */
export interface MintRequest extends DeviceName {
  readonly authority: DeployedAuthority;
  /** Takes the place of the device's live certificate. */
  readonly replace: boolean;
  /** What the registry has of the device, for alternative names. */
  readonly serial: string | null;
  readonly deviceName: string | null;
  /** Node types that may redeem the key. */
  readonly redeemableBy: readonly string[];
  readonly lifetimeMs: number;
}

/**
 * An identity for a device: a key made in the vault, and a certificate that is pending until a chip holds both. One
 * that is still pending, because flashing failed, is given out again while its key lives; else it is revoked.
 * @throws what the authority throws
 */
export function mintIdentity(request: MintRequest): Promise<{ identity: Identity; reused: boolean }> {
  const { namespace, mac } = request;
  return inTurn(`${namespace}:${mac}`, async () => {
    const open = await request.authority.openFor(namespace);
    const { authority } = open;
    const earlier = await pendingOf(request.authority.id, request, open);
    const again = earlier.find((one) => fitsAgain(one, request));
    const identity = again?.identity ?? (await mintNew(request, open));
    for (const old of earlier) {
      if (old === again) continue;
      settledElsewhere(old.identity.serial);
      await authority.revoke(old.identity.serial, SUPERSEDED);
    }
    return { identity, reused: again !== undefined };
  });
}

/** A certificate for a signing request that came from elsewhere: the key is not here. */
export async function mintForRequest(
  request: Omit<MintRequest, 'redeemableBy' | 'lifetimeMs'>,
  csr: Uint8Array | string,
): Promise<Identity> {
  const { namespace, mac, replace, serial, deviceName: name } = request;
  const { authority } = await request.authority.openFor(namespace);
  const issued = await authority.issueDevice({ namespace, mac, csr, replace, serial, name });
  return identityOf(issued, (await authority.settings(namespace)).brokerHost);
}

async function mintNew(request: MintRequest, open: OpenAuthority): Promise<Identity> {
  const { namespace, mac, replace, serial, deviceName: name, lifetimeMs, redeemableBy } = request;
  const { authority } = open;
  const { brokerHost } = await authority.settings(namespace);
  const label = deviceCommonName(namespace, mac);
  const made = await createCsr(nodePki, label);
  const issued = await authority.issueDevice({ namespace, mac, csr: made.der, replace, serial, name });
  const der = await made.key.exportPrivateKey();
  try {
    const terms = { kind: 'private-key', namespace, redeemableBy, expiresInMs: lifetimeMs, label };
    const identity = { ...identityOf(issued, brokerHost), key: createHandle(pemBytes('PRIVATE KEY', der), terms) };
    const one = { identity, authority: request.authority.id, replace, name: { namespace, mac } };
    await remember(one, lifetimeMs, open);
    return identity;
  } finally {
    wipe(der);
  }
}

function identityOf(issued: Issued, brokerHost: string | null): Identity {
  const { serial, namespace, mac, notBefore, notAfter, pem, chain, authorities } = issued;
  return {
    serial,
    namespace,
    mac: withColons(mac ?? ''),
    state: 'pending',
    notBefore: new Date(notBefore).toISOString(),
    notAfter: new Date(notAfter).toISOString(),
    certificate: pem,
    chain,
    ca: authorities,
    brokerHost,
  };
}

function fitsAgain({ identity, replace }: Pending, request: MintRequest): boolean {
  const inTime = Date.parse(identity.notAfter) > Date.now() + TOO_LATE;
  return replace === request.replace && inTime && lives(identity.key);
}

async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(key) ?? Promise.resolve();
  const mine = before.then(work, work);
  const kept = mine.catch(() => undefined);
  turns.set(key, kept);
  try {
    return await mine;
  } finally {
    if (turns.get(key) === kept) turns.delete(key);
  }
}
