import type { JobConfig } from '../shared/saved.ts';

export const sources = ['msg', 'demo', 'files', 'web-tools', 'flasher-args', 'folder', 'merged'] as const;
/** as-is: what the set says. provisioning: app into factory, OTA slots and otadata emptied. */
export const modes = ['as-is', 'provisioning'] as const;

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
  version: 1,
} satisfies Partial<FlashPlanConfig>;
