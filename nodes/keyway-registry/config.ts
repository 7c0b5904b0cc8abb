import type { BaseConfig } from '../shared/saved.ts';

/** Where the key of the keystore comes from. */
export const keySources = ['file', 'environment', 'credential'] as const;

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
}

export const defaults = {
  name: '',
  demo: false,
  file: '',
  keySource: 'file',
  keyFile: '',
  keyVariable: 'KEYWAY_KEYSTORE_KEY',
  keyCredential: 'keyway-keystore',
  version: 1,
} satisfies Partial<RegistryConfig>;
