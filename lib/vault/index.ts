import { wipeEnvironmentSecrets } from './environment.ts';
import { type HandleDescription, type HandleTerms, type Lease, type LeaseRequest, Vault } from './vault.ts';

export { equalSecrets, fingerprint, wipe } from './bytes.ts';
export { takeEnvironmentSecret } from './environment.ts';
export { vaultErrors } from './errors.ts';
export {
  credentialSeal,
  type Keystore,
  type KeystoreOptions,
  type KeystoreSource,
  keyRecordSeal,
  makeKeyFile,
  openKeystore,
  type RewrapReport,
  rewrapAll,
  type Seal,
  type SealedStore,
  writeSecretFile,
} from './keystore/index.ts';
export {
  type HandleDescription,
  type HandleTerms,
  isHandle,
  type Lease,
  type LeaseRequest,
  Vault,
  type VaultClock,
} from './vault.ts';

/** The one vault of this process, behind functions: there is no object to enumerate. See `Vault` for the contract. */
const vault = new Vault();

/** See `Vault.createHandle`. */
export function createHandle(bytes: Uint8Array, terms: HandleTerms): string {
  return vault.createHandle(bytes, terms);
}

/** See `Vault.lease`. */
export function lease(handle: string, request: LeaseRequest): Lease {
  return vault.lease(handle, request);
}

/** See `Vault.withLease`. */
export function withLease<T>(handle: string, request: LeaseRequest, use: (bytes: Buffer) => Promise<T>): Promise<T> {
  return vault.withLease(handle, request, use);
}

/** See `Vault.describe`. */
export function describeHandle(handle: string): HandleDescription {
  return vault.describe(handle);
}

/** See `Vault.discard`. */
export function discardHandle(handle: string): void {
  vault.discard(handle);
}

/** Overwrites every secret of this process, those from the environment too. */
export function wipeAll(): void {
  vault.wipeAll();
  wipeEnvironmentSecrets();
}
