import { codeOf, isKeywayError } from '../../errors/index.ts';
import type { Keystore } from './keystore.ts';

/** Under which purpose, and for which owner, a record is sealed. */
export interface Seal {
  readonly purpose: string;
  readonly owner: string;
}

/** The name of the key record with the key of the registry's audit log. */
const AUDIT_RECORD = 'registry.audit';
const AUDIT: Seal = { purpose: 'registry-audit', owner: 'keyway registry audit key 1' };

/** How a key record of that name is sealed: the registry's own, or the authority's. */
export const keyRecordSeal = (name: string): Seal =>
  name === AUDIT_RECORD ? AUDIT : { purpose: 'authority', owner: name };

/** How credentials of a device are sealed. @param device its id in the registry, which holds no blank */
export const credentialSeal = (device: string, kind: string): Seal => ({
  purpose: 'credential',
  owner: `${device} ${kind}`,
});

/** What keeps sealed records; the registry does. */
export interface SealedStore {
  keyNames(): Promise<readonly string[]>;
  keyRecord(name: string): Promise<Uint8Array | undefined>;
  putKeyRecord(name: string, sealed: Uint8Array): Promise<void>;
  credentials(
    device: undefined,
    page: { readonly after?: string },
  ): Promise<{
    readonly items: readonly {
      readonly id: string;
      readonly device: string;
      readonly kind: string;
      readonly sealed: Uint8Array;
    }[];
    readonly next: string | null;
  }>;
  /** @throws CREDENTIAL_UNKNOWN it was replaced meanwhile */
  rewrapCredential(id: string, sealed: Uint8Array): Promise<void>;
}

/** What came of sealing everything anew. */
export interface RewrapReport {
  /** How many records were under an older key. */
  readonly changed: number;
  /** How many are under the current key already. */
  readonly same: number;
  /** Those that do not open, and stay as they are. While there is one, keep the older keys. */
  readonly failed: readonly { readonly record: string; readonly code: string }[];
}

/**
 * Opens every record of the registry and seals it under the keystore's current key: keys of the authority, the key of
 * the audit log, credentials. Once none has failed, the previous keys are needed for backups alone. It may be
 * interrupted and begun again. Where an authority works on the registry, ask `Authority.rewrap`, which waits its turn.
 * @throws what the store throws; KEYSTORE_CLOSED
 */
export async function rewrapAll(keystore: Keystore, store: SealedStore): Promise<RewrapReport> {
  const failed: { record: string; code: string }[] = [];
  const count = { changed: 0, same: 0 };
  const rewrap = async (
    record: string,
    { purpose, owner }: Seal,
    sealed: Uint8Array,
    keep: (rewrapped: Uint8Array) => Promise<void>,
  ): Promise<void> => {
    let rewrapped: Uint8Array;
    try {
      rewrapped = keystore.rewrap(purpose, sealed, owner);
    } catch (error) {
      if (!isKeywayError(error) || error.code === 'KEYSTORE_CLOSED') throw error;
      failed.push({ record, code: error.code });
      return;
    }
    if (rewrapped !== sealed) await keep(rewrapped);
    count[rewrapped === sealed ? 'same' : 'changed']++;
  };
  for (const name of await store.keyNames()) {
    const sealed = await store.keyRecord(name);
    if (sealed === undefined) continue;
    await rewrap(name, keyRecordSeal(name), sealed, (bytes) => store.putKeyRecord(name, bytes));
  }
  for (let after: string | null | undefined; after !== null; ) {
    const page = await store.credentials(undefined, after === undefined ? {} : { after });
    for (const { id, device, kind, sealed } of page.items) {
      await rewrap(`${device} ${kind}`, credentialSeal(device, kind), sealed, async (bytes) => {
        try {
          await store.rewrapCredential(id, bytes);
        } catch (error) {
          // Those that took their place are under the current key.
          if (codeOf(error) !== 'CREDENTIAL_UNKNOWN') throw error;
        }
      });
    }
    after = page.next;
  }
  return { ...count, failed };
}
