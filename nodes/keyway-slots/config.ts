import type { JobConfig } from '../shared/saved.ts';

export const operations = ['list', 'create', 'import', 'open', 'delete', 'leave'] as const;

export interface SlotsConfig extends JobConfig {
  /** Id of a keyway-provisioner node. */
  provisioner: string;
  operation: string;
  operationType: string;
  /** A number from 1, or "live". create, import: blank = the first one that is empty. */
  slot: string;
  slotType: string;
  /** create: the plan, as a reader plan node makes it. */
  plan: string;
  planType: string;
  /** import: a provisioning profile as JSON. */
  json: string;
  jsonType: string;
  /** delete: the session id, where keyed readers were never exported. */
  session: string;
  sessionType: string;
  /** list, open: the payload is a table for a dashboard. */
  table: boolean;
}

export const defaults = {
  name: '',
  provisioner: '',
  operation: 'list',
  operationType: 'op',
  slot: 'slot.number',
  slotType: 'msg',
  plan: 'plan',
  planType: 'msg',
  json: 'payload',
  jsonType: 'msg',
  session: 'slot.session',
  sessionType: 'msg',
  table: false,
  timeout: '30',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<SlotsConfig>;
