import type { RecordFacts } from '../../lib/record/index.ts';
import type { Job } from '../shared/jobs.ts';

/** What the message knows of the unit, for its production record. */
export function unitFacts({ id, msg }: Job, port: string): RecordFacts {
  const identity = msg.identity as { serial?: unknown } | null | undefined;
  return {
    job: id,
    port,
    serial: word(msg.device?.serial),
    certificate: word(identity?.serial),
    operator: word(msg.device?.operator),
  };
}

function word(value: unknown): string | null {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : null;
}
