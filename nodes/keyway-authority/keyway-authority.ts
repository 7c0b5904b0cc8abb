import type { Node } from 'node-red';
import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { Authority } from '../../lib/pki/node.ts';
import { wipe } from '../../lib/vault/index.ts';
import { deployAuthority, type OpenAuthority } from '../shared/authority.ts';
import { fail } from '../shared/identity-errors.ts';
import { dropOrphans } from '../shared/identity-pending.ts';
import { migrate } from '../shared/migrate.ts';
import { OnDemand } from '../shared/on-demand.ts';
import { registryById } from '../shared/registry.ts';
import type { Red } from '../shared/types.ts';
import { type AuthorityConfig, defaults } from './config.ts';
import { mountEnrolment } from './enrolment.ts';
import { readyNamespaces } from './namespaces.ts';
import { mountRoutes } from './routes.ts';

/** What Node-RED keeps for this node beside the flow. */
interface Credentials {
  passphrase: unknown;
}

/** An authority and what is wrong with single namespaces. */
interface Ready extends OpenAuthority {
  readonly problems: ReadonlyMap<string, Error>;
  readonly unsubscribe: () => void;
}

export default function register(RED: Red): void {
  function AuthorityNode(this: Node<Credentials>, saved: AuthorityConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as AuthorityConfig;
    const name = config.name || 'authority';
    const complain = (error: unknown): void => this.error(sayWhy(error));
    const held = new OnDemand<Ready>(
      () => openAuthority(config, passphraseOf(this.credentials), complain, () => void held.renew().catch(complain)),
      async ({ authority, unsubscribe }) => {
        unsubscribe();
        await authority.close();
      },
      () => fail('AUTHORITY_NOT_SET', `The authority "${name}" is not deployed any more.`),
    );
    const undeploy = deployAuthority({
      id: this.id,
      name,
      registry: config.registry,
      enrolment: config.enrolment,
      enrolmentRegisters: config.enrolmentRegisters,
      namespaces: config.namespaces.map((row) => row.name),
      open: () => held.get(),
      openFor: async (namespace) => {
        const ready = await held.get();
        const problem = ready.problems.get(namespace);
        if (problem !== undefined) throw problem;
        return ready;
      },
    });
    held.get().catch(complain);
    this.on('close', (_removed: boolean, closed: () => void) => {
      undeploy();
      held
        .close()
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-authority', AuthorityNode, { credentials: { passphrase: { type: 'password' } } });

  mountRoutes(RED);
  mountEnrolment(RED);
}

function sayWhy(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${codeOf(error)}: ${error.message} ${isKeywayError(error) ? (error.hint ?? '') : ''}`.trim();
}

/** A copy that is overwritten after each use. */
function passphraseOf(credentials: Credentials | undefined): () => Buffer | undefined {
  return () => {
    const text = credentials?.passphrase;
    return typeof text === 'string' && text !== '' ? Buffer.from(text) : undefined;
  };
}

/** Opens it with a root and its namespaces, which are made when they are not there yet. */
async function openAuthority(
  config: AuthorityConfig,
  secret: () => Buffer | undefined,
  complain: (error: unknown) => void,
  restored: () => void,
): Promise<Ready> {
  const ground = await registryById(config.registry).open();
  const { registry, keystore } = ground;
  const { organisation, crlBaseUrl } = config;
  const authority = new Authority(registry, keystore, {
    ...(organisation.trim() === '' ? {} : { organisation: organisation.trim() }),
    ...(crlBaseUrl.trim() === '' ? {} : { crlBaseUrl: crlBaseUrl.trim() }),
    ...(config.enrolment ? { pool: {} } : {}),
  });
  const passphrase = secret();
  try {
    const { root, demo, services } = await authority.state();
    if (root === null) {
      if (passphrase === undefined && !demo) throw noPassphrase();
      await authority.createRoot(passphrase === undefined ? {} : { passphrase });
    }
    if (services === null) await makeServices(authority, passphrase).catch(complain);
    const open = { ...ground, authority };
    const problems = await readyNamespaces(open, config.namespaces, passphrase);
    for (const problem of problems.values()) complain(problem);
    const usable = config.namespaces.map((row) => row.name).filter((name) => !problems.has(name));
    await dropOrphans(open, usable).catch(complain);
    // What it knows of namespaces and their keys may be of a registry that is not there any more.
    const unsubscribe = registry.subscribe(({ topic }) => {
      if (topic === 'registry.restored') restored();
    });
    return { ...open, problems, unsubscribe };
  } catch (error) {
    await authority.close();
    throw error;
  } finally {
    if (passphrase !== undefined) wipe(passphrase);
  }
}

/** The intermediate that endpoints and EST services get their certificates from. What keeps it away keeps nothing else. */
async function makeServices(authority: Authority, passphrase: Uint8Array | undefined): Promise<void> {
  try {
    await authority.createServices(passphrase === undefined ? {} : { passphrase });
  } catch (error) {
    // Another authority node of the registry was first.
    if (!isKeywayError(error, 'AUTHORITY_EXISTS')) throw error;
  }
}

function noPassphrase(): Error {
  return fail('ROOT_PASSPHRASE', 'The authority has no root yet, and no passphrase to make one behind.', {
    hint: 'Open the authority, type a passphrase of at least 12 characters for its root, keep a copy of it, and deploy.',
    detail: { field: 'passphrase' },
  });
}
