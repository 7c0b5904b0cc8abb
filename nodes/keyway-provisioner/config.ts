import type { BaseConfig } from '../shared/saved.ts';

/** embedded: a process of this Node-RED's own. link: one that runs elsewhere. */
export const kinds = ['embedded', 'link'] as const;
export const modeSets = ['both', 'live', 'offline'] as const;
/** Where the key of the keystore comes from. */
export const keySources = ['file', 'environment', 'credential'] as const;

export interface ProvisionerConfig extends BaseConfig {
  kind: (typeof kinds)[number];
  /** embedded: id of a keyway-port node; it is the provisioner's alone. */
  port: string;
  modes: (typeof modeSets)[number];
  /** How many provisioner slots, 1 to 64. */
  slots: string;
  /** embedded: the folder of its journal; blank = one below the user folder. */
  store: string;
  /** embedded: further ways by which other hosts may come: tls:host:port, with commas between; blank = none. */
  listen: string;
  /** link: unix:…, tls:host:port or serial:… */
  address: string;
  /** link: the certificate of the paired device, SHA-256, hex. */
  device: string;
  /** link: take the place of another host. */
  takeover: boolean;
  keySource: (typeof keySources)[number];
  /** For keySource file; blank = provisioner.key in the folder `keyway` of the user folder. Made when it is missing. */
  keyFile: string;
  /** For keySource environment: the variable's name. Never the key itself. */
  keyVariable: string;
  /** For keySource credential: the name of the systemd credential. */
  keyCredential: string;
}

export const defaults = {
  name: '',
  kind: 'embedded',
  port: '',
  modes: 'both',
  slots: '8',
  store: '',
  listen: '',
  address: '',
  device: '',
  takeover: false,
  keySource: 'file',
  keyFile: '',
  keyVariable: 'KEYWAY_PROVISIONER_KEY',
  keyCredential: 'keyway-provisioner',
  version: 1,
} satisfies Partial<ProvisionerConfig>;
