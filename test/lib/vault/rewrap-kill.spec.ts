import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteRegistry, type Registry } from '../../../lib/registry/index.ts';
import { credentialSeal, type Keystore, makeKeyFile, openKeystore } from '../../../lib/vault/index.ts';

const HOST = fileURLToPath(new URL('./rewrap-host.ts', import.meta.url));
const RECORDS = 60;

describe('a rotation of the keystore key that is killed', () => {
  let folder: string;
  let child: ChildProcess | undefined;
  const closing: { close(): unknown }[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keyway-rewrap-'));
  });
  afterEach(async () => {
    child?.kill('SIGKILL');
    for (const one of closing.splice(0).reverse()) await one.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(...keys: string[]): Promise<{ registry: Registry; keystore: Keystore }> {
    const [source = '', ...previous] = keys.map((key) => join(folder, key));
    const keystore = await openKeystore({ source: { file: source }, previous: previous.map((file) => ({ file })) });
    closing.push(keystore);
    const text = new TextDecoder();
    const registry = await openSqliteRegistry({
      path: join(folder, 'registry.db'),
      keystore: {
        seal: (purpose, bytes, aad) => keystore.seal(purpose, bytes, text.decode(aad)),
        unseal: (purpose, bytes, aad) => keystore.unseal(purpose, bytes, text.decode(aad)),
      },
    });
    closing.push(registry);
    return { registry, keystore };
  }

  async function closed(): Promise<void> {
    for (const one of closing.splice(0).reverse()) await one.close();
  }

  /** @param nth the record with which it is killed; 0 = never. @returns what it said at its end */
  async function rotation(nth: number): Promise<string> {
    const args = [HOST, join(folder, 'registry.db'), join(folder, 'new.key'), join(folder, 'old.key'), String(nth)];
    const host = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child = host;
    let text = '';
    host.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    await once(host, 'close');
    return text.trim();
  }

  it('goes on where it was cut short, and loses no record', async function () {
    this.timeout(60_000);
    for (const key of ['old.key', 'new.key']) await makeKeyFile(join(folder, key));
    const first = await open('old.key');
    await first.registry.putNamespace({ name: 'line-1', settings: {} });
    const { id } = await first.registry.addDevice({ namespace: 'line-1', name: 'one' });
    const kinds = Array.from({ length: RECORDS }, (_, n) => `kind-${n}`);
    for (const kind of kinds) {
      const { purpose, owner } = credentialSeal(id, kind);
      const sealed = first.keystore.seal(purpose, Buffer.from(`secret of ${kind}`), owner);
      await first.registry.putCredential({ device: id, kind, sealed });
    }
    await closed();
    for (const nth of [1, 2, 12, 25]) assert.equal(await rotation(nth), '');
    const [, changed, same, failed] = /^done (\d+) (\d+) (\d+)$/.exec(await rotation(0))?.map(Number) ?? [];
    assert.deepEqual([Number(changed) + Number(same), failed], [RECORDS + 1, 0]);
    // All that were answered were kept; of the last of each nobody can know.
    assert.ok(Number(same) >= 0 + 1 + 11 + 24 && Number(same) <= 1 + 2 + 12 + 25, `${same} were kept`);
    // The key of before is needed no more.
    const { registry, keystore } = await open('new.key');
    for (const kind of kinds) {
      const { purpose, owner } = credentialSeal(id, kind);
      const sealed = (await registry.credential(id, kind))?.sealed ?? new Uint8Array();
      assert.equal(keystore.unseal(purpose, sealed, owner).toString(), `secret of ${kind}`);
    }
    assert.equal((await registry.verifyAudit()).holds, true);
  });
});
