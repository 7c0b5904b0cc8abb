import type { Node } from 'node-red';
import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { namespaceName } from '../../lib/pki/index.ts';
import type { Crl, CrlEvent } from '../../lib/pki/node.ts';
import { authorityById, type DeployedAuthority } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { withPaths } from '../shared/file-path.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { holdTrust, type Trust, type TrustHold } from '../shared/trust.ts';
import { mountLists } from '../shared/trust-lists.ts';
import { Service } from '../shared/trust-service.ts';
import type { Message, Red } from '../shared/types.ts';
import { type CrlConfig, defaults, formats, operations } from './config.ts';

/** What Node-RED keeps for this node beside the flow. */
interface Credentials {
  passphrase: unknown;
}

export default function register(RED: Red): void {
  function CrlNode(this: Node<Credentials>, saved: CrlConfig): void {
    RED.nodes.createNode(this, saved);
    const config = withPaths(RED, this, migrate(saved, defaults) as CrlConfig, ['file']);
    const own: { deployed?: DeployedAuthority; hold?: TrustHold } = {};
    const open = (): { deployed: DeployedAuthority; hold: TrustHold } => {
      const deployed = own.deployed ?? authorityById(config.authority);
      const hold = own.hold ?? holdTrust(deployed);
      Object.assign(own, { deployed, hold });
      return { deployed, hold };
    };
    const { status, onClose } = onInput<CrlConfig>({
      red: RED,
      node: this,
      config,
      verb: 'crl',
      inOrder: true,
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        const { deployed, hold } = open();
        if (operation === 'file') return await keepFile(config, deployed, hold, fields);
        if (operation === 'root') return await renewRoot(RED, this.credentials, hold, fields);
        return await show(RED, operation, deployed, hold, job, fields);
      },
    });
    const current = (): void => status.set('green', 'dot', RED._('keyway-crl.status.current'));
    // Lists are made and served from the deploy on, whether or not a message comes.
    const lists = new Service<Trust>(
      'The list',
      async () => await open().hold.open(),
      async () => undefined,
    );
    lists.watch((state) => {
      if (state.is === 'starting') status.set('grey', 'ring', RED._('keyway-crl.status.starting'));
      else if (state.is === 'listening') current();
      else if (!isKeywayError(state.error, 'SERVICE_CLOSED')) {
        status.set('red', 'dot', codeOf(state.error));
        this.error(state.error);
      }
    });
    const begin = setImmediate(() => {
      try {
        open().hold.onList((event) => {
          if (event.topic === 'crl.failed') {
            status.set('red', 'dot', codeOf(event.error));
            this.error(event.error);
          } else if (event.topic === 'crl.written') status.set('green', 'dot', RED._('keyway-crl.status.written'));
          else current();
          if (config.events) this.send(messageOf(event));
        });
      } catch {
        // The same is told when the lists are opened.
      }
      lists.start();
    });
    onClose(async () => {
      clearImmediate(begin);
      await lists.close();
      await own.hold?.release();
    });
  }
  RED.nodes.registerType('keyway-crl', CrlNode, { credentials: { passphrase: { type: 'password' } } });
  mountLists(RED);
}

/** The certificate namespaces that are meant: those of the field, else all of the authority. @throws BAD_NAMESPACE */
async function namespacesOf(deployed: DeployedAuthority, fields: Fields<CrlConfig>): Promise<readonly string[]> {
  const words = (await fields.words('namespace')).map(namespaceName);
  return words.length === 0 ? deployed.namespaces : words;
}

async function show(
  red: Red,
  operation: 'current' | 'renew',
  deployed: DeployedAuthority,
  hold: TrustHold,
  job: Job,
  fields: Fields<CrlConfig>,
): Promise<Outcome> {
  const format = await fields.choice('format', formats);
  const names = await namespacesOf(deployed, fields);
  const { lists } = await hold.open();
  const found: Crl[] = [];
  for (const name of names) {
    job.signal.throwIfAborted();
    found.push(operation === 'renew' ? await lists.publish(name) : lists.current(name));
  }
  const shown = found.map((crl) => shownAs(crl, format));
  const [first, ...more] = shown;
  const [crl] = found;
  return {
    topic: `crl/${operation}`,
    payload: more.length === 0 ? first : shown,
    ...(crl === undefined || found.length > 1
      ? {}
      : {
          status: red._('keyway-crl.status.entries', { number: String(crl.number), count: String(crl.entries) }),
        }),
  };
}

/**
 * Has the root sign its own list for another year.
 * @throws BAD_PASSPHRASE, ROOT_OUT, AUTHORITY_MISSING, CLOCK_BEHIND
 */
async function renewRoot(
  red: Red,
  credentials: Credentials | undefined,
  hold: TrustHold,
  fields: Fields<CrlConfig>,
): Promise<Outcome> {
  const format = await fields.choice('format', formats);
  const { lists, authority } = await hold.open();
  const text = credentials?.passphrase;
  const passphrase = typeof text === 'string' && text !== '' ? Buffer.from(text) : undefined;
  try {
    await authority.renewRootCrl(passphrase);
  } finally {
    passphrase?.fill(0);
  }
  await lists.rootChanged();
  const crl = lists.current('keyway/root');
  const status = red._('keyway-crl.status.entries', { number: String(crl.number), count: String(crl.entries) });
  return { topic: 'crl/root', payload: shownAs(crl, format), status };
}

function shownAs(crl: Crl, format: (typeof formats)[number]): unknown {
  if (format === 'pem') return crl.pem;
  if (format === 'der') return Buffer.from(crl.der);
  const { name, number, entries, thisUpdate, nextUpdate } = crl;
  const [from, until] = [thisUpdate, nextUpdate].map((ms) => new Date(ms).toISOString());
  return { namespace: name, number, entries, thisUpdate: from, nextUpdate: until, bytes: crl.der.length };
}

/** Has a file hold the lists from now on. @throws CRL_FILE_NOT_WRITABLE, BAD_FIELD */
async function keepFile(
  config: CrlConfig,
  deployed: DeployedAuthority,
  hold: TrustHold,
  fields: Fields<CrlConfig>,
): Promise<Outcome> {
  const path = config.file.trim();
  if (path === '') {
    throw fail('BAD_FIELD', 'The field "file" is blank.', {
      hint: 'Open the node and type the path of the file, as crlfile of mosquitto.conf has it.',
      detail: { field: 'file' },
    });
  }
  const namespaces = [...(await namespacesOf(deployed, fields))];
  const { lists } = await hold.open();
  let problem: Error | undefined;
  const end = hold.onList((event) => {
    if (event.topic === 'crl.failed' && event.path === path) problem = event.error;
  });
  try {
    await hold.keepFile({ path, namespaces: [...namespaces, 'keyway'] });
  } finally {
    end();
  }
  if (problem !== undefined) throw problem;
  const numbers = Object.fromEntries(namespaces.map((name) => [name, lists.current(name).number]));
  return { topic: 'crl/file', payload: { file: path, namespaces, numbers } };
}

function messageOf(event: CrlEvent): Message {
  if (event.topic === 'crl.issued') {
    const { namespace, cause, number, entries, thisUpdate, nextUpdate } = event;
    const [from, until] = [thisUpdate, nextUpdate].map((ms) => new Date(ms).toISOString());
    const payload = { namespace, cause, number, entries, thisUpdate: from, nextUpdate: until };
    return { topic: 'crl/issued', payload } as Message;
  }
  if (event.topic === 'crl.written') {
    return { topic: 'crl/written', payload: { file: event.path, namespaces: event.namespaces } } as Message;
  }
  const { namespace, path, error } = event;
  return {
    topic: 'crl/failed',
    payload: { namespace, file: path, code: codeOf(error), message: error.message },
  } as Message;
}
