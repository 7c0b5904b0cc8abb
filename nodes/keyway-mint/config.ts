import type { JobConfig } from '../shared/saved.ts';

/**
 * vault: a key made here, for which a handle stands. csr: for a signing request that came from elsewhere. service: for
 * the signing request of a server. confirm: the device holds the certificate. discard: it does not, and never will.
 */
export const operations = ['vault', 'csr', 'service', 'confirm', 'discard'] as const;

export interface MintConfig extends JobConfig {
  /** Id of a keyway-authority node. */
  authority: string;
  operation: string;
  operationType: string;
  /** Certificate namespace. */
  namespace: string;
  namespaceType: string;
  /** Of the device, in any of the five spellings. */
  mac: string;
  macType: string;
  /** For csr and service: PKCS#10 as PEM text, or DER in a Buffer. */
  csr: string;
  csrType: string;
  /** For service: host names and addresses under which it is reached, with commas between. */
  names: string;
  namesType: string;
  /** For service: days that its certificate is valid, 1 … 825. */
  days: string;
  daysType: string;
  /** For confirm and discard: serial number of the certificate. */
  serial: string;
  serialType: string;
  /** Whether it takes the place of the device's live certificate, which is revoked then. */
  replace: string;
  replaceType: string;
  /** Whether a device that the registry does not know is added. */
  register: boolean;
  /** For vault: node types that may redeem the key. */
  redeemer: string;
  /** For vault: minutes that the key waits to be flashed. */
  lifetime: string;
  lifetimeType: string;
}

export const defaults = {
  name: '',
  authority: '',
  operation: 'vault',
  operationType: 'op',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  mac: 'device.mac',
  macType: 'msg',
  csr: 'payload',
  csrType: 'msg',
  names: '',
  namesType: 'str',
  days: '90',
  daysType: 'num',
  serial: 'identity.serial',
  serialType: 'msg',
  replace: 'false',
  replaceType: 'bool',
  register: true,
  redeemer: 'keyway-flash',
  lifetime: '60',
  lifetimeType: 'num',
  timeout: '60',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<MintConfig>;
