import { wipe } from '../../vault/index.ts';
import type { Certificate } from '../certificate/inspect.ts';
import { fail } from '../errors.ts';
import { AUTHORITY_NAMESPACE } from '../names.ts';
import { toHex } from '../pem.ts';
import { nodePki } from '../platform.node.ts';
import type { AuthorityStore } from '../store.ts';
import { keepCertificate, noRootYet } from './ca.ts';
import { type Ground, timeFor } from './ground.ts';
import { type ImportSource, readImport } from './imports.ts';
import { signRootCrl } from './lists.ts';
import { belongs, keepMaterial, loadMaterial, type Material, openKey, ROOT } from './material.ts';
import { checkPassphrase, decryptPrivateKey, encryptPrivateKey } from './passphrase.ts';

/** See Authority.importRoot. */
export async function importRoot(
  ground: Ground,
  source: ImportSource,
  passphrase: Uint8Array | undefined,
): Promise<Certificate> {
  const { store, keystore } = ground;
  if (!keystore.demo || passphrase !== undefined) checkPassphrase(passphrase);
  await noRootYet(store);
  const imported = readImport(source, 1, await timeFor(ground));
  await keepImported(store, imported.certificate, imported.above.length === 0 ? 'root' : 'intermediate');
  await keepMaterial(store, keystore, ROOT, imported, passphrase);
  await signRootCrl(ground, imported.certificate, imported.key);
  return imported.certificate;
}

/** See Authority.takeOutRoot. */
export async function takeOutRoot(
  ground: Ground,
  passphrase: Uint8Array,
  keep: (key: Uint8Array) => Promise<void>,
): Promise<void> {
  checkPassphrase(passphrase);
  const root = await rootOf(ground);
  const key = await openKey(root, passphrase);
  await keep(await encryptPrivateKey(new Uint8Array(key.export({ type: 'pkcs8', format: 'der' })), passphrase));
  await keepMaterial(ground.store, ground.keystore, ROOT, { ...root, key: null });
}

/** See Authority.putRootBack. */
export async function putRootBack(ground: Ground, key: Uint8Array, passphrase: Uint8Array): Promise<void> {
  const root = await rootOf(ground);
  if (root.key !== null) wipe(root.key);
  const opened = await decryptPrivateKey(key, checkPassphrase(passphrase));
  if (!belongs(opened, root.certificate)) {
    throw fail('BAD_IMPORT', 'The key is not the one of this root.', {
      hint: 'Give the key that was taken out of this authority.',
      detail: { field: 'key' },
    });
  }
  await keepMaterial(ground.store, ground.keystore, ROOT, { ...root, key: opened }, passphrase);
  await signRootCrl(ground, root.certificate, opened);
}

async function rootOf({ store, keystore }: Ground): Promise<Material> {
  const root = await loadMaterial(store, keystore, ROOT);
  if (root !== undefined) return root;
  throw fail('AUTHORITY_MISSING', 'This authority has no root yet.', { hint: 'Make or import a root first.' });
}

/** An imported authority's certificate as a record, where its serial number fits into one. */
export async function keepImported(
  store: AuthorityStore,
  { der, serial, key, notBefore, notAfter }: Certificate,
  kind: 'root' | 'intermediate',
): Promise<void> {
  if (serial.length !== 32 || (await store.certificate(serial)) !== undefined) return;
  const publicKeyHash = toHex(await nodePki.sha256(key.spki));
  const own = { namespace: AUTHORITY_NAMESPACE, device: null, kind, state: 'live', notBefore, notAfter } as const;
  await keepCertificate(store, { ...own, serial, der, publicKeyHash });
}
