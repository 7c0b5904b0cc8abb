import type { BaseConfig } from '../shared/saved.ts';

/** Where the key of the keystore comes from. */
export const keySources = ['file', 'environment', 'credential'] as const;
/** Where the one before it comes from, until everything is sealed under the new one. */
export const previousSources = ['none', ...keySources] as const;

export interface RegistryConfig extends BaseConfig {
  /** For demonstrations: a folder and a key of their own, which a registry for real use refuses. */
  demo: boolean;
  /** The database; blank = registry.sqlite in the folder `keyway` of the user folder. Relative paths lie there too. */
  file: string;
  keySource: (typeof keySources)[number];
  /** For keySource file; blank = keystore.key in the same folder. */
  keyFile: string;
  /** For keySource environment: the variable's name. Never the key itself. */
  keyVariable: string;
  /** For keySource credential: the name of the systemd credential. */
  keyCredential: string;
  previousSource: (typeof previousSources)[number];
  previousFile: string;
  previousVariable: string;
  previousCredential: string;
  /** The folder of backups; blank = `backups` beside the registry's default place. */
  backups: string;
}

export const defaults = {
  name: '',
  demo: false,
  file: '',
  keySource: 'file',
  keyFile: '',
  keyVariable: 'KEYWAY_KEYSTORE_KEY',
  keyCredential: 'keyway-keystore',
  previousSource: 'none',
  previousFile: '',
  previousVariable: 'KEYWAY_KEYSTORE_KEY_BEFORE',
  previousCredential: 'keyway-keystore-before',
  backups: '',
  version: 1,
} satisfies Partial<RegistryConfig>;
