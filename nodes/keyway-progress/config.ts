import type { BaseConfig } from '../shared/saved.ts';

/** edges: every one. outcomes: when an attempt has ended. steps, slots: a table for a dashboard, at each change. */
export const kinds = ['edges', 'outcomes', 'steps', 'slots'] as const;

export interface ProgressConfig extends BaseConfig {
  /** Id of a keyway-provisioner node. */
  provisioner: string;
  kind: (typeof kinds)[number];
  /** Slots that are listened to, with commas between: numbers from 1, and "live"; blank = all. */
  slots: string;
}

export const defaults = {
  name: '',
  provisioner: '',
  kind: 'edges',
  slots: '',
  version: 1,
} satisfies Partial<ProgressConfig>;
