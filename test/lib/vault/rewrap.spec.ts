import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeywayError } from '../../../lib/errors/index.ts';
import { Authority } from '../../../lib/pki/node.ts';
import {
  credentialSeal,
  type Keystore,
  keyRecordSeal,
  makeKeyFile,
  openKeystore,
  rewrapAll,
  type SealedStore,
} from '../../../lib/vault/index.ts';
import { MemoryStore } from '../pki/memory-store.ts';

/** Records in memory; credentials come one a page. */
class Records implements SealedStore {
  readonly keys = new Map<string, Uint8Array>();
  readonly kept = new Map<string, { id: string; device: string; kind: string; sealed: Uint8Array }>();

  async keyNames(): Promise<string[]> {
    return [...this.keys.keys()];
  }
  async keyRecord(name: string): Promise<Uint8Array | undefined> {
    return this.keys.get(name);
  }
  async putKeyRecord(name: string, sealed: Uint8Array): Promise<void> {
    this.keys.set(name, sealed);
  }
  async credentials(_device: undefined, { after }: { readonly after?: string }) {
    const all = [...this.kept.values()];
    const from = all.findIndex(({ id }) => id === after) + 1;
    const items = all.slice(from, from + 1);
    return { items, next: from + 1 < all.length ? (items[0]?.id ?? null) : null };
  }
  async rewrapCredential(id: string, sealed: Uint8Array): Promise<void> {
    const held = this.kept.get(id);
    if (held === undefined) throw new KeywayError('CREDENTIAL_UNKNOWN', 'gone');
    this.kept.set(id, { ...held, sealed });
  }
}

describe('vault: sealing everything anew', () => {
  let folder = '';
  const open: Keystore[] = [];
  const opened = async (name: string, ...previous: string[]): Promise<Keystore> => {
    const source = (one: string) => ({ file: join(folder, one) });
    const keystore = await openKeystore({ source: source(name), previous: previous.map(source) });
    open.push(keystore);
    return keystore;
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-rewrap-'));
    for (const name of ['old', 'new']) await makeKeyFile(join(folder, name));
  });
  afterEach(async () => {
    for (const keystore of open.splice(0)) keystore.close();
    await rm(folder, { recursive: true, force: true });
  });

  const filled = async (): Promise<Records> => {
    const old = await opened('old');
    const records = new Records();
    for (const name of ['ca.root', 'registry.audit']) {
      const { purpose, owner } = keyRecordSeal(name);
      records.keys.set(name, old.seal(purpose, Buffer.from(name), owner));
    }
    for (const device of ['a', 'b', 'c']) {
      const { purpose, owner } = credentialSeal(device, 'mqtt');
      const sealed = old.seal(purpose, Buffer.from(device), owner);
      records.kept.set(`id-${device}`, { id: `id-${device}`, device, kind: 'mqtt', sealed });
    }
    return records;
  };

  it('goes through every page, and through what is there already', async () => {
    const records = await filled();
    const both = await opened('new', 'old');
    assert.deepEqual(await rewrapAll(both, records), { changed: 5, same: 0, failed: [] });
    assert.deepEqual(await rewrapAll(both, records), { changed: 0, same: 5, failed: [] });
    const alone = await opened('new');
    for (const { device, kind, sealed } of records.kept.values()) {
      const { purpose, owner } = credentialSeal(device, kind);
      assert.equal(alone.unseal(purpose, sealed, owner).toString(), device);
    }
  });

  it('goes on after a break where it was', async () => {
    const records = await filled();
    const both = await opened('new', 'old');
    let left = 2;
    const put = records.rewrapCredential.bind(records);
    records.rewrapCredential = async (...what) => {
      if (left-- === 0) throw new KeywayError('REGISTRY_FULL', 'full');
      await put(...what);
    };
    await assert.rejects(rewrapAll(both, records), { code: 'REGISTRY_FULL' });
    assert.deepEqual(await rewrapAll(both, records), { changed: 1, same: 4, failed: [] });
  });

  it('leaves alone what was replaced meanwhile, and stops with the keystore', async () => {
    const records = await filled();
    const both = await opened('new', 'old');
    const page = records.credentials.bind(records);
    records.credentials = async (...what) => {
      const found = await page(...what);
      records.kept.delete('id-c');
      return found;
    };
    const order = [...records.kept.keys()];
    assert.equal(order.at(-1), 'id-c');
    const last = records.kept.get('id-c');
    assert.ok(last);
    records.kept.clear();
    records.kept.set('id-c', last);
    assert.deepEqual((await rewrapAll(both, records)).failed, []);
    assert.equal(records.kept.size, 0);
    both.close();
    await assert.rejects(rewrapAll(both, records), { code: 'KEYSTORE_CLOSED' });
  });

  it('makes changes of authorities wait, so that none is undone', async () => {
    const store = new MemoryStore();
    const before = new Authority(store, await opened('old'));
    await before.createRoot({ passphrase: Buffer.from('correct horse battery staple') });
    await before.close();
    const authority = new Authority(store, await opened('new', 'old'));
    const records = new Records();
    records.keys.set('ca.root', store.keys.get('ca.root') as Uint8Array);
    let touched = false;
    const read = store.keyRecord.bind(store);
    store.keyRecord = async (name) => {
      touched = true;
      return await read(name);
    };
    let change: Promise<unknown> = Promise.resolve();
    records.putKeyRecord = async () => {
      change = authority.createServices().catch((error: { code: string }) => error.code);
      await new Promise(setImmediate);
      assert.equal(touched, false);
    };
    assert.equal((await authority.rewrap(records)).changed, 1);
    assert.equal(await change, 'BAD_PASSPHRASE');
    assert.equal(touched, true);
    await authority.close();
  });
});
