import { lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import { type RewrapReport, rewrapAll, type SealedStore } from '../../lib/vault/index.ts';
import { deployedAuthorities } from '../shared/authority.ts';
import { fail as refuse } from '../shared/errors.ts';
import { adminRoute, type Permission } from '../shared/http.ts';
import { fail } from '../shared/identity-errors.ts';
import { type OpenRegistry, registryById } from '../shared/registry.ts';
import type { Red } from '../shared/types.ts';

/** A deployed registry, as its buttons know it. */
export interface Maintained {
  readonly id: string;
  /** What is typed to restore over it. */
  readonly name: string;
  /** The database, and the folder of its backups. */
  readonly path: string;
  readonly backups: string;
}

/** What a button of the dialog is doing. */
export interface Progress {
  readonly doing: 'rotate' | 'backup' | 'restore';
  readonly done: number;
  /** 0 when nobody knows. */
  readonly total: number;
  readonly unit: 'records' | 'bytes';
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Written, and not whole yet. */
const PART = '.part';
const BY = { actor: 'keyway-registry', source: 'editor' };

const maintained = new Map<string, Maintained>();
/** By the id of the registry. */
const working = new Map<string, () => Promise<Progress>>();

/** @returns what ends it */
export function maintain(registry: Maintained): () => void {
  maintained.set(registry.id, registry);
  return () => {
    if (maintained.get(registry.id) === registry) maintained.delete(registry.id);
  };
}

/** What the buttons of the dialog do with a registry that is deployed. */
export function mountMaintenance(RED: Red): void {
  const route = (
    path: string,
    permission: Permission,
    handle: (registry: Maintained, body: Record<string, unknown>) => Promise<unknown>,
  ): void =>
    adminRoute(RED, 'post', `/keyway/registry/${path}`, permission, async (ask) => {
      const body = (ask.body ?? {}) as Record<string, unknown>;
      return await handle(registryOf(body), body);
    });
  route('rotate', 'keyway.write', (registry) => rotate(registry));
  // The dialog asks for this as soon as it opens, also of a registry that is not deployed yet.
  adminRoute(RED, 'post', '/keyway/registry/backups', 'keyway.read', async ({ body }) => {
    const registry = maintained.get(String((body as Record<string, unknown> | undefined)?.id));
    return registry === undefined ? { registry: null, folder: null, backups: [] } : await listBackups(registry);
  });
  route('backup', 'keyway.export', (registry, body) => backUp(registry, body));
  route('restore', 'keyway.revoke', (registry, body) => restore(registry, body));
  route('progress', 'keyway.read', async ({ id }) => (await working.get(id)?.()) ?? { doing: null });
}

function registryOf(body: Record<string, unknown>): Maintained {
  const found = maintained.get(typeof body.id === 'string' ? body.id : '');
  if (found !== undefined) return found;
  throw fail('REGISTRY_NOT_SET', 'This registry is not deployed.', {
    hint: 'Deploy it first: the button works on what runs, not on what the dialog shows.',
    detail: { field: 'id' },
  });
}

/** One at a time, and not while the registry is being closed. @throws REGISTRY_WORKING */
async function alone<T>(
  { id, name }: Maintained,
  progress: () => Promise<Progress>,
  work: (open: OpenRegistry) => Promise<T>,
): Promise<T> {
  if (working.has(id)) {
    throw fail('REGISTRY_WORKING', `A rotation, a backup or a restore of the registry "${name}" is under way.`, {
      hint: 'Wait until it has ended.',
    });
  }
  working.set(id, progress);
  try {
    const open = await registryById(id).open();
    const release = open.hold();
    try {
      return await work(open);
    } finally {
      release();
    }
  } finally {
    working.delete(id);
  }
}

/** Seals every record under the key that seals now. What was cut short is gone on with by asking again. */
async function rotate(registry: Maintained): Promise<RewrapReport> {
  let done = 0;
  let total = 0;
  const progress = async (): Promise<Progress> => ({ doing: 'rotate', done, total, unit: 'records' });
  return await alone(registry, progress, async ({ registry: store, keystore }) => {
    const counted: SealedStore = {
      keyNames: async () => {
        const names = await store.keyNames();
        total = names.length;
        return names;
      },
      keyRecord: (name) => {
        done++;
        return store.keyRecord(name);
      },
      putKeyRecord: (name, sealed) => store.putKeyRecord(name, sealed, BY),
      credentials: async (device, page) => {
        const found = await store.credentials(device, page);
        done += found.items.length;
        total = Math.max(total, done) + (found.next === null ? 0 : found.items.length);
        return found;
      },
      rewrapCredential: (id, sealed) => store.rewrapCredential(id, sealed),
    };
    // An authority that works on it changes its keys by turns.
    const authority = deployedAuthorities().find((one) => one.registry === registry.id);
    const ready = await authority?.open().catch(() => undefined);
    const report = await (ready === undefined ? rewrapAll(keystore, counted) : ready.authority.rewrap(counted));
    const { changed, same, failed } = report;
    const outcome = failed.length === 0 ? 'ok' : 'failed';
    const detail = { changed, same, failed: failed.length, key: keystore.keyId };
    await store.audit({ action: 'keystore.rotated', outcome, detail }, BY);
    return report;
  });
}

interface Backup {
  readonly name: string;
  readonly bytes: number;
  readonly written: string;
}

async function listBackups({
  name: registry,
  backups,
}: Maintained): Promise<{ registry: string; folder: string; backups: Backup[] }> {
  const names = await readdir(backups).catch(() => [] as string[]);
  const found: Backup[] = [];
  for (const name of names.filter((one) => NAME.test(one) && !one.endsWith(PART))) {
    const file = await lstat(join(backups, name)).catch(() => undefined);
    if (file?.isFile()) found.push({ name, bytes: file.size, written: file.mtime.toISOString() });
  }
  return { registry, folder: backups, backups: found.sort((a, b) => b.written.localeCompare(a.written)) };
}

/** A copy of the registry as it is at one moment, while it works on. One that is there is never overwritten. */
async function backUp(registry: Maintained, body: Record<string, unknown>): Promise<Backup & { path: string }> {
  const { backups, path } = registry;
  const given = typeof body.name === 'string' ? body.name.trim() : '';
  const name = given === '' ? `registry-${new Date().toISOString().replace(/[:.]/g, '-')}` : fileName(given);
  const file = join(backups, name);
  const size = async (of: string): Promise<number> => (await stat(of).catch(() => undefined))?.size ?? 0;
  const progress = async (): Promise<Progress> => ({
    doing: 'backup',
    done: await size(`${file}${PART}`),
    total: await size(path),
    unit: 'bytes',
  });
  return await alone(registry, progress, async ({ registry: store }) => {
    try {
      await mkdir(backups, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fail('BACKUP_FOLDER', `The folder of backups ${backups} cannot be made.`, {
        hint: 'Name a folder that the user of this process may write, and deploy.',
        detail: { field: 'backups', value: backups },
        cause: error,
      });
    }
    await store.backup(file, BY);
    const { size: bytes, mtime } = await stat(file);
    return { name, path: file, bytes, written: mtime.toISOString() };
  });
}

/** Puts a backup in the place of the registry. Who asks the registry meanwhile waits. */
async function restore(registry: Maintained, body: Record<string, unknown>): Promise<unknown> {
  const name = fileName(typeof body.name === 'string' ? body.name : '');
  if (body.confirm !== registry.name) {
    throw fail('NOT_CONFIRMED', `What was typed is not the name of the registry, "${registry.name}".`, {
      hint: 'Type it as it stands there: restoring takes away what was added since the backup.',
      detail: { field: 'confirm' },
    });
  }
  const progress = async (): Promise<Progress> => ({ doing: 'restore', done: 0, total: 0, unit: 'bytes' });
  return await alone(registry, progress, async ({ registry: store, keystore }) => {
    let voidedCodes = 0;
    const unsubscribe = store.subscribe(({ topic, detail }) => {
      if (topic === 'registry.restored') voidedCodes = Number(detail?.voidedCodes ?? 0);
    });
    try {
      await store.restore(join(registry.backups, name), BY);
    } catch (error) {
      throw isKeywayError(error, 'KEYSTORE_WRONG_KEY') ? olderKey(name, error) : error;
    } finally {
      unsubscribe();
    }
    const sealed = await store.keyRecord('registry.audit');
    return { name, voidedCodes, rotate: sealed !== undefined && keystore.keyIdOf(sealed) !== keystore.keyId };
  });
}

function olderKey(name: string, cause: Error): Error {
  return new KeywayError(
    'KEYSTORE_WRONG_KEY',
    `The backup "${name}" was sealed with another keystore key. ${cause.message}`,
    {
      hint: 'It is from before a rotation: name the key of that time as the previous one, deploy, restore, and rotate again.',
      detail: { field: 'name', value: name },
      cause,
    },
  );
}

function fileName(name: string): string {
  if (NAME.test(name) && !name.endsWith(PART)) return name;
  throw refuse('BAD_FIELD', `"${name.slice(0, 100)}" is no name for a backup.`, {
    hint: 'Type letters, digits, dots, hyphens and underscores, at most 100, and no folder: backups lie in one of their own.',
    detail: { field: 'name', value: name.slice(0, 100) },
  });
}
