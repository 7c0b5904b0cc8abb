import type { Migration } from '../shared/migrate.ts';
import type { NvsRow, nvsSchemes, nvsSources } from '../shared/nvs-rows.ts';
import type { JobConfig } from '../shared/saved.ts';

/** bootstrap: a folder with the bootstrap firmware. none: no images, for a plan of NVS alone. */
export const sources = [
  'msg',
  'demo',
  'bootstrap',
  'files',
  'web-tools',
  'flasher-args',
  'folder',
  'merged',
  'none',
] as const;
/**
 * as-is: what the set says. provisioning: app into factory, OTA slots and otadata emptied. direct: app into ota_0, and
 * otadata says so.
 */
export const modes = ['as-is', 'provisioning', 'direct'] as const;
/** What becomes of an NVS partition: other NVS namespaces stay, or it is made afresh. */
export const nvsModes = ['merge', 'replace'] as const;
/** As which firmware's entries the unit's identity is stored; none: the plan leaves it out. */
export const identities = ['none', 'scadable', 'libscadable', 'gateway-esp'] as const;
/** On a chip that encrypts its flash: refuse, or write through its encryption. */
export const encryptions = ['refuse', 'encrypt'] as const;

export interface FlashPlanConfig extends JobConfig {
  source: (typeof sources)[number];
  /** An image set, for the source msg. */
  images: string;
  imagesType: string;
  /** File, folder or bytes, for the sources that are read from disk. */
  path: string;
  pathType: string;
  /** For the source files. */
  files: { path: string; offset: string }[];
  mode: (typeof modes)[number];
  identity: (typeof identities)[number];
  /** What a mint node made. */
  identityFrom: string;
  identityFromType: string;
  /** For firmware that keeps its broker beside its certificate. */
  broker: string;
  brokerType: string;
  brokerPort: string;
  brokerPortType: string;
  /** Whether NVS is written, and where its entries come from. */
  nvs: 'none' | (typeof nvsSources)[number];
  /** For nvs table. */
  entries: NvsRow[];
  /** For nvs value: a list of entries, or Espressif's CSV as a text. */
  nvsValue: string;
  nvsValueType: string;
  /** Label of the NVS partition. */
  partition: string;
  partitionType: string;
  nvsMode: (typeof nvsModes)[number];
  /** NVS namespaces that are emptied though no entry names them. */
  clears: string;
  clearsType: string;
  nvsScheme: (typeof nvsSchemes)[number];
  /** Handle of the key of that scheme. */
  nvsKey: string;
  nvsKeyType: string;
  /** Place of the NVS partition in bytes, where no table says it; blank = a table does. */
  nvsOffset: string;
  nvsOffsetType: string;
  nvsSize: string;
  nvsSizeType: string;
  /** The partition table on the chip, as a chip node read it; for images that bring none. */
  table: string;
  tableType: string;
  /** Labels of partitions that must not be touched. */
  keep: string;
  keepType: string;
  encryption: (typeof encryptions)[number];
  /** Whether regions that the chip holds already are left alone; else all is written, whatever the flash node does. */
  skip: boolean;
  /** Family the plan is for; blank = what the set says. */
  chip: string;
  chipType: string;
  /** Bytes of flash the plan must fit into; blank = looked at when flashing. */
  flashSize: string;
  flashSizeType: string;
  /** The plan without its bytes, to be looked at. */
  dryRun: string;
  dryRunType: string;
  /** Codes of guards to be overridden. */
  force: string;
  forceType: string;
}

export const defaults = {
  name: '',
  source: 'msg',
  images: 'images',
  imagesType: 'msg',
  path: '',
  pathType: 'str',
  files: [] as { path: string; offset: string }[],
  mode: 'as-is',
  identity: 'none',
  identityFrom: 'identity',
  identityFromType: 'msg',
  broker: 'identity.brokerHost',
  brokerType: 'msg',
  brokerPort: '8883',
  brokerPortType: 'num',
  nvs: 'none',
  entries: [] as NvsRow[],
  nvsValue: 'nvs',
  nvsValueType: 'msg',
  partition: 'nvs',
  partitionType: 'str',
  nvsMode: 'merge',
  clears: '',
  clearsType: 'str',
  nvsScheme: 'none',
  nvsKey: 'device.nvsKey',
  nvsKeyType: 'msg',
  nvsOffset: '',
  nvsOffsetType: 'str',
  nvsSize: '',
  nvsSizeType: 'str',
  table: 'device.partitions',
  tableType: 'msg',
  keep: '',
  keepType: 'str',
  encryption: 'refuse',
  skip: true,
  chip: 'device.chip',
  chipType: 'msg',
  flashSize: 'device.flashSize',
  flashSizeType: 'msg',
  dryRun: 'false',
  dryRunType: 'bool',
  force: '',
  forceType: 'str',
  timeout: '',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<FlashPlanConfig>;

/** Version 1 knew neither NVS nor keeping: what is new is filled in with its defaults, which change nothing. */
export const migrations: readonly Migration[] = [(saved) => saved];
