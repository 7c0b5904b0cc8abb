import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { openSqliteRegistry, type RegistryEvent } from '../../lib/registry/index.ts';
import { type Keystore, makeKeyFile, openKeystore } from '../../lib/vault/index.ts';
import { Holds } from '../shared/holds.ts';
import { type Ask, adminRoute } from '../shared/http.ts';
import { fail } from '../shared/identity-errors.ts';
import { migrate } from '../shared/migrate.ts';
import { OnDemand } from '../shared/on-demand.ts';
import { deployRegistry, type OpenRegistry } from '../shared/registry.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, keySources, previousSources, type RegistryConfig } from './config.ts';
import { maintain, mountMaintenance } from './maintenance.ts';
import { placeOf, type RegistryPlace, type Where } from './place.ts';

/** How long a job may keep the registry from closing: nodes end theirs within this. */
const HOLD_MS = 6000;

export default function register(RED: Red): void {
  function RegistryNode(this: RedNode, saved: RegistryConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as RegistryConfig;
    const name = config.name || 'registry';
    const listeners = new Set<(event: RegistryEvent) => void>();
    const tell = (event: RegistryEvent): void => {
      for (const listener of [...listeners]) listener(event);
    };
    const holds = new Holds();
    const held = new OnDemand<OpenRegistry>(
      () => openPlace(placeOf(config, RED.settings.userDir), config.demo, tell, holds),
      async ({ registry, keystore }) => {
        await holds.ended(HOLD_MS);
        await registry.close();
        keystore.close();
      },
      () => fail('REGISTRY_NOT_SET', `The registry "${name}" is not deployed any more.`),
    );
    let unmaintain = (): void => undefined;
    try {
      const { path, backups } = placeOf(config, RED.settings.userDir);
      unmaintain = maintain({ id: this.id, name, path, backups });
    } catch {
      // Opening it says so, below.
    }
    const undeploy = deployRegistry({
      id: this.id,
      name,
      open: () => held.get(),
      listen: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    });
    // At deploy already, so that what is wrong is said then, and an environment variable is taken out early.
    held.get().catch((error: unknown) => {
      this.error(error instanceof Error ? `${codeOf(error)}: ${error.message} ${hintOf(error)}`.trim() : String(error));
    });
    this.on('close', (_removed: boolean, closed: () => void) => {
      undeploy();
      unmaintain();
      held
        .close()
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-registry', RegistryNode);

  adminRoute(RED, 'post', '/keyway/registry/test', 'keyway.write', (ask) => testKey(RED, ask));
  mountMaintenance(RED);
  adminRoute(RED, 'post', '/keyway/registry/make-key', 'keyway.write', (ask) => makeKey(RED, ask));
}

function hintOf(error: unknown): string {
  return isKeywayError(error) ? (error.hint ?? '') : '';
}

async function openPlace(
  { path, source, previous }: RegistryPlace,
  demo: boolean,
  tell: (event: RegistryEvent) => void,
  holds: Holds,
): Promise<OpenRegistry> {
  const keystore = await keystoreFor({ source, previous }, demo);
  try {
    const text = new TextDecoder();
    const registry = await openSqliteRegistry({
      path,
      keystore: {
        seal: (purpose, bytes, aad) => keystore.seal(purpose, bytes, text.decode(aad)),
        unseal: (purpose, bytes, aad) => keystore.unseal(purpose, bytes, text.decode(aad)),
      },
    });
    registry.subscribe(tell);
    return { registry, keystore, hold: () => holds.take() };
  } catch (error) {
    keystore.close();
    throw error;
  }
}

/** A demonstration makes its key when there is none. */
async function keystoreFor(
  { source, previous }: Pick<RegistryPlace, 'source' | 'previous'>,
  demo: boolean,
): Promise<Keystore> {
  try {
    return await openKeystore({ source, previous });
  } catch (error) {
    if (!demo || !('file' in source) || !isKeywayError(error, 'KEYSTORE_KEY_MISSING')) throw error;
    // Where another one was first, there is one now.
    await makeKeyFile(source.file, { demo: true }).catch(() => undefined);
    return await openKeystore({ source });
  }
}

/** What the dialog shows, as it stands. */
function asked(ask: Ask): Where {
  const body = (ask.body ?? {}) as Record<string, unknown>;
  const text = (field: string): string => (typeof body[field] === 'string' ? body[field] : '');
  return {
    demo: body.demo === true,
    file: text('file'),
    keySource: keySources.find((known) => known === body.keySource) ?? 'file',
    keyFile: text('keyFile'),
    keyVariable: text('keyVariable'),
    keyCredential: text('keyCredential'),
    previousSource: previousSources.find((known) => known === body.previousSource) ?? 'none',
    previousFile: text('previousFile'),
    previousVariable: text('previousVariable'),
    previousCredential: text('previousCredential'),
    backups: text('backups'),
  };
}

/** The Test button: whether the key is there, and which one it is. */
async function testKey(RED: Red, ask: Ask): Promise<unknown> {
  const where = asked(ask);
  const keystore = await keystoreFor(placeOf(where, RED.settings.userDir), where.demo);
  try {
    return { keyId: keystore.keyId, demo: keystore.demo };
  } finally {
    keystore.close();
  }
}

/** The Make key button: a new key file; one that exists is never overwritten. */
async function makeKey(RED: Red, ask: Ask): Promise<unknown> {
  const where = asked(ask);
  const { source } = placeOf({ ...where, keySource: 'file', previousSource: 'none' }, RED.settings.userDir);
  const path = 'file' in source ? source.file : '';
  return { path, ...(await makeKeyFile(path, { demo: where.demo })) };
}
