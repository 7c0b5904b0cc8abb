import type { JobConfig } from '../shared/saved.ts';

export const formats = ['csv', 'json'] as const;
/** file: into the folder of the dialog. message: as the payload. */
export const targets = ['file', 'message'] as const;

export interface ExportConfig extends JobConfig {
  /** Id of a keyway-provisioner node. */
  provisioner: string;
  slot: string;
  slotType: string;
  format: string;
  formatType: string;
  target: (typeof targets)[number];
  /** Never from a message: who may send one must not choose where keys are written. Blank = `keyway/exports` below the user folder. */
  folder: string;
  /** A plain file name; blank = made from the name and session of the slot. */
  file: string;
  fileType: string;
  /** The person who deploys wants keys to leave. */
  allow: boolean;
}

export const defaults = {
  name: '',
  provisioner: '',
  slot: 'slot.number',
  slotType: 'msg',
  format: 'csv',
  formatType: 'op',
  target: 'file',
  folder: '',
  file: '',
  fileType: 'str',
  allow: false,
  timeout: '30',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<ExportConfig>;
