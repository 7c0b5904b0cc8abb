import type { JobConfig } from '../shared/saved.ts';

/** Whether it is found out whose key a reader holds. auto: where the bus has one reader. */
export const probes = ['auto', 'yes', 'no'] as const;

export interface DiscoverConfig extends JobConfig {
  /** Id of a keyway-osdp-bus node. */
  bus: string;
  /** Addresses to look at; blank = 0 to 126. */
  addresses: string;
  addressesType: string;
  /** Rates to look at, in baud; blank = all six. */
  baudRates: string;
  baudRatesType: string;
  /** Seconds that each rate is listened to before anything is sent. */
  listen: string;
  listenType: string;
  probe: string;
  probeType: string;
  /** Talk though another panel or noise was heard. */
  force: string;
  forceType: string;
  whenBusy: 'queue' | 'refuse';
}

export const defaults = {
  name: '',
  bus: '',
  addresses: '',
  addressesType: 'str',
  baudRates: '',
  baudRatesType: 'str',
  listen: '2',
  listenType: 'num',
  probe: 'auto',
  probeType: 'op',
  force: 'false',
  forceType: 'bool',
  whenBusy: 'queue',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<DiscoverConfig>;
