import type { Node } from 'node-red';
import { isKeywayError } from '../../lib/errors/index.ts';
import { namespaceName, normaliseMac } from '../../lib/pki/index.ts';
import { authorityById } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { withPaths } from '../shared/file-path.ts';
import { adminRoute } from '../shared/http.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addDevice, byNode } from '../shared/registry.ts';
import { holdTrust, type TrustHold } from '../shared/trust.ts';
import { endpointById, endpointsOf } from '../shared/trust-endpoint.ts';
import { mountLists } from '../shared/trust-lists.ts';
import { Service } from '../shared/trust-service.ts';
import type { Red } from '../shared/types.ts';
import { cuts, defaults, type RevokeConfig, reasons } from './config.ts';
import { cutElsewhere, frontOf, keepList, type MosquittoCredentials } from './mosquitto.ts';
import { revokeDevice } from './revoking.ts';

export default function register(RED: Red): void {
  function RevokeNode(this: Node<MosquittoCredentials>, saved: RevokeConfig): void {
    RED.nodes.createNode(this, saved);
    const config = withPaths(RED, this, migrate(saved, defaults) as RevokeConfig, ['crlFile', 'pidFile']);
    let held: TrustHold | undefined;
    const hold = (): TrustHold => {
      held ??= holdTrust(authorityById(config.authority));
      return held;
    };
    const { onClose } = onInput<RevokeConfig>({
      red: RED,
      node: this,
      config,
      verb: 'revoke',
      inOrder: true,
      run: async (job, fields) => await revoke(RED, this, config, hold(), job, fields),
    });
    // The broker's file is current from the deploy on.
    const file = new Service<void>(
      'The list',
      async () => await keepList(hold(), config),
      async () => undefined,
    );
    file.watch((state) => {
      if (state.is === 'failed' && !isKeywayError(state.error, 'SERVICE_CLOSED')) this.error(state.error);
    });
    const begin = setImmediate(() => {
      if (config.crlFile.trim() !== '') file.start();
    });
    onClose(async () => {
      clearImmediate(begin);
      await file.close();
      await held?.release();
    });
  }
  RED.nodes.registerType('keyway-revoke', RevokeNode, {
    credentials: { controlUser: { type: 'text' }, controlPassword: { type: 'password' } },
  });

  mountLists(RED);
  adminRoute(RED, 'post', '/keyway/device/revoke', 'keyway.revoke', async ({ body }) => {
    const asked = (body ?? {}) as Record<string, unknown>;
    const text = (field: string): string => (typeof asked[field] === 'string' ? asked[field] : '');
    const deployed = authorityById(text('authority'));
    const own = holdTrust(deployed);
    try {
      const { serials, number, cut } = await revokeDevice(own, {
        namespace: namespaceName(text('namespace')),
        mac: normaliseMac(text('mac')),
        reason: oneOf(asked, 'reason', reasons, 'unspecified'),
        endpoints: oneOf(asked, 'cut', cuts, 'now') === 'cadence' ? [] : endpointsOf(deployed.id),
        by: { actor: 'keyway-revoke', source: 'admin API' },
      });
      return { serials, crl: number, cut };
    } finally {
      await own.release();
    }
  });
}

async function revoke(
  red: Red,
  node: Node<MosquittoCredentials>,
  config: RevokeConfig,
  hold: TrustHold,
  job: Job,
  fields: Fields<RevokeConfig>,
): Promise<Outcome> {
  const namespace = namespaceName(await need(fields, 'namespace'));
  const mac = normaliseMac(await need(fields, 'mac'));
  const reason = await fields.choice('reason', reasons);
  const when = await fields.choice('cut', cuts);
  // What is set up wrongly is said before anything is revoked.
  const front = frontOf(config, node.credentials);
  const known = config.endpoint === '' ? endpointsOf(config.authority) : [endpointById(config.endpoint)];
  const endpoints = when === 'now' ? known : [];
  if (front !== undefined) await keepList(hold, config);
  job.signal.throwIfAborted();
  const path = config.crlFile.trim();
  const by = byNode(node);
  const done = await revokeDevice(hold, { namespace, mac, reason, endpoints, by, ...(path === '' ? {} : { path }) });
  job.msg.device = addDevice(job.msg.device, done.device);
  const { serials, number, cut } = done;
  const kicked = front === undefined ? null : await cutElsewhere(front, when === 'now', { namespace, mac }, done);
  return {
    topic: 'revoke/done',
    payload: { namespace, mac: job.msg.device.mac, serials, crl: number, cut, ...(kicked === null ? {} : { kicked }) },
    status: red._('keyway-revoke.status.revoked', { count: String(serials.length) }),
  };
}

/** What a script asks for; left out, `otherwise`. @throws BAD_FIELD */
function oneOf<T extends string>(asked: Record<string, unknown>, field: string, known: readonly T[], otherwise: T): T {
  const value = asked[field];
  const found = value === undefined ? otherwise : known.find((one) => one === value);
  if (found !== undefined) return found;
  throw fail('BAD_FIELD', `"${field}" cannot be ${JSON.stringify(value).slice(0, 64)}: nothing was revoked.`, {
    hint: `Give one of ${known.join(', ')}.`,
    detail: { field },
  });
}

async function need(fields: Fields<RevokeConfig>, field: 'namespace' | 'mac'): Promise<string> {
  const text = await fields.text(field);
  if (text !== undefined) return text;
  throw fail('BAD_FIELD', `The field "${field}" is blank.`, {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field },
  });
}
