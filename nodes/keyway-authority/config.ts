import type { BaseConfig } from '../shared/saved.ts';

/** What a validity is counted in. */
export const units = ['days', 'hours', 'minutes', 'seconds'] as const;
/** When a device renews: at an hour of each window, or at a part of the validity. */
export const rotations = ['hour', 'fraction'] as const;

/**
 * A certificate namespace as the node saves it. A blank field has the default of the authority, and leaves the setting
 * of a namespace that exists alone. Rows of older flows have the first five fields alone.
 */
export interface NamespaceRow {
  name: string;
  /** The broker's host name or address, for the alternative names of devices. */
  broker: string;
  /** Of older flows: the validity in days, where `validity` is blank. */
  validityDays?: string;
  /** Hour of each window in which a device renews; 18 when blank. */
  rotateHour: string;
  /** Days after its end in which a device that awaits its set-up may still renew, once; 30 when blank. */
  graceDays: string;
  /** How long a device's certificate is valid; seven days when blank. Fractions are allowed. */
  validity?: string;
  validityUnit?: (typeof units)[number];
  rotateBy?: (typeof rotations)[number];
  /** Hours of a window; 24 when blank. */
  rotateWindow?: string;
  /** Part of the validity, 0.05 … 0.95. */
  rotateFraction?: string;
  /** Hours after its end in which any other device may still renew; 0 when blank. */
  graceHours?: string;
  /** Whether a renewal must bring a new key; blank = it must. */
  rekey?: '' | 'required' | 'allowed';
  /** Keys that devices may have; blank = P-256. */
  keys?: '' | 'P-256' | 'P-256 or RSA';
  /** Templates of alternative names, with commas between; blank = dns:{broker}. */
  names?: string;
  /** Where revocation lists are served, in place of the authority's own URL. */
  crlBaseUrl?: string;
}

export interface AuthorityConfig extends BaseConfig {
  /** Id of a keyway-registry node. */
  registry: string;
  namespaces: NamespaceRow[];
  /** In the subjects of authorities; blank = none. */
  organisation: string;
  /** Where revocation lists are served, http or https; blank = certificates name none. */
  crlBaseUrl: string;
  /** Where the key of the root is taken out to; blank = root-key.pem in the folder keyway of the user folder. */
  rootKeyFile: string;
  /** Whether the enrolment service answers for these namespaces. */
  enrolment: boolean;
  /** Whether a device that the registry does not know is added when it enrols. */
  enrolmentRegisters: boolean;
}

export const defaults = {
  name: '',
  registry: '',
  namespaces: [] as NamespaceRow[],
  organisation: '',
  crlBaseUrl: '',
  rootKeyFile: '',
  enrolment: false,
  enrolmentRegisters: true,
  version: 1,
} satisfies Partial<AuthorityConfig>;
