import type { JobConfig } from '../shared/saved.ts';

export const operations = ['build', 'inspect'] as const;
/** A whole set (bootloader, partition table, app), or one image. */
export const whats = ['set', 'app', 'bootloader'] as const;

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
  /** Bytes of the app; blank = as small as it can be. */
  size: string;
  sizeType: string;
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
  size: '',
  sizeType: 'str',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<ImageConfig>;
