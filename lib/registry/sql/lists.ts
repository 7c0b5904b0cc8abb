import type { AuditFilter, CertificateFilter, DeviceFilter } from '../types.ts';
import type { SqlValue, Step } from '../work.ts';
import { COLUMNS } from './statements.ts';

/** Conditions that must all hold, with their values. */
class Conditions {
  readonly #parts: string[] = [];
  readonly #values: SqlValue[] = [];

  /** Left out where the value is undefined. */
  add(condition: string, ...values: (SqlValue | undefined)[]): this {
    const given = values.filter((value) => value !== undefined);
    if (given.length === values.length) {
      this.#parts.push(condition);
      this.#values.push(...given);
    }
    return this;
  }

  oneOf(column: string, values: readonly string[] | undefined): this {
    if (values === undefined) return this;
    return this.add(`${column} IN (${values.map(() => '?').join(', ') || 'NULL'})`, ...values);
  }

  step(select: string, order: string, limit: number): Step {
    const where = this.#parts.length === 0 ? '' : ` WHERE ${this.#parts.join(' AND ')}`;
    return { sql: `${select}${where} ORDER BY ${order} LIMIT ?`, values: [...this.#values, limit] };
  }
}

/** A part of a text, for LIKE … ESCAPE '!'. */
function part(search: string | undefined): string | undefined {
  return search === undefined ? undefined : `%${search.toLowerCase().replace(/[!%_]/g, '!$&')}%`;
}

export function listDevices(filter: DeviceFilter, after: string | undefined, limit: number): Step {
  const like = part(filter.search);
  const contains = ['name', 'mac', 'serial'].map((column) => `LOWER(${column}) LIKE ? ESCAPE '!'`).join(' OR ');
  return new Conditions()
    .add('namespace = ?', filter.namespace)
    .oneOf('state', filter.states)
    .add('profile = ?', filter.profile)
    .add('id IN (SELECT device FROM device_labels WHERE label = ?)', filter.label)
    .add(`(${contains})`, like, like, like)
    .add('id > ?', after)
    .step(`SELECT ${COLUMNS.DEVICE} FROM devices`, 'id', limit);
}

export function listCertificates(filter: CertificateFilter, after: [number, string] | undefined, limit: number): Step {
  return new Conditions()
    .add('namespace = ?', filter.namespace)
    .oneOf('state', filter.states)
    .add('kind = ?', filter.kind)
    .add('not_after < ?', filter.endsBefore)
    .add('not_after >= ?', filter.endsFrom)
    .add('(not_after > ? OR (not_after = ? AND serial > ?))', after?.[0], after?.[0], after?.[1])
    .step(`SELECT ${COLUMNS.CERTIFICATE} FROM certificates`, 'not_after, serial', limit);
}

export function listTokens(
  filter: { namespace?: string; device?: string },
  after: string | undefined,
  limit: number,
): Step {
  return new Conditions()
    .add('namespace = ?', filter.namespace)
    .add('device = ?', filter.device)
    .add('id > ?', after)
    .step(`SELECT ${COLUMNS.TOKEN} FROM tokens`, 'id', limit);
}

export function listCredentials(device: string | undefined, after: string | undefined, limit: number): Step {
  return new Conditions()
    .add('device = ?', device)
    .add('id > ?', after)
    .step('SELECT id, device, kind, sealed, changed_at FROM credentials', 'id', limit);
}

export function listAudit(filter: AuditFilter, before: number | undefined, limit: number): Step {
  return new Conditions()
    .add('action = ?', filter.action)
    .add('namespace = ?', filter.namespace)
    .add('subject = ?', filter.subject)
    .add('outcome = ?', filter.outcome)
    .add('seq < ?', before)
    .step('SELECT seq, at, actor, source, action, namespace, subject, outcome, detail FROM audit', 'seq DESC', limit);
}
