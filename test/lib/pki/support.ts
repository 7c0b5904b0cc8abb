import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../../lib/pki/index.ts';
import { createCsr } from '../../../lib/pki/index.ts';
import { Authority, type AuthorityOptions, nodePki } from '../../../lib/pki/node.ts';
import { type Keystore, makeKeyFile, openKeystore } from '../../../lib/vault/index.ts';
import { MemoryStore } from './memory-store.ts';

export const PASSPHRASE = Buffer.from('correct horse battery staple');
export const NAMESPACE = 'plant-7';
export const MAC = '24:6F:28:AA:BB:0C';
export const PLAIN_MAC = '246f28aabb0c';

/** A folder of a test, and what takes it away. */
export async function scratch(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'keyway-pki-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

export async function testKeystore(demo = false): Promise<Keystore> {
  const { folder, remove } = await scratch();
  try {
    await makeKeyFile(join(folder, 'key'), { demo });
    return await openKeystore({ source: { file: join(folder, 'key') } });
  } finally {
    await remove();
  }
}

export interface World {
  readonly store: MemoryStore;
  readonly keystore: Keystore;
  readonly authority: Authority;
  close(): Promise<void>;
}

/** An authority with a root, a namespace and a services intermediate. */
export async function world(options: AuthorityOptions = {}, settings: JsonObject = {}): Promise<World> {
  const store = new MemoryStore();
  const keystore = await testKeystore();
  const authority = new Authority(store, keystore, options);
  const close = async (): Promise<void> => {
    await authority.close();
    keystore.close();
  };
  try {
    await authority.createRoot({ passphrase: PASSPHRASE });
    await authority.createNamespace(
      NAMESPACE,
      { brokerHost: 'broker.example.com', ...settings },
      { passphrase: PASSPHRASE },
    );
    await authority.createServices({ passphrase: PASSPHRASE });
  } catch (error) {
    await close();
    throw error;
  }
  return { store, keystore, authority, close };
}

export const csrOf = async (name = 'anything'): Promise<Uint8Array> => (await createCsr(nodePki, name)).der;

/** Runs openssl; its output, both streams. */
export function openssl(args: readonly string[], input?: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('openssl', args, { timeout: 30_000, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out + err);
      else reject(new Error(`openssl ${args.join(' ')}: ${out}${err}`, { cause: error }));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}

export async function put(folder: string, name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
