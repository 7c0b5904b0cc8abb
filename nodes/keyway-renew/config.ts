import type { JobConfig } from '../shared/saved.ts';

/** message: `msg.identity`. files: those of the gateway that Node-RED runs on. */
export const sources = ['message', 'files'] as const;
/** due: as the policy says. now: always. */
export const times = ['due', 'now'] as const;

export interface RenewConfig extends JobConfig {
  /** Where the identity is, and where the new one goes. */
  source: (typeof sources)[number];
  /** "https://host:port" of the EST service. */
  url: string;
  urlType: string;
  /** The certificate namespace, EST's label; blank = the server's own choice. */
  namespace: string;
  namespaceType: string;
  /** message: an identity as a mint node gives it, its key behind a handle. */
  identity: string;
  identityType: string;
  /** files: certificate with its intermediates, PEM. */
  certificateFile: string;
  /** files: the private key, PEM. */
  keyFile: string;
  /** files: what the server is verified with, PEM. */
  caFile: string;
  when: string;
  whenType: string;
  /** Part of the validity after which it is due, 0.05 … 0.95; blank = hour 18 of each 24-hour window. */
  part: string;
  partType: string;
  /** Name in the server's certificate; blank = the host of the URL. */
  servername: string;
  servernameType: string;
  /** message: node types that may redeem the new key. */
  redeemer: string;
  /** message: minutes that the new key waits. */
  lifetime: string;
  lifetimeType: string;
}

export const defaults = {
  name: '',
  source: 'message',
  url: '',
  urlType: 'str',
  namespace: 'identity.namespace',
  namespaceType: 'msg',
  identity: 'identity',
  identityType: 'msg',
  certificateFile: '',
  keyFile: '',
  caFile: '',
  when: 'due',
  whenType: 'op',
  part: '',
  partType: 'num',
  servername: '',
  servernameType: 'str',
  redeemer: 'keyway-flash, keyway-renew',
  lifetime: '60',
  lifetimeType: 'num',
  timeout: '60',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<RenewConfig>;
