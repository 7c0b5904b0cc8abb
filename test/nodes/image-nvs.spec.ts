import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import helper from 'node-red-node-test-helper';
import {
  encodeOtadata,
  encodePartitionTable,
  PROVISIONING_4MB_CSV,
  parseNvs,
  parsePartitionCsv,
} from '../../lib/esp/index.ts';
import { nodePlatform as platform } from '../../lib/esp/node.ts';
import { createHandle } from '../../lib/vault/index.ts';
import { spellingOf } from '../support/canary.ts';
import { Bench, type FlowNode, unload } from './harness.ts';

const ENTRIES = [
  { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'shop floor' },
  { namespace: 'wifi', key: 'channel', encoding: 'u8', value: 11 },
  { namespace: 'wifi', key: 'since', encoding: 'u64', value: '0xffffffffffffffff' },
];

function image(id: string, fields: Record<string, unknown> = {}): FlowNode {
  return { id, type: 'keyway-image', version: 2, operation: 'nvs', nvsFrom: 'value', wires: [['out']], ...fields };
}

function handleOf(bytes: Uint8Array): string {
  return createHandle(bytes, { kind: 'nvs-key', redeemableBy: ['keyway-image'], expiresInMs: 60_000 });
}

function logged(): string {
  return JSON.stringify(helper.log().args);
}

describe('keyway-image and NVS', () => {
  afterEach(unload);

  it('builds an image of a list, a table or a CSV, and lists it without its values', async () => {
    const entries = ENTRIES.map((entry) => ({ ...entry, value: String(entry.value), valueType: 'str' }));
    const bench = await Bench.load([
      image('value'),
      image('table', { nvsFrom: 'table', entries }),
      image('list', { nvsAction: 'list' }),
      image('raw', { nvsAction: 'list', raw: true }),
    ]);
    bench.send('value', { nvs: ENTRIES });
    bench.send('table', {});
    const csv = 'key,type,encoding,value\nwifi,namespace,,\nssid,data,string,shop floor\nchannel,data,u8,11\n';
    bench.send('value', { nvs: `${csv}since,data,u64,18446744073709551615\n` });
    const [first, second, third] = await bench.out.many(3);
    assert.deepEqual([first?.topic, first?.payload.length], ['image/nvs-built', 0x6000]);
    assert.ok(Buffer.isBuffer(first?.payload));
    assert.deepEqual(second?.payload, first?.payload);
    assert.deepEqual(third?.payload, first?.payload);
    bench.send('list', { payload: first?.payload });
    const [, , , listed] = await bench.out.many(4);
    assert.equal(listed?.topic, 'image/nvs-listed');
    assert.deepEqual(listed?.payload.entries[0], { namespace: 'wifi', key: 'ssid', encoding: 'string', bytes: 10 });
    assert.equal(listed?.payload.pages.length, 6);
    assert.doesNotMatch(logged(), /keyway\.nvs/);
    bench.send('raw', { payload: first?.payload });
    const values = (await bench.out.many(5))[4]?.payload.entries.map((entry: { value: unknown }) => entry.value);
    assert.deepEqual(values, ['shop floor', 11, '18446744073709551615']);
    assert.match(logged(), /keyway\.nvs\.read/);
    assert.equal(await bench.failure('list', { payload: Buffer.alloc(0x3001) }), 'BAD_NVS_SIZE');
    assert.equal(await bench.failure('value', {}), 'BAD_FIELD');
  });

  it('puts a secret into an image only where that is allowed, and writes it down', async () => {
    const bench = await Bench.load([image('off'), image('on', { raw: true })]);
    const secret = `canary+${randomBytes(12).toString('base64')}`;
    const handle = handleOf(Buffer.from(secret));
    const nvs = [{ namespace: 'scadable_certs', key: 'key', encoding: 'blob', terminate: true, value: handle }];
    assert.equal(await bench.failure('off', { nvs }), 'REVEAL_OFF');
    bench.send('on', { nvs });
    const { payload } = await bench.out.next();
    const { entries } = await parseNvs(payload, { platform });
    assert.deepEqual(Buffer.from(entries[0]?.value as Uint8Array), Buffer.from(`${secret}\0`));
    assert.match(logged(), /keyway\.nvs\.built/);
    assert.equal(spellingOf(secret, [helper.log().args, bench.statuses.messages]), undefined);
    assert.equal(await bench.failure('on', { nvs }), 'HANDLE_USED');
  });

  it('encrypts an image, with secrets in it, by a key behind a handle', async () => {
    const schemes = { nvs_keys: 64, hmac: 32 };
    const bench = await Bench.load(
      Object.keys(schemes).flatMap((nvsScheme) => [
        image(nvsScheme, { nvsScheme }),
        image(`list-${nvsScheme}`, { nvsScheme, nvsAction: 'list' }),
      ]),
    );
    const secret = `canary+${randomBytes(12).toString('base64')}`;
    for (const [scheme, length] of Object.entries(schemes)) {
      const key = randomBytes(length);
      const nvs = [{ namespace: 'wifi', key: 'pass', encoding: 'string', handle: handleOf(Buffer.from(secret)) }];
      const before = bench.out.messages.length;
      assert.equal(await bench.failure(scheme, { nvs }), 'BAD_FIELD');
      bench.send(scheme, { nvs, device: { nvsKey: handleOf(Buffer.from(key)) } });
      const built = (await bench.out.many(before + 1))[before];
      const { payload } = built ?? {};
      const device = { nvsKey: handleOf(Buffer.from(key)) };
      bench.send(`list-${scheme}`, { payload, device });
      const listed = (await bench.out.many(before + 2))[before + 1];
      assert.deepEqual(listed?.payload.entries, [
        { namespace: 'wifi', key: 'pass', encoding: 'string', bytes: secret.length },
      ]);
      // Looking used no key up.
      bench.send(`list-${scheme}`, { payload, device });
      await bench.out.many(before + 3);
      const wrong = { payload, device: { nvsKey: handleOf(randomBytes(length)) } };
      assert.equal(await bench.failure(`list-${scheme}`, wrong), 'NVS_WRONG_KEYS');
    }
    assert.equal(spellingOf(secret, [bench.out.messages, bench.caught.messages, helper.log().args]), undefined);
  });

  it('refuses entries that no NVS has, and a size that no partition has', async () => {
    const bench = await Bench.load([image('value', { nvsSize: 'size', nvsSizeType: 'msg' })]);
    const one = { namespace: 'wifi', key: 'x', encoding: 'u8', value: 1 };
    const cases: [object, string][] = [
      [{ size: 0x3001, nvs: [one] }, 'BAD_NVS_SIZE'],
      [{ size: 0x3000, nvs: [{ ...one, value: 300 }] }, 'BAD_NVS_VALUE'],
      [{ size: 0x3000, nvs: [{ ...one, encoding: 'blob', value: Buffer.alloc(20_000) }] }, 'NVS_TOO_SMALL'],
      [{ size: 0x3000, nvs: [one, one] }, 'NVS_DUPLICATE_KEY'],
      [{ size: 0x3000, nvs: [{ key: 'x' }] }, 'BAD_FIELD'],
      [{ size: 0x3000, nvs: [{ ...one, value: 1.5 }] }, 'BAD_FIELD'],
      [{ size: 0x3000, nvs: [{ ...one, encoding: 'string', value: { a: 1 } }] }, 'BAD_FIELD'],
    ];
    for (const [msg, code] of cases) assert.equal(await bench.failure('value', { ...msg }), code);
  });

  it('says of other bytes what they are', async () => {
    const table = parsePartitionCsv(PROVISIONING_4MB_CSV);
    const bench = await Bench.load([image('inspect', { operation: 'inspect' }), image('build')]);
    bench.send('build', { nvs: ENTRIES });
    const nvs = await bench.out.next();
    const bytes = [encodePartitionTable(table), encodeOtadata({ slot: 0, slots: 2 }), nvs.payload, Buffer.alloc(16)];
    for (const payload of bytes) bench.send('inspect', { payload });
    const kinds = (await bench.out.many(5)).slice(1).map(({ payload }) => payload.kind);
    assert.deepEqual(kinds, ['partition-table', 'otadata', 'nvs', 'unknown']);
  });
});
