import type { JobConfig } from '../shared/saved.ts';

/** Reasons of RFC 5280 §5.3.1 that a device can have. */
export const reasons = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const;
/** now: at once. cadence: when the endpoint judges the session again. */
export const cuts = ['now', 'cadence'] as const;

export interface RevokeConfig extends JobConfig {
  /** Id of a keyway-authority node. */
  authority: string;
  /** Id of a keyway-endpoint node whose sessions are cut; blank = every deployed one of the authority. */
  endpoint: string;
  /** Certificate namespace of the device. */
  namespace: string;
  namespaceType: string;
  mac: string;
  macType: string;
  reason: string;
  reasonType: string;
  /** When sessions of the device end. */
  cut: string;
  cutType: string;
  /** mosquitto: the file of its `crlfile`, which the new list is written to; blank = no mosquitto. */
  crlFile: string;
  /** mosquitto: its `pid_file`, for the SIGHUP. */
  pidFile: string;
  /** mosquitto: a command that has it read the file again, in place of the SIGHUP; no shell. */
  command: string;
  /** mosquitto: address of its dynamic security plugin; blank = nobody is disconnected. */
  controlUrl: string;
}

export const defaults = {
  name: '',
  authority: '',
  endpoint: '',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  mac: 'device.mac',
  macType: 'msg',
  reason: 'unspecified',
  reasonType: 'op',
  cut: 'now',
  cutType: 'op',
  crlFile: '',
  pidFile: '',
  command: '',
  controlUrl: '',
  timeout: '60',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<RevokeConfig>;
