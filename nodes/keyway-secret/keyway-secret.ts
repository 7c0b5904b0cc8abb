import type { Node } from 'node-red';
import { codeOf, isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import { createHandle, describeHandle, takeEnvironmentSecret, wipe, withLease } from '../../lib/vault/index.ts';
import { audit } from '../shared/audit.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, migrations, type SecretConfig, VARIABLE } from './config.ts';

const TYPE = 'keyway-secret';

/** What Node-RED keeps for this node beside the flow. */
interface Credentials {
  secret: unknown;
}

export default function register(RED: Red): void {
  function SecretNode(this: Node<Credentials>, saved: SecretConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as SecretConfig;
    const stores = config.operation !== 'reveal';
    if (stores && config.source === 'env') takeEarly(config.variable);
    onInput<SecretConfig>({
      red: RED,
      node: this,
      config,
      verb: 'secret',
      inOrder: true,
      run: (job, fields) => (stores ? store(RED, this, config, job, fields) : reveal(RED, this, config, job, fields)),
      // A secret that could not be put away is not passed on to a Catch node either.
      ...(stores && config.source === 'msg' ? { onFailed: (msg) => wipeProperty(RED, config, msg) } : {}),
    });
  }
  RED.nodes.registerType('keyway-secret', SecretNode, { credentials: { secret: { type: 'password' } } });
}

/** At deploy already, so that nothing that comes later finds it in the environment. */
function takeEarly(variable: string): void {
  if (!VARIABLE.test(variable)) return;
  try {
    wipe(takeEnvironmentSecret(variable));
  } catch {
    // It is not set: the message that needs it is told so.
  }
}

/** Value out of the message, handle in its place. */
async function store(
  RED: Red,
  node: Node<Credentials>,
  config: SecretConfig,
  job: Job,
  fields: Fields<SecretConfig>,
): Promise<Outcome> {
  const minutes = await fields.number('lifetime', { min: 1, max: 35_000, blank: 60 });
  const namespace = await fields.text('namespace');
  const redeemableBy = config.redeemer.split(/[\s,]+/).filter((type) => type !== '');
  const bytes = secretOf(RED, node, config, job.msg);
  try {
    const handle = createHandle(bytes, {
      kind: config.kind,
      redeemableBy,
      expiresInMs: minutes * 60_000,
      ...(namespace === undefined ? {} : { namespace }),
      ...(config.name === '' ? {} : { label: config.name }),
    });
    return outcome(RED, config, job, 'secret/stored', handle, describeHandle(handle));
  } finally {
    wipe(bytes);
  }
}

/** The secret, from where the node takes it: a copy that is the caller's to overwrite. @throws BAD_FIELD, SECRET_MISSING */
function secretOf(RED: Red, node: Node<Credentials>, config: SecretConfig, msg: Message): Buffer {
  switch (config.source) {
    case 'env':
      return spelledOut(fromEnvironment(config.variable), config);
    case 'stored': {
      const { secret } = node.credentials;
      if (typeof secret === 'string' && secret !== '') return spelledOut(Buffer.from(secret), config);
      throw fail('BAD_FIELD', 'No secret is stored in this node.', {
        hint: 'Open the node, type the secret and deploy. A flow that was imported brings none.',
        detail: { field: 'secret' },
      });
    }
    default: {
      const value = property(RED, config, msg);
      // A cloned message shares the Buffer, so the vault is given a copy, and this one is overwritten too.
      if (typeof value === 'string') return spelledOut(Buffer.from(value), config);
      if (value instanceof Uint8Array) {
        const bytes = Buffer.from(value);
        wipe(value);
        return bytes;
      }
      throw fail('BAD_FIELD', `msg.${config.property} holds no text and no Buffer.`, {
        hint: 'Point the Property field at the secret.',
        detail: { field: 'property', value: config.property },
      });
    }
  }
}

/** The bytes that a text spells; what it is made of is overwritten. @throws BAD_FIELD, without what it holds */
function spelledOut(text: Buffer, { format, property }: SecretConfig): Buffer {
  if (format === 'text') return text;
  const spelling = text.toString('latin1').trim();
  wipe(text);
  const bytes = Buffer.from(spelling, format);
  const again = bytes.toString(format);
  const same =
    format === 'hex' ? again === spelling.toLowerCase() : again.replace(/=+$/, '') === spelling.replace(/=+$/, '');
  if (same) return bytes;
  wipe(bytes);
  throw fail('BAD_FIELD', `The secret is not spelled in ${format}.`, {
    hint: 'Choose how it is spelled in the node, or give it as a Buffer.',
    detail: { field: 'format', property },
  });
}

/**
 * What the field holds is not told: one that was filled in as ${NAME} holds the secret itself by now.
 * @throws BAD_FIELD, SECRET_MISSING
 */
function fromEnvironment(variable: string): Buffer {
  const detail = { field: 'variable' };
  if (!VARIABLE.test(variable)) {
    throw fail('BAD_FIELD', 'The field "variable" holds no name of an environment variable.', {
      hint: 'Type the name alone, without $ and braces: letters, digits and underscores.',
      detail,
    });
  }
  try {
    return takeEnvironmentSecret(variable);
  } catch (error) {
    if (!isKeywayError(error, 'SECRET_MISSING')) throw error;
    throw new KeywayError('SECRET_MISSING', 'The environment variable that this node names is not set, or is empty.', {
      hint: 'Set it where Node-RED is started, for instance in its service unit, and start Node-RED again.',
      detail,
    });
  }
}

/** Handle out of the message, value in its place: opted in, and written down. @throws REVEAL_OFF, HANDLE_… */
async function reveal(
  RED: Red,
  node: RedNode,
  config: SecretConfig,
  job: Job,
  fields: Fields<SecretConfig>,
): Promise<Outcome> {
  const facts = { job: job.id, kind: config.kind, property: config.property };
  try {
    const namespace = await fields.text('namespace');
    if (!config.allowReveal) {
      throw fail('REVEAL_OFF', 'This node may not take secrets out.', {
        hint: 'Tick "Allow the secret into the message" if that is what you want. It is written to the audit log.',
        detail: { field: 'allowReveal' },
      });
    }
    const handle = property(RED, config, job.msg);
    const named = namespace === undefined ? {} : { namespace };
    const request = { nodeType: TYPE, kind: config.kind, job: job.id, ...named };
    const text = typeof handle === 'string' ? handle : '';
    const value = await withLease(text, request, async (bytes) =>
      bytes.toString(config.format === 'text' ? 'utf8' : config.format),
    );
    audit(RED, node, 'secret.revealed', facts);
    return outcome(RED, config, job, 'secret/revealed', value, { kind: config.kind });
  } catch (error) {
    audit(RED, node, 'secret.denied', { ...facts, code: codeOf(error) });
    throw error;
  }
}

function wipeProperty(RED: Red, config: SecretConfig, msg: Message): void {
  const left = property(RED, config, msg);
  if (left === undefined) return;
  if (left instanceof Uint8Array) wipe(left);
  RED.util.setMessageProperty(msg, config.property, undefined);
}

function property(RED: Red, config: SecretConfig, msg: Message): unknown {
  try {
    return RED.util.getMessageProperty(msg, config.property);
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
