import type { Migration } from '../shared/migrate.ts';
import type { NvsRow, nvsSchemes, nvsSources } from '../shared/nvs-rows.ts';
import type { JobConfig } from '../shared/saved.ts';

export const operations = ['build', 'inspect', 'nvs'] as const;
/** A whole set (bootloader, partition table, app), or one image. */
export const whats = ['set', 'app', 'bootloader'] as const;

/** What is done with an NVS image. */
export const nvsActions = ['build', 'list'] as const;

/** The identity that a demo app looks for in NVS; none: it looks for none. */
export const identities = ['none', 'scadable', 'libscadable', 'gateway-esp'] as const;

export interface ImageConfig extends JobConfig {
  operation: string;
  operationType: string;
  what: (typeof whats)[number];
  /** Family: "ESP32-C3". Blank means that one. */
  chip: string;
  chipType: string;
  /** What is inspected: bytes, or the path of a file. */
  source: string;
  sourceType: string;
  project: string;
  projectType: string;
  imageVersion: string;
  imageVersionType: string;
  /** Layout of the identity that the demo app looks for and speaks of. */
  identity: (typeof identities)[number];
  /** Bytes of the app; blank = as small as it can be. */
  size: string;
  sizeType: string;
  nvsAction: (typeof nvsActions)[number];
  nvsFrom: (typeof nvsSources)[number];
  entries: NvsRow[];
  /** For nvsFrom value: a list of entries, or Espressif's CSV as a text. */
  nvsValue: string;
  nvsValueType: string;
  /** Bytes of the NVS partition. */
  nvsSize: string;
  nvsSizeType: string;
  nvsScheme: (typeof nvsSchemes)[number];
  /** Handle of the key of that scheme. */
  nvsKey: string;
  nvsKeyType: string;
  /** Whether an image may be built of secrets, and values listed: from there on they are in the message. */
  raw: boolean;
}

export const defaults = {
  name: '',
  operation: 'build',
  operationType: 'op',
  what: 'set',
  chip: 'device.chip',
  chipType: 'msg',
  source: 'payload',
  sourceType: 'msg',
  project: 'demo',
  projectType: 'str',
  imageVersion: '1.0.0',
  imageVersionType: 'str',
  identity: 'none',
  size: '',
  sizeType: 'str',
  nvsAction: 'build',
  nvsFrom: 'table',
  entries: [] as NvsRow[],
  nvsValue: 'nvs',
  nvsValueType: 'msg',
  nvsSize: '0x6000',
  nvsSizeType: 'str',
  nvsScheme: 'none',
  nvsKey: 'device.nvsKey',
  nvsKeyType: 'msg',
  raw: false,
  timeout: '',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<ImageConfig>;

/** Version 1 knew no NVS: what is new is filled in with its defaults, which change nothing. */
export const migrations: readonly Migration[] = [(saved) => saved];
