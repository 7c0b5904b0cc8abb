/** A registry in a file, a keystore and an authority with one namespace, as an installation has them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, type AuthorityOptions } from '../../lib/pki/node.ts';
import { openSqliteRegistry, type Registry } from '../../lib/registry/index.ts';
import { makeKeyFile, openKeystore } from '../../lib/vault/index.ts';

export const NAMESPACE = 'benchmark';
export const BROKER = 'broker.example.com';

export interface Installation {
  readonly folder: string;
  readonly registry: Registry;
  readonly authority: Authority;
  close(): Promise<void>;
}

export async function installation(options: AuthorityOptions = {}): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'keyway-identity-'));
  const closing: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const key = join(folder, 'key');
    await makeKeyFile(key);
    const keystore = await openKeystore({ source: { file: key } });
    closing.push(() => keystore.close());
    const text = new TextDecoder();
    const registry = await openSqliteRegistry({
      path: join(folder, 'registry.db'),
      keystore: {
        seal: (purpose, bytes, aad) => keystore.seal(purpose, bytes, text.decode(aad)),
        unseal: (purpose, bytes, aad) => keystore.unseal(purpose, bytes, text.decode(aad)),
      },
    });
    closing.push(() => registry.close());
    const authority = new Authority(registry, keystore, { crlBaseUrl: 'http://crl.example.com', ...options });
    closing.push(() => authority.close());
    const passphrase = () => Buffer.from('of no value to anybody');
    await authority.createRoot({ passphrase: passphrase() });
    await authority.createNamespace(NAMESPACE, { brokerHost: BROKER }, { passphrase: passphrase() });
    return { folder, registry, authority, close };
  } catch (error) {
    await close();
    throw error;
  }
}
