import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import helper from 'node-red-node-test-helper';
import { buildNvs, type NvsEntry, parseNvs } from '../../lib/esp/index.ts';
import { nodePlatform as platform } from '../../lib/esp/node.ts';
import { createHandle, describeHandle, isHandle } from '../../lib/vault/index.ts';
import { findSocket, type VirtualChip } from '../../lib/virtual/index.ts';
import { refuseInClear, splitForce } from '../../nodes/keyway-flash/secrets.ts';
import { spellingOf } from '../support/canary.ts';
import { Bench, chipAndPort, type FlowNode, type Msg, unload } from './harness.ts';

/** Where the demo layout has its NVS partition. */
const NVS = { offset: 0x9000, size: 0x6000 };
const OLD: NvsEntry[] = [
  { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'shop floor' },
  { namespace: 'scadable_certs', key: 'cert', encoding: 'string', value: 'the old one' },
];

const canary = (): string => `canary+${randomBytes(12).toString('base64')}`;

function chipOf(name: string): VirtualChip {
  const chip = findSocket(name)?.chip;
  assert.ok(chip);
  return chip;
}

function line(name: string, plan: Record<string, unknown>, flash: Record<string, unknown> = {}): FlowNode[] {
  return [
    ...chipAndPort(name, { start: 'demo' }),
    { id: 'plan', type: 'keyway-flash-plan', version: 2, wires: [['flash']], ...plan },
    { id: 'flash', type: 'keyway-flash', version: 2, port: `port-${name}`, wires: [['out'], ['progress']], ...flash },
  ];
}

/** A row of the table, its value from where the type says. */
function row(place: string, encoding: string, value: string, valueType = 'str'): Record<string, string> {
  const [namespace = '', key = ''] = place.split('/');
  return { namespace, key, encoding, value, valueType };
}

async function nvsOn(name: string): Promise<Record<string, unknown>> {
  const bytes = chipOf(name).flash.slice(NVS.offset, NVS.offset + NVS.size);
  const { entries } = await parseNvs(bytes, { platform });
  return Object.fromEntries(
    entries.map(({ namespace, key, value }) => [
      `${namespace}/${key}`,
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    ]),
  );
}

/** Everything that can be seen of a flow from outside. */
function seen(bench: Bench): unknown[] {
  const { out, progress, caught, statuses, completed } = bench;
  return [out, progress, caught, statuses, completed]
    .map(({ messages }) => messages)
    .concat(helper.log().args as never);
}

function logged(): string {
  return JSON.stringify(helper.log().args);
}

describe('NVS on its way to a chip', () => {
  afterEach(unload);

  it('takes a secret from its handle to the chip, and nowhere else', async () => {
    const bench = await Bench.load([
      {
        id: 'store',
        type: 'keyway-secret',
        property: 'identity.key',
        kind: 'private-key',
        redeemer: 'keyway-flash',
        wires: [['plan']],
      },
      ...line('nvs-secret', {
        source: 'demo',
        nvs: 'table',
        nvsMode: 'replace',
        entries: [
          row('wifi/ssid', 'string', 'shop floor'),
          row('wifi/channel', 'u8', 'channel', 'msg'),
          row('scadable_certs/key', 'blob0', 'identity.key', 'msg'),
        ],
      }),
    ]);
    const secret = canary();
    bench.send('store', { identity: { key: Buffer.from(secret) }, channel: 11, device: { serial: 'A7' } });
    const msg = await bench.out.next();
    assert.deepEqual(await nvsOn('nvs-secret'), {
      'wifi/ssid': 'shop floor',
      'wifi/channel': 11,
      'scadable_certs/key': `${secret}\0`,
    });
    assert.ok(isHandle(msg.identity.key));
    assert.equal(spellingOf(secret, seen(bench)), undefined);
    assert.match(logged(), /keyway\.secret\.flashed/);
    assert.equal(msg.record.serial, 'A7');
    assert.equal(await bench.failure('plan', { identity: { key: msg.identity.key }, channel: 1 }), 'HANDLE_USED');
  });

  it('gives a secret back when the job fails, and lets nobody else have it', async () => {
    const entries = [row('scadable_certs/key', 'blob', 'key', 'msg')];
    const bench = await Bench.load(line('nvs-back', { source: 'none', nvs: 'table', entries }));
    const terms = { kind: 'private-key', redeemableBy: ['keyway-flash'], expiresInMs: 60_000 };
    const secret = canary();
    const key = createHandle(Buffer.from(secret), terms);
    assert.equal(await bench.failure('plan', { key, device: { mac: '02:00:00:00:00:01' } }), 'WRONG_BOARD');
    assert.equal(describeHandle(key).inUseBy, undefined);
    const other = createHandle(Buffer.from('x'), { ...terms, redeemableBy: ['keyway-secret'] });
    assert.equal(await bench.failure('plan', { key: other }), 'HANDLE_NOT_FOR_YOU');
    assert.match(logged(), /keyway\.secret\.denied/);
    const theirs = createHandle(Buffer.from('x'), { ...terms, namespace: 'shop' });
    assert.equal(await bench.failure('plan', { key: theirs }), 'HANDLE_NOT_FOR_YOU');
    bench.send('plan', { key });
    const msg = await bench.out.next();
    assert.deepEqual(
      msg.payload.steps.map((step: Msg) => [step.name, step.outcome]),
      [['nvs', 'patched']],
    );
    assert.equal((await nvsOn('nvs-back'))['scadable_certs/key'], secret);
    assert.equal(spellingOf(secret, seen(bench)), undefined);
    bench.send('plan', { key: theirs, device: { namespace: 'shop' } });
    await bench.out.many(2);
  });

  it('replaces one NVS namespace and keeps the Wi-Fi, and leaves alone what is right already', async () => {
    const bench = await Bench.load(
      line('nvs-merge', { source: 'demo', nvs: 'value', nvsValue: 'entries', nvsValueType: 'msg' }),
    );
    chipOf('nvs-merge').flash.set(await buildNvs(OLD, { size: NVS.size, platform }), NVS.offset);
    const entries = [{ namespace: 'scadable_certs', key: 'cert', encoding: 'string', value: 'the new one' }];
    bench.send('plan', { entries });
    const first = await bench.out.next();
    assert.deepEqual(await nvsOn('nvs-merge'), { 'wifi/ssid': 'shop floor', 'scadable_certs/cert': 'the new one' });
    const outcomes = (msg: Msg | undefined) =>
      Object.fromEntries(msg?.payload.steps.map((step: Msg) => [step.name, step.outcome]));
    assert.equal(outcomes(first).nvs, 'patched');
    bench.send('plan', { entries });
    const [, second] = await bench.out.many(2);
    assert.deepEqual(new Set(Object.values(outcomes(second))), new Set(['skipped']));
    assert.ok(second?.payload.steps.every((step: Msg) => step.written === 0 && step.verified));
    bench.send('plan', { entries: 'key,type,encoding,value\nscadable_certs,namespace,,\ncert,data,string,from CSV\n' });
    await bench.out.many(3);
    assert.deepEqual(await nvsOn('nvs-merge'), { 'wifi/ssid': 'shop floor', 'scadable_certs/cert': 'from CSV' });
  });

  it('is encrypted with keys that only the chip has, and is listed without its values', async () => {
    const bench = await Bench.load([
      ...line('nvs-keys', {
        source: 'demo',
        nvs: 'table',
        nvsScheme: 'nvs_keys',
        entries: [row('wifi/pass', 'string', 'pass', 'msg')],
      }),
      { id: 'list', type: 'keyway-chip', operation: 'nvs', port: 'port-nvs-keys', wires: [['out'], []] },
      { id: 'raw', type: 'keyway-chip', operation: 'nvs', raw: true, port: 'port-nvs-keys', wires: [['out'], []] },
    ]);
    const secret = canary();
    const terms = { kind: 'wifi-password', redeemableBy: ['keyway-flash'], expiresInMs: 60_000 };
    bench.send('plan', { pass: createHandle(Buffer.from(secret), terms) });
    await bench.out.next();
    assert.ok(!Buffer.from(chipOf('nvs-keys').flash.subarray(NVS.offset, 0xf000)).includes(secret));
    bench.send('list', {});
    const [, listed] = await bench.out.many(2);
    const { partition, encrypted, entries } = listed?.payload ?? {};
    assert.deepEqual([listed?.topic, partition, encrypted], ['chip/nvs', 'nvs', true]);
    assert.deepEqual(entries, [{ namespace: 'wifi', key: 'pass', encoding: 'string', bytes: secret.length }]);
    assert.ok(listed?.device.partitions.some((one: Msg) => one.label === 'nvs_keys'));
    assert.equal(spellingOf(secret, seen(bench)), undefined);
    assert.doesNotMatch(logged(), /keyway\.nvs\.read/);
    bench.send('raw', {});
    const [, , shown] = await bench.out.many(3);
    assert.equal(shown?.payload.entries[0].value, secret);
    assert.match(logged(), /keyway\.nvs\.read/);
    assert.equal(spellingOf(secret, helper.log().args), undefined);
  });

  it('is encrypted with a key that is burnt into the chip', async () => {
    const hmac = randomBytes(32);
    const handle = (redeemer: string): string =>
      createHandle(Buffer.from(hmac), { kind: 'nvs-key', redeemableBy: [redeemer], expiresInMs: 60_000 });
    const bench = await Bench.load([
      ...line('nvs-hmac', {
        source: 'none',
        nvs: 'table',
        nvsMode: 'replace',
        nvsScheme: 'hmac',
        entries: [row('wifi/pass', 'string', 'plain words')],
      }),
      { id: 'list', type: 'keyway-chip', operation: 'nvs', raw: true, port: 'port-nvs-hmac', wires: [['out'], []] },
      { id: 'burn', type: 'keyway-bench', chip: 'chip-nvs-hmac', action: 'burn-hmac-key', wires: [['progress']] },
    ]);
    assert.equal(await bench.failure('plan', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('plan', { device: { nvsKey: randomBytes(32) } }), 'BAD_FIELD');
    // A chip without the key could not read what would be written.
    assert.equal(await bench.failure('plan', { device: { nvsKey: handle('keyway-flash') } }), 'NVS_NO_HMAC_KEY');
    bench.send('burn', { device: { nvsKey: handle('keyway-bench') } });
    await bench.completed.next(({ complete }) => complete.source.id === 'burn');
    bench.send('plan', { device: { nvsKey: handle('keyway-flash') } });
    await bench.out.next();
    bench.send('list', { device: { nvsKey: handle('keyway-chip') } });
    const [, listed] = await bench.out.many(2);
    assert.deepEqual([listed?.payload.encrypted, listed?.payload.entries[0].value], [true, 'plain words']);
    const wrong = createHandle(randomBytes(32), { kind: 'k', redeemableBy: ['keyway-chip'], expiresInMs: 60_000 });
    assert.equal(await bench.failure('list', { device: { nvsKey: wrong } }), 'NVS_WRONG_KEYS');
    assert.equal(spellingOf(hmac.toString('latin1'), seen(bench)), undefined);
  });

  it('is refused before a port is opened when it cannot be right', async () => {
    const cases: Record<string, [Record<string, unknown>, string]> = {
      key: [{ entries: [row('wifi/a-key-that-is-far-too-long', 'string', 'x')] }, 'BAD_NVS_KEY'],
      namespace: [{ entries: [row('a-namespace-too-long/x', 'string', 'x')] }, 'BAD_NVS_NAMESPACE'],
      range: [{ entries: [row('wifi/x', 'u8', '256')] }, 'BAD_NVS_VALUE'],
      twice: [{ entries: [row('wifi/x', 'u8', '1'), row('wifi/x', 'u8', '2')] }, 'NVS_DUPLICATE_KEY'],
      number: [{ entries: [row('wifi/x', 'u8', 'one')] }, 'BAD_FIELD'],
      encoding: [{ entries: [row('wifi/x', 'float', '1')] }, 'BAD_FIELD'],
      missing: [{ entries: [row('wifi/x', 'string', 'nowhere', 'msg')] }, 'BAD_FIELD'],
      expression: [{ entries: [row('wifi/x', 'string', '$(', 'jsonata')] }, 'BAD_EXPRESSION'],
      keep: [{ source: 'demo', keep: 'nvs', entries: [row('wifi/x', 'u8', '1')] }, 'KEEPS_TOUCHED'],
      partition: [{ source: 'demo', partition: 'nowhere', entries: [row('wifi/x', 'u8', '1')] }, 'NO_SUCH_PARTITION'],
      size: [{ nvsOffset: '0x9000', nvsSize: '0x1001', entries: [row('wifi/x', 'u8', '1')] }, 'BAD_SIZE'],
      csv: [{ nvs: 'value', nvsValue: 'a,b', nvsValueType: 'str' }, 'BAD_NVS_CSV'],
      file: [
        {
          nvs: 'value',
          nvsValue: 'key,type,encoding,value\nw,namespace,,\nk,file,string,/etc/hosts',
          nvsValueType: 'str',
        },
        'BAD_FIELD',
      ],
      list: [{ nvs: 'value', nvsValue: 'nothing', nvsValueType: 'msg' }, 'BAD_FIELD'],
    };
    const nodes = Object.entries(cases).map(([id, [fields]]) => ({
      id,
      type: 'keyway-flash-plan',
      version: 2,
      source: 'none',
      nvs: 'table',
      wires: [['out']],
      ...fields,
    }));
    const bench = await Bench.load(nodes);
    const found: Record<string, string> = {};
    for (const id of Object.keys(cases)) found[id] = await bench.failure(id, {});
    assert.deepEqual(found, Object.fromEntries(Object.entries(cases).map(([id, [, code]]) => [id, code])));
    assert.deepEqual(bench.out.messages, []);
  });

  it('does not cross a network in clear with secrets, unless that is forced', () => {
    const info = { address: 'rfc2217://bench:4000', name: 'bench', kind: 'rfc2217', hasControlLines: true } as const;
    const remote = { ...info, hasBaudControl: true, isLocal: false };
    assert.throws(() => refuseInClear(remote, ['h'], false), { code: 'SECRET_IN_CLEAR' });
    for (const [link, handles, forced] of [
      [remote, [], false],
      [remote, ['h'], true],
      [{ ...remote, isLocal: true }, ['h'], false],
    ] as const)
      refuseInClear(link, handles, forced);
    assert.deepEqual(splitForce(['SECRET_IN_CLEAR', 'WRONG_CHIP']), { force: ['WRONG_CHIP'], inClear: true });
  });
});
