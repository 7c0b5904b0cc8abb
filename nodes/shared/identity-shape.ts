/** What `msg.identity` is: everything of a device's identity but its key, for which a handle stands. */
export interface Identity {
  /** 32 lower-case hex digits. */
  readonly serial: string;
  readonly namespace: string;
  /** Lower case with colons. */
  readonly mac: string;
  readonly state: 'pending' | 'live' | 'revoked';
  /** ISO 8601. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** The device's certificate alone, PEM. */
  readonly certificate: string;
  /** With the intermediates above it: what a device sends. */
  readonly chain: string;
  /** Intermediates and root: what a device verifies its broker with, where that has its certificate from here. */
  readonly ca: string;
  /** The namespace's broker, where its settings name one. */
  readonly brokerHost: string | null;
  /** Handle of the private key; absent where the key was made elsewhere. */
  readonly key?: string;
}
