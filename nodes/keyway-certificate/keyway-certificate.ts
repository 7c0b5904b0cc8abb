import { namespaceName, normaliseMac, parseCertificate, parsePem } from '../../lib/pki/index.ts';
import type { CertificateFilter, CertificateRecord, CertificateState } from '../../lib/registry/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { registryById } from '../shared/registry.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { type CertificateConfig, defaults, operations } from './config.ts';
import { shownCertificate, shownRecord } from './shown.ts';

/** The registry gives at most so many at once. */
const PAGE = 1000;
const MOST_LISTED = 100_000;
const DAY = 86_400_000;
const STATES = ['pending', 'live', 'superseded', 'revoked'] as const;

export default function register(RED: Red): void {
  function CertificateNode(this: RedNode, saved: CertificateConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as CertificateConfig;
    onInput<CertificateConfig>({
      red: RED,
      node: this,
      config,
      verb: 'certificate',
      inOrder: true,
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        if (operation === 'inspect') return inspect(RED, await fields.value('pem'));
        return await list(RED, config, operation, job, fields);
      },
    });
  }
  RED.nodes.registerType('keyway-certificate', CertificateNode);
}

/** One certificate as an object, several as a list. @throws BAD_FIELD, BAD_PEM, BAD_CERTIFICATE */
function inspect(red: Red, value: unknown): Outcome {
  const now = Date.now();
  const ders = dersIn(value);
  const shown = ders.map((der) => shownCertificate(parseCertificate(der), now));
  const [first, ...more] = shown;
  if (first === undefined) throw noCertificate('holds no certificate');
  return {
    topic: 'certificate/inspected',
    payload: more.length === 0 ? first : shown,
    status: count(red, shown.length),
  };
}

function dersIn(value: unknown): Uint8Array[] {
  const text = value instanceof Uint8Array && value[0] !== 0x30 ? new TextDecoder().decode(value) : value;
  if (text instanceof Uint8Array) return [text];
  if (typeof text !== 'string' || text === '') throw noCertificate('holds neither a text nor a Buffer');
  return parsePem(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ bytes }) => bytes);
}

function noCertificate(what: string): Error {
  return fail('BAD_FIELD', `The field "pem" ${what}.`, {
    hint: 'Point it at a certificate: PEM text, or DER in a Buffer.',
    detail: { field: 'pem' },
  });
}

async function list(
  red: Red,
  config: CertificateConfig,
  operation: 'list' | 'expiring',
  job: Job,
  fields: Fields<CertificateConfig>,
): Promise<Outcome> {
  const now = Date.now();
  const namespace = await fields.text('namespace');
  const limit = await fields.number('limit', { min: 1, max: MOST_LISTED, blank: PAGE });
  const filter: CertificateFilter = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(operation === 'list' ? await asked(fields) : { ...(await soon(fields, now)), states: ['live'] }),
    kind: 'device',
  };
  const mac = operation === 'list' ? await fields.text('mac') : undefined;
  const { registry } = await registryById(config.registry).open();
  if (mac !== undefined) {
    const all = await registry.certificatesOf(namespaceName(namespace ?? ''), normaliseMac(mac));
    const wanted = filter.states;
    const found = all.filter(({ state }) => wanted === undefined || wanted.includes(state));
    return told(red, job, operation, found, null, now);
  }
  const records: CertificateRecord[] = [];
  let next = operation === 'list' ? ((await fields.text('after')) ?? null) : null;
  do {
    job.signal.throwIfAborted();
    const wanted = Math.min(PAGE, limit - records.length);
    const page = await registry.certificates(filter, { limit: wanted, ...(next === null ? {} : { after: next }) });
    records.push(...page.items);
    next = page.next;
  } while (next !== null && records.length < limit);
  return told(red, job, operation, records, next, now);
}

function told(
  red: Red,
  job: Job,
  operation: 'list' | 'expiring',
  records: readonly CertificateRecord[],
  next: string | null,
  now: number,
): Outcome {
  (job.msg as { next?: string | null }).next = next;
  return {
    topic: `certificate/${operation}`,
    payload: records.map((record) => shownRecord(record, now)),
    status: count(red, records.length),
  };
}

async function asked(fields: Fields<CertificateConfig>): Promise<{ states?: CertificateState[] }> {
  const words = await fields.words('states');
  const states = words.filter((word): word is CertificateState => STATES.some((state) => state === word));
  if (states.length < words.length) {
    throw fail(
      'BAD_FIELD',
      `The field "states" must hold ${STATES.join(', ')}; it is "${words.join(', ').slice(0, 60)}".`,
      {
        hint: 'Leave it blank for all.',
        detail: { field: 'states' },
      },
    );
  }
  return states.length === 0 ? {} : { states };
}

/** Those that have not ended yet and will within so many days. */
async function soon(fields: Fields<CertificateConfig>, now: number): Promise<{ endsFrom: number; endsBefore: number }> {
  const value = Number((await fields.value('days')) ?? Number.NaN);
  if (!(value > 0 && value <= 36_500)) {
    throw fail('BAD_FIELD', 'The field "days" must be a number of days up to 36500.', {
      hint: 'Fractions are allowed: 0.5 is twelve hours.',
      detail: { field: 'days' },
    });
  }
  return { endsFrom: now, endsBefore: now + Math.round(value * DAY) };
}

function count(red: Red, certificates: number): string {
  return red._('keyway-certificate.status.certificates', { count: String(certificates) });
}
