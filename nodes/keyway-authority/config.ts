import type { BaseConfig } from '../shared/saved.ts';

/** A certificate namespace as the node saves it. Blank fields have the defaults of the authority. */
export interface NamespaceRow {
  name: string;
  /** The broker's host name or address, for the alternative names of devices. */
  broker: string;
  /** Days that a device's certificate is valid; 7 when blank. Fractions are allowed. */
  validityDays: string;
  /** Hour of each 24-hour window in which a device renews; 18 when blank. */
  rotateHour: string;
  /** Days after its end in which a device that awaits its set-up may still renew, once; 30 when blank. */
  graceDays: string;
}

export interface AuthorityConfig extends BaseConfig {
  /** Id of a keyway-registry node. */
  registry: string;
  namespaces: NamespaceRow[];
  /** In the subjects of authorities; blank = none. */
  organisation: string;
  /** Where revocation lists are served, http or https; blank = certificates name none. */
  crlBaseUrl: string;
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
  enrolment: false,
  enrolmentRegisters: true,
  version: 1,
} satisfies Partial<AuthorityConfig>;
