import { createHandle, describeHandle, withLease } from '../../lib/vault/index.ts';
import { audit } from '../shared/audit.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type SecretConfig } from './config.ts';

const TYPE = 'keyway-secret';

export default function register(RED: Red): void {
  function SecretNode(this: RedNode, saved: SecretConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as SecretConfig;
    onInput<SecretConfig>({
      red: RED,
      node: this,
      config,
      verb: 'secret',
      inOrder: true,
      run: (job, fields) =>
        config.operation === 'reveal' ? reveal(RED, this, config, job, fields) : store(RED, config, job, fields),
    });
  }
  RED.nodes.registerType('keyway-secret', SecretNode);
}

/** Value out of the message, handle in its place. */
async function store(RED: Red, config: SecretConfig, job: Job, fields: Fields<SecretConfig>): Promise<Outcome> {
  const minutes = await fields.number('lifetime', { min: 1, max: 35_000, blank: 60 });
  const namespace = await fields.text('namespace');
  const redeemableBy = config.redeemer.split(/[\s,]+/).filter((type) => type !== '');
  const value: unknown = property(RED, config, job);
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw fail('BAD_FIELD', `msg.${config.property} holds no text and no Buffer.`, {
      hint: 'Point the Property field at the secret.',
      detail: { field: 'property', value: config.property },
    });
  }
  // A cloned message shares the Buffer: the vault wipes what it is given, so it is given a copy and this one is wiped too.
  const bytes = Buffer.from(value as string);
  if (value instanceof Uint8Array) value.fill(0);
  const handle = createHandle(bytes, {
    kind: config.kind,
    redeemableBy,
    expiresInMs: minutes * 60_000,
    ...(namespace === undefined ? {} : { namespace }),
    ...(config.name === '' ? {} : { label: config.name }),
  });
  return outcome(RED, config, job, 'secret/stored', handle, describeHandle(handle));
}

/** Handle out of the message, value in its place: opted in, and written down. @throws REVEAL_OFF, HANDLE_… */
async function reveal(
  RED: Red,
  node: RedNode,
  config: SecretConfig,
  job: Job,
  fields: Fields<SecretConfig>,
): Promise<Outcome> {
  const handle = property(RED, config, job);
  const namespace = await fields.text('namespace');
  const facts = { job: job.id, kind: config.kind, property: config.property };
  if (!config.allowReveal) {
    audit(RED, node, 'secret.denied', { ...facts, code: 'REVEAL_OFF' });
    throw fail('REVEAL_OFF', 'This node may not take secrets out.', {
      hint: 'Tick "Allow the secret into the message" if that is what you want. It is written to the audit log.',
      detail: { field: 'allowReveal' },
    });
  }
  const request = { nodeType: TYPE, kind: config.kind, job: job.id, ...(namespace === undefined ? {} : { namespace }) };
  const text = typeof handle === 'string' ? handle : '';
  const value = await withLease(text, request, async (bytes) => bytes.toString('utf8'));
  audit(RED, node, 'secret.revealed', facts);
  return outcome(RED, config, job, 'secret/revealed', value, { kind: config.kind });
}

function property(RED: Red, config: SecretConfig, job: Job): unknown {
  try {
    return RED.util.getMessageProperty(job.msg, config.property);
  } catch {
    // A path through something that is not there: the value is missing, which the caller says in its own words.
    return undefined;
  }
}

/** Puts the value at its place. Where that is not the payload, the payload says what was done. */
function outcome(RED: Red, config: SecretConfig, job: Job, topic: string, value: string, description: object): Outcome {
  RED.util.setMessageProperty(job.msg, config.property, value, true);
  const inPayload = /^payload($|[.[])/.test(config.property);
  return { topic, payload: inPayload ? job.msg.payload : description };
}
