export { type ComsetOptions, checkBaudRate, type Place } from './comset.ts';
export {
  type DiscoverOptions,
  type DiscoverProgress,
  type Discovery,
  type Disturbed,
  type FoundReader,
  probeSecurity,
  type SecurityState,
} from './discover.ts';
export type { KeysetOptions } from './keyset.ts';
export { Panel } from './panel.ts';
export { PanelReader } from './reader.ts';
export type { Received, SendOptions } from './sending.ts';
export {
  type AddReader,
  BAUD_RATES,
  type Capabilities,
  type ComsetResult,
  type Identity,
  type KeysetResult,
  type PanelEvents,
  type PanelOptions,
} from './types.ts';
