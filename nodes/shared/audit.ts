import type { Red, RedNode } from './types.ts';

/** Writes down that something delicate was done, in Node-RED's audit log. Never pass a secret. */
export function audit(red: Red, node: RedNode, event: string, facts: Record<string, string | number | boolean>): void {
  const record = { ...facts, level: red.log.AUDIT, event: `keyway.${event}`, node: node.id, type: node.type };
  red.log.audit(record);
}
