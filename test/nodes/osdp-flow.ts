import type { ReadersBench } from '../../nodes/shared/osdp-readers.ts';
import { readersById } from '../../nodes/shared/osdp-readers.ts';
import type { Red } from '../../nodes/shared/types.ts';
import type { FlowNode } from './harness.ts';

/** Virtual readers, the port that leads to them, and a bus: `readers`, `port`, `bus`. */
export function busOf(
  name: string,
  readers: Record<string, unknown> = {},
  bus: Record<string, unknown> = {},
): FlowNode[] {
  return [
    { id: 'readers', type: 'keyway-virtual-readers', name, line: 'free', ...readers },
    { id: 'port', type: 'keyway-port', name: `port ${name}`, kind: 'address', address: `virtual:${name}` },
    { id: 'bus', type: 'keyway-osdp-bus', name: `bus ${name}`, port: 'port', ...bus },
  ];
}

/** The bench behind the flow that is loaded. */
export function bench(): ReadersBench {
  return readersById('readers');
}

/** One row of a bus's list. */
export function row(address: number, security = 'clear', key = '', name = ''): object {
  return { address: String(address), name, security, key };
}

/** What the nodes of a flow write into the audit log: give `watch` to the bench that loads it. */
export class AuditLog {
  readonly records: Record<string, unknown>[] = [];

  readonly watch = (red: Red): void => {
    const { log } = red;
    const write = log.audit.bind(log);
    log.audit = (record, request) => {
      this.records.push({ ...record });
      write(record, request);
    };
  };

  /** Those of one kind, without what every record has. */
  of(event: string): Record<string, unknown>[] {
    return this.records
      .filter((record) => record.event === `keyway.${event}`)
      .map(({ level: _level, event: _event, ...facts }) => facts);
  }
}
