export { makeKeyFile, writeSecretFile } from './files.ts';
export { type Keystore, type KeystoreOptions, openKeystore } from './keystore.ts';
export {
  credentialSeal,
  keyRecordSeal,
  type RewrapReport,
  rewrapAll,
  type Seal,
  type SealedStore,
} from './rewrap.ts';
export type { KeystoreSource } from './sources.ts';
