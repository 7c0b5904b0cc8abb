export { makeKeyFile, writeSecretFile } from './files.ts';
export { type Keystore, type KeystoreOptions, openKeystore } from './keystore.ts';
export type { KeystoreSource } from './sources.ts';
