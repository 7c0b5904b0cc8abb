import { appendRecord, type FlatRecord, labelText, qrSvg, type Unit } from '../../lib/record/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, operations, type RecordConfig } from './config.ts';
import { placeFor } from './file-place.ts';

export default function register(RED: Red): void {
  function RecordNode(this: RedNode, saved: RecordConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as RecordConfig;
    onInput<RecordConfig>({
      red: RED,
      node: this,
      config,
      verb: 'record',
      inOrder: true,
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        return operation === 'append' ? await append(RED, config, job, fields) : await label(config, job, fields);
      },
    });
  }
  RED.nodes.registerType('keyway-record', RecordNode);
}

async function append(RED: Red, config: RecordConfig, job: Job, fields: Fields<RecordConfig>): Promise<Outcome> {
  const record = (await fields.value('record')) as FlatRecord;
  const name = await fields.text('file');
  if (name === undefined) {
    throw fail('BAD_FIELD', 'The field "file" is blank.', {
      hint: 'Name a CSV file.',
      detail: { field: 'file' },
    });
  }
  const columns = await fields.words('columns');
  const path = await placeFor(name, config.fileType === 'str', RED.settings.userDir);
  const done = await appendRecord(path, record, {
    signal: job.signal,
    ...(columns.length === 0 ? {} : { columns }),
  });
  const { path: file, ...facts } = done;
  return {
    topic: 'record/appended',
    payload: { file, ...facts },
    ...(done.repaired ? { status: RED._('keyway-record.status.repaired') } : {}),
  };
}

async function label(config: RecordConfig, job: Job, fields: Fields<RecordConfig>): Promise<Outcome> {
  const unit = unitOf(await fields.value('record'), job.msg.device);
  const template = (await fields.text('template')) ?? '';
  const content = await fields.text('qr');
  // There is no way to type a line end into the field.
  const text = labelText(config.templateType === 'str' ? template.replaceAll('\\n', '\n') : template, unit);
  const qr = content === undefined ? null : labelText(content, unit);
  const svg = qr === null ? null : qrSvg(qr, { correction: config.correction });
  return { topic: 'record/label', payload: { text, qr, svg } };
}

/** What is known of the unit: the device as it is now, beside what was written down of it. */
function unitOf(record: unknown, device: unknown): Unit {
  if (record !== undefined && record !== null && (typeof record !== 'object' || Array.isArray(record))) {
    throw fail('BAD_FIELD', 'The field "record" must be an object; it is something else.', {
      hint: 'Point it at a record as a flash node makes it, or at nothing.',
      detail: { field: 'record' },
    });
  }
  const known = Object.entries({ ...(device ?? {}) }).filter(([, value]) => value !== null && value !== '');
  return { ...record, ...Object.fromEntries(known) };
}
