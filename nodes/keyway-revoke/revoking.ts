import { KeywayError } from '../../lib/errors/index.ts';
import type { By, Device } from '../../lib/registry/index.ts';
import type { Trust, TrustHold } from '../shared/trust.ts';
import type { DeployedEndpoint } from '../shared/trust-endpoint.ts';
import type { reasons } from './config.ts';

/** CRLReason, RFC 5280 §5.3.1. */
const CODES: Readonly<Record<(typeof reasons)[number], number>> = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
};

/** How long a list, or its file, may be on its way, in ms. */
const LIST_MS = 10_000;

export interface Revoking {
  readonly namespace: string;
  /** 12 lower-case hex digits. */
  readonly mac: string;
  readonly reason: (typeof reasons)[number];
  /** Where its sessions are cut now. */
  readonly endpoints: readonly DeployedEndpoint[];
  /** A file that must hold the new list. */
  readonly path?: string;
  readonly by: By;
}

export interface Revoked {
  readonly device: Device;
  /** Of the certificates that are revoked by it. */
  readonly serials: readonly string[];
  /** Of the list that holds them. */
  readonly number: number;
  /** Connections that were ended here. */
  readonly cut: number;
  /** What keeps the file from holding the list. */
  readonly fileProblem?: Error;
}

/**
 * Revokes every certificate of a device that is not over, has the list of its namespace hold them, and then ends its
 * sessions: one that is cut first comes back.
 * @throws DEVICE_UNKNOWN, CRL_FAILED, what the registry and the authority throw
 */
export async function revokeDevice(hold: TrustHold, revoking: Revoking): Promise<Revoked> {
  const { namespace, mac, reason, endpoints, path, by } = revoking;
  const trust = await hold.open();
  const { registry, authority } = trust;
  if ((await registry.device({ namespace, mac })) === undefined) throw unknown(namespace, mac);
  const list = nextList(hold, trust, namespace, path);
  try {
    const serials = await authority.revokeDevice(namespace, mac, CODES[reason]);
    await registry.audit({ action: 'device.revoke', namespace, subject: mac, detail: { reason } }, by);
    // A device without a certificate changes no list.
    const { number, fileProblem } = serials.length === 0 ? list.now() : await list.made();
    let cut = 0;
    for (const { state } of endpoints) {
      if (state.is === 'listening') cut += state.service.endpoint.cut({ namespace, mac }, `revoked: ${reason}`);
    }
    const device = await registry.device({ namespace, mac });
    if (device === undefined) throw unknown(namespace, mac);
    return { device, serials, number, cut, ...(fileProblem === undefined ? {} : { fileProblem }) };
  } finally {
    list.end();
  }
}

interface Listed {
  readonly number: number;
  readonly fileProblem?: Error;
}

/** Watches for the list that a revocation leads to, and for the file that holds it. */
function nextList(hold: TrustHold, { lists }: Trust, namespace: string, path: string | undefined) {
  let number: number | undefined;
  let failure: Error | undefined;
  let written = path === undefined;
  let fileProblem: Error | undefined;
  let look = (): void => undefined;
  const end = hold.onList((event) => {
    if (event.topic === 'crl.issued' && event.namespace === namespace) number = event.number;
    else if (event.topic === 'crl.written' && event.path === path) written ||= number !== undefined;
    else if (event.topic === 'crl.failed' && event.path === path && path !== undefined) fileProblem = event.error;
    else if (event.topic === 'crl.failed' && event.namespace === namespace) failure = event.error;
    look();
  });
  const now = (): Listed => ({ number: lists.current(namespace).number });
  const made = (): Promise<Listed> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // The registry tells what it has done; should that be lost, the list is asked for.
        lists.publish(namespace).then((crl) => resolve({ number: crl.number }), reject);
      }, LIST_MS);
      look = () => {
        const over = failure !== undefined || (number !== undefined && (written || fileProblem !== undefined));
        if (!over) return;
        clearTimeout(timer);
        if (failure !== undefined) reject(failure);
        else resolve({ number: number ?? 0, ...(fileProblem === undefined ? {} : { fileProblem }) });
      };
      look();
    });
  return { now, made, end };
}

function unknown(namespace: string, mac: string): Error {
  return new KeywayError('DEVICE_UNKNOWN', `The registry has no device ${mac} in "${namespace}".`, {
    hint: 'Correct namespace and MAC: nothing was revoked.',
    detail: { field: 'mac', value: mac },
  });
}
