import { createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto';
import { resolve } from 'node:path';
import { type Backend, RegistryClient } from '../client.ts';
import { fail } from '../errors.ts';
import type { Registry } from '../registry.ts';
import { backupInThread, checkSqlite, SqliteEngine } from './engine.ts';

/** What seals the key of the audit log: the keystore. */
export interface Sealer {
  seal(purpose: string, bytes: Uint8Array, aad: Uint8Array): Uint8Array | Promise<Uint8Array>;
  unseal(purpose: string, bytes: Uint8Array, aad: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** How the embedded registry is opened. */
export interface SqliteRegistryOptions {
  /** The file; its folder is made. Beside it lie `-wal`, `-shm`, `.lock` and `.revoked`. */
  readonly path: string;
  readonly keystore: Sealer;
  /** Default: the system's. */
  readonly clock?: { now(): number };
  /** The database file grows no further: then REGISTRY_FULL. Default: no limit but the disk's. */
  readonly maxBytes?: number;
  /** How long requests are gathered before they are made durable together, in ms: 0 … 50, default 2. */
  readonly groupMs?: number;
}

/** How the keystore seals the key of the audit log. */
export const AUDIT_KEY_PURPOSE = 'registry-audit';
export const AUDIT_KEY_AAD = new TextEncoder().encode('keyway registry audit key 1');

/**
 * Opens the registry in an SQLite file, or makes it. It belongs to this process until it is closed.
 *
 * @throws SQLITE_MISSING, REGISTRY_LOCKED, _PATH, _READ_ONLY, _DAMAGED, _TOO_NEW, _FULL, _BUSY, _IO; what the keystore
 * throws when it cannot unseal
 */
export async function openSqliteRegistry(options: SqliteRegistryOptions): Promise<Registry> {
  checkSqlite();
  const { keystore, maxBytes, clock = Date } = options;
  const groupMs = Math.min(50, Math.max(0, options.groupMs ?? 2));
  if (typeof options.path !== 'string' || options.path === '' || options.path.includes('\0')) {
    throw fail('REGISTRY_PATH', 'The registry has no path.', { hint: 'Name a file.', detail: { field: 'path' } });
  }
  const path = resolve(options.path);
  let client: RegistryClient | undefined;
  const engine = new SqliteEngine({ path, maxBytes, groupMs }, (event) => client?.tell(event));
  try {
    const found = (await engine.control({ do: 'open', now: clock.now() })) as Uint8Array | null;
    const auditKey = found === null ? randomBytes(32) : await keystore.unseal(AUDIT_KEY_PURPOSE, found, AUDIT_KEY_AAD);
    const sealed = found === null ? await keystore.seal(AUDIT_KEY_PURPOSE, auditKey, AUDIT_KEY_AAD) : null;
    client = new RegistryClient(backendOf(engine, path, keystore, auditKey), clock, createSecretKey(auditKey));
    await engine.control({ do: 'start', auditKey, sealed, now: clock.now() });
    return client;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function backendOf(engine: SqliteEngine, path: string, keystore: Sealer, auditKey: Uint8Array): Backend {
  return {
    call: (name, argument, now, by) => engine.call(name, argument, now, by),
    backup: (file) => backupInThread(path, resolve(file)),
    restore: async (file, now, by) => {
      const source = resolve(file);
      const sealed = (await engine.control({ do: 'inspect', source, now })) as Uint8Array | null;
      try {
        const key =
          sealed === null ? new Uint8Array() : await keystore.unseal(AUDIT_KEY_PURPOSE, sealed, AUDIT_KEY_AAD);
        if (key.length !== auditKey.length || !timingSafeEqual(key, auditKey)) {
          throw fail('BAD_BACKUP', `The backup ${source} is of another registry.`, {
            hint: 'Name a backup of this one. To move a registry, put its file and its .revoked file in place and open it.',
            detail: { field: 'file', value: source },
          });
        }
        await engine.control({ do: 'restore', now, by });
      } finally {
        await engine.control({ do: 'discard' });
      }
    },
    close: () => engine.close(),
  };
}
