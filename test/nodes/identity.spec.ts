import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import { type IdentityLayoutName, type NvsEntry, parseNvs, readIdentity } from '../../lib/esp/index.ts';
import { nodePlatform as platform } from '../../lib/esp/node.ts';
import { createHandle, describeHandle, discardHandle } from '../../lib/vault/index.ts';
import { findSocket, type VirtualChip } from '../../lib/virtual/index.ts';
import { authorityById } from '../../nodes/shared/authority.ts';
import { Bench, chipAndPort, type FlowNode, type Msg, unload } from './harness.ts';
import { BROKER, demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

/** Where the provisioning layout has its NVS partition. */
const NVS = { offset: 0x9000, size: 0x6000 };

function chipOf(name: string): VirtualChip {
  const chip = findSocket(name)?.chip;
  assert.ok(chip);
  return chip;
}

async function entriesOn(name: string): Promise<readonly NvsEntry[]> {
  const bytes = chipOf(name).flash.slice(NVS.offset, NVS.offset + NVS.size);
  return (await parseNvs(bytes, { platform })).entries;
}

/** Detect, mint, plan, flash: the line of the bench, on one socket. */
function line(name: string, more: Record<string, Record<string, unknown>> = {}): FlowNode[] {
  const port = `port-${name}`;
  return [
    ...chipAndPort(name, more.chip),
    ...demoAuthority(more.authority),
    { id: 'detect', type: 'keyway-chip', version: 2, port, wires: [['mint'], []], ...more.detect },
    { id: 'mint', type: 'keyway-mint', authority: 'authority', wires: [['plan']], ...more.mint },
    {
      id: 'plan',
      type: 'keyway-flash-plan',
      version: 2,
      source: 'demo',
      mode: 'provisioning',
      identity: 'scadable',
      wires: [['flash']],
      ...more.plan,
    },
    {
      id: 'flash',
      type: 'keyway-flash',
      version: 2,
      port,
      patience: '0',
      wires: [['out'], ['progress']],
      ...more.flash,
    },
  ];
}

async function sent(bench: Bench, id: string, msg: Msg): Promise<Msg> {
  const before = bench.out.messages.length;
  bench.send(id, msg);
  return (await Promise.race([bench.out.many(before + 1), failed(bench)]))[before] as Msg;
}

/** Whatever is caught ends a test that waits for something else. */
async function failed(bench: Bench): Promise<never> {
  const before = bench.caught.messages.length;
  const error = (await bench.caught.many(before + 1))[before]?.error;
  throw new Error(`${error?.code}: ${error?.message}`);
}

const device = { namespace: NAMESPACE };

describe('an identity on its way into a chip', () => {
  freshUserDir();

  it('is minted, flashed and verified: the device awaits its set-up', async () => {
    const bench = await Bench.load(line('id-1'));
    const { payload, identity, device: unit, record } = await sent(bench, 'detect', { device });
    assert.equal(
      payload.steps.every(({ verified }: Msg) => verified),
      true,
    );
    assert.deepEqual([identity.state, unit.state, record.certificate], ['live', 'awaiting-setup', identity.serial]);
    const registry = await deployedRegistry();
    assert.equal((await registry.certificate(identity.serial))?.state, 'live');
    const known = await registry.device({ namespace: NAMESPACE, mac: unit.mac.replaceAll(':', '') });
    assert.deepEqual([known?.state, known?.reason], ['awaiting-setup', `holds the certificate ${identity.serial}`]);
    const { items } = await registry.auditLog({ action: 'device.state' });
    assert.equal(items.length, 2);
    const entries = await entriesOn('id-1');
    assert.deepEqual(readIdentity({ entries }, 'scadable').faults, []);
    const cert = entries.find(({ key }) => key === 'cert')?.value as Uint8Array;
    assert.match(new X509Certificate(Buffer.from(cert)).subject, new RegExp(`^CN=${NAMESPACE}:`));
    const key = Buffer.from(entries.find(({ key: name }) => name === 'key')?.value as Uint8Array).toString();
    assert.match(key, /^-----BEGIN PRIVATE KEY-----\n/);
    // The key is on the chip and nowhere else.
    assert.throws(() => describeHandle(identity.key), { code: 'HANDLE_USED' });
    const seen = JSON.stringify([
      bench.out.messages,
      bench.progress.messages,
      bench.statuses.messages,
      helper.log().args,
    ]);
    assert.equal(seen.includes(key.split('\n')[1] as string), false);
  });

  for (const layout of ['libscadable', 'gateway-esp'] as const satisfies IdentityLayoutName[]) {
    it(`lies as ${layout} reads it`, async () => {
      const bench = await Bench.load(line('id-layout', { plan: { identity: layout, brokerPort: '8884' } }));
      await sent(bench, 'detect', { device });
      const entries = await entriesOn('id-layout');
      assert.deepEqual(readIdentity({ entries }, layout).faults, []);
      const texts = Object.fromEntries(entries.map(({ key, value }) => [key, value]));
      if (layout === 'gateway-esp') assert.deepEqual([texts.mqtt_host, texts.mqtt_port], [BROKER, '8884']);
      else assert.deepEqual([texts.broker_url, texts.namespace_id], [`mqtts://${BROKER}:8884`, NAMESPACE]);
    });
  }

  it('goes beside Wi-Fi credentials, and alone when a certificate is renewed: those stay', async () => {
    const row = (key: string, value: string): object => ({
      ...{ namespace: 'wifi', encoding: 'string', valueType: 'str' },
      ...{ key, value },
    });
    const entries = [row('ssid', 'shop floor'), row('password', 'correct horse')];
    const bench = await Bench.load([
      ...line('id-2', {
        plan: { mode: 'direct', nvs: 'table', entries },
        mint: { replace: 'replace', replaceType: 'msg' },
      }),
      { id: 'remint', type: 'keyway-mint', authority: 'authority', replace: 'true', wires: [['replan']] },
      {
        id: 'replan',
        type: 'keyway-flash-plan',
        version: 2,
        source: 'none',
        identity: 'scadable',
        wires: [['reflash']],
      },
      { id: 'reflash', type: 'keyway-flash', version: 2, port: 'port-id-2', wires: [['out'], []] },
    ]);
    const first = await sent(bench, 'detect', { device });
    assert.equal(await bench.failure('mint', { device: first.device }), 'DEVICE_HAS_LIVE');
    const second = await sent(bench, 'remint', { device: first.device });
    assert.notEqual(second.identity.serial, first.identity.serial);
    const registry = await deployedRegistry();
    assert.deepEqual(
      [
        (await registry.certificate(first.identity.serial))?.state,
        (await registry.certificate(second.identity.serial))?.state,
      ],
      ['revoked', 'live'],
    );
    const now = await entriesOn('id-2');
    const wifi = now.filter(({ namespace }) => namespace === 'wifi').map(({ value }) => value);
    assert.deepEqual(wifi, ['shop floor', 'correct horse']);
    const cert = Buffer.from(now.find(({ key }) => key === 'cert')?.value as Uint8Array);
    assert.equal(new X509Certificate(cert).serialNumber.toLowerCase(), second.identity.serial);
  });

  it('is used again after flashing failed, and the registry says so', async () => {
    const bench = await Bench.load(line('id-3', { mint: { wires: [['out']] } }));
    const msg = await sent(bench, 'detect', { device });
    const { identity } = msg;
    chipOf('id-3').setFault({ kind: 'pull', at: 30_000 });
    bench.send('plan', msg);
    const { error, device: unit, identity: left } = await bench.caught.next();
    assert.deepEqual([left.serial, left.state, unit.state], [identity.serial, 'pending', 'registered']);
    const registry = await deployedRegistry();
    const known = await registry.device({ namespace: NAMESPACE, mac: unit.mac.replaceAll(':', '') });
    assert.equal(known?.state, 'registered');
    assert.match(known?.reason ?? '', new RegExp(`^${error.code}; the certificate ${identity.serial} stays pending`));
    assert.equal((await registry.certificate(identity.serial))?.state, 'pending');
    const [kept] = (await registry.auditLog({ action: 'identity.kept' })).items;
    assert.equal(kept?.subject, identity.serial);
    // The board is plugged in again: the same identity arrives.
    findSocket('id-3')?.plug();
    const again = await sent(bench, 'mint', { device: { namespace: NAMESPACE, mac: unit.mac } });
    assert.deepEqual([again.payload.reused, again.identity.serial], [true, identity.serial]);
    const done = await sent(bench, 'plan', again);
    assert.deepEqual([done.identity.state, done.device.state], ['live', 'awaiting-setup']);
    assert.equal((await registry.certificatesOf(NAMESPACE, known?.mac ?? '')).length, 1);
  });

  it('is revoked after flashing failed when its key is gone', async () => {
    const bench = await Bench.load(line('id-4', { mint: { wires: [['out']] } }));
    const msg = await sent(bench, 'detect', { device });
    discardHandle(msg.identity.key);
    assert.equal(await bench.failure('plan', msg), 'HANDLE_USED');
    const registry = await deployedRegistry();
    assert.equal((await registry.certificate(msg.identity.serial))?.state, 'revoked');
  });

  it('is settled once the registry is there again', async () => {
    const bench = await Bench.load(line('id-5', { mint: { wires: [['out']] } }));
    const msg = await sent(bench, 'detect', { device });
    const { registry } = await authorityById('authority').open();
    const { id } = msg.device;
    await registry.setState(id, 'retired');
    assert.equal(await bench.failure('plan', structuredClone(msg)), 'DEVICE_STATE');
    assert.equal((await registry.certificate(msg.identity.serial))?.state, 'pending');
    await registry.setState(id, 'registered');
    const done = await sent(bench, 'plan', msg);
    assert.deepEqual([done.identity.state, done.device.state], ['live', 'awaiting-setup']);
    // What was written already was left alone.
    assert.ok(done.payload.skipped > 0 || done.payload.steps.some(({ outcome }: Msg) => outcome === 'skipped'));
  });

  it('waits for another attempt when the flow is deployed again in the middle', async () => {
    const flow = line('id-9', { chip: { line: 'paced' } });
    const bench = await Bench.load(flow);
    const first = await deployedRegistry();
    const writing = new Promise<void>((done) => {
      first.subscribe(({ device: known }) => {
        if (known?.state === 'flashing') done();
      });
    });
    bench.send('detect', { device });
    await writing;
    await unload();
    await Bench.load(flow);
    const { registry } = await authorityById('authority').open();
    const [known] = (await registry.devices({ namespace: NAMESPACE })).items;
    assert.equal(known?.state, 'registered');
    const [record, ...more] = await registry.certificatesOf(NAMESPACE, known?.mac ?? '');
    assert.deepEqual([record?.state, more], ['pending', []]);
    assert.equal(known?.reason, `CANCELLED; the certificate ${record?.serial} stays pending: its key waits`);
  });

  it('goes onto its own board alone', async () => {
    const bench = await Bench.load([
      ...line('id-6', { mint: { wires: [['out']] }, flash: { mac: '', macType: 'str', force: 'WRONG_BOARD' } }),
      { id: 'plan-typed', type: 'keyway-flash-plan', source: 'demo', identity: 'scadable', wires: [['typed']] },
      {
        id: 'typed',
        type: 'keyway-flash',
        version: 2,
        port: 'port-id-6',
        mac: '02:00:00:00:00:03',
        macType: 'str',
        wires: [[], []],
      },
    ]);
    const msg = await sent(bench, 'mint', { device: { ...device, mac: '02:00:00:00:00:01' } });
    // Forcing does not help: the certificate says whose it is.
    const planned = structuredClone(msg);
    assert.equal(await bench.failure('plan', msg), 'WRONG_BOARD');
    assert.equal(await bench.failure('plan-typed', planned), 'IDENTITY_ELSEWHERE');
    const registry = await deployedRegistry();
    assert.equal((await registry.certificate(msg.identity.serial))?.state, 'pending');
    const known = await registry.device({ namespace: NAMESPACE, mac: '020000000001' });
    assert.equal(known?.state, 'registered', 'nothing was written');
  });

  it('is encrypted with keys of a partition, which are read back no more than it is', async () => {
    const bench = await Bench.load([
      ...line('id-10', { plan: { nvsScheme: 'nvs_keys' } }),
      { id: 'list', type: 'keyway-chip', operation: 'nvs', port: 'port-id-10', wires: [['out'], []] },
      {
        ...{ id: 'read', type: 'keyway-chip', operation: 'read', port: 'port-id-10', wires: [['out'], []] },
        ...{ offset: '0x8000', size: '0x10000' },
      },
    ]);
    const { identity } = await sent(bench, 'detect', { device });
    assert.equal(identity.state, 'live');
    const { payload } = await sent(bench, 'list', {});
    assert.equal(payload.encrypted, true);
    assert.deepEqual(payload.entries.map(({ key }: Msg) => key).sort(), ['ca', 'cert', 'key']);
    const read = await sent(bench, 'read', {});
    assert.deepEqual([read.payload.secrets, read.payload.nvs[0].encrypted], [['nvs', 'nvs_keys'], true]);
  });

  it('is encrypted with a key that is burnt into the chip, and waits while the chip has none', async () => {
    const burnt = randomBytes(32);
    const handle = (redeemer: string): string =>
      createHandle(Buffer.from(burnt), { kind: 'nvs-key', redeemableBy: [redeemer], expiresInMs: 60_000 });
    const bench = await Bench.load([
      ...line('id-11', { plan: { nvsScheme: 'hmac' } }),
      { id: 'list', type: 'keyway-chip', operation: 'nvs', port: 'port-id-11', wires: [['out'], []] },
      { id: 'burn', type: 'keyway-bench', chip: 'chip-id-11', action: 'burn-hmac-key', wires: [['progress']] },
    ]);
    const unit = (redeemer: string): Msg => ({ device: { ...device, nvsKey: handle(redeemer) } });
    assert.equal(await bench.failure('detect', unit('keyway-flash')), 'NVS_NO_HMAC_KEY');
    const registry = await deployedRegistry();
    const [waiting] = (await registry.certificates({ kind: 'device' })).items;
    assert.equal(waiting?.state, 'pending');
    bench.send('burn', unit('keyway-bench'));
    await bench.completed.next(({ complete }) => complete.source.id === 'burn');
    const { identity, device: known } = await sent(bench, 'detect', unit('keyway-flash'));
    assert.deepEqual([identity.serial, identity.state, known.state], [waiting?.serial, 'live', 'awaiting-setup']);
    const flash = Buffer.from(chipOf('id-11').flash);
    for (const text of ['BEGIN CERTIFICATE', 'PRIVATE KEY', burnt]) assert.equal(flash.includes(text), false);
    const { payload } = await sent(bench, 'list', unit('keyway-chip'));
    assert.equal(payload.encrypted, true);
    assert.deepEqual(payload.entries.map(({ key }: Msg) => key).sort(), ['ca', 'cert', 'key']);
    const { nvsKey: _none, ...without } = known;
    assert.equal(await bench.failure('list', { device: without }), 'BAD_NVS_KEYS');
  });

  it('is not read back but as a handle and a listing, unless that is asked for, and written down', async () => {
    const read = (id: string, more: Record<string, unknown>): FlowNode => ({
      ...{ id, type: 'keyway-chip', operation: 'read', port: 'port-id-8', wires: [['out'], []] },
      ...{ offset: '0x8000', size: '0x10000' },
      ...more,
    });
    const bench = await Bench.load([
      ...line('id-8'),
      read('table', {}),
      read('raw', { raw: true }),
      read('part', { offset: '0xa000', size: '16' }),
      read('apart', { offset: '0x10000', size: '64' }),
      {
        ...{ id: 'reveal', type: 'keyway-secret', operation: 'reveal', property: 'payload.handle', allowReveal: true },
        ...{ kind: 'flash-image', format: 'base64', wires: [['out']] },
      },
    ]);
    await sent(bench, 'detect', { device });
    const entries = await entriesOn('id-8');
    const key = Buffer.from(entries.find(({ key: name }) => name === 'key')?.value as Uint8Array);
    const line1 = key.toString().split('\n')[1] as string;
    const { payload } = await sent(bench, 'table', {});
    assert.deepEqual([payload.offset, payload.size, payload.secrets], [0x8000, 0x10000, ['nvs', 'nvs_keys']]);
    const [{ partition, encrypted, entries: listed }] = payload.nvs;
    assert.deepEqual([partition, encrypted], ['nvs', false]);
    assert.ok(listed.some((one: Msg) => one.namespace === 'scadable_certs' && one.key === 'key' && one.bytes > 200));
    assert.equal(JSON.stringify(bench.out.messages).includes(line1), false);
    const part = await sent(bench, 'part', {});
    assert.deepEqual([part.payload.secrets, part.payload.nvs[0].entries], [['nvs'], []]);
    assert.ok((await sent(bench, 'apart', {})).payload instanceof Uint8Array);
    const revealed = Buffer.from((await sent(bench, 'reveal', { payload })).payload.handle, 'base64');
    assert.equal(revealed.length, 0x10000);
    assert.ok(revealed.includes(line1));
    assert.equal(JSON.stringify(helper.log().args).includes('keyway.flash.read'), false);
    const raw = (await sent(bench, 'raw', {})).payload as Buffer;
    assert.ok(raw.equals(revealed));
    assert.ok(JSON.stringify(helper.log().args).includes('keyway.flash.read'));
  });

  it('needs an identity with a key, and a bootstrap firmware that is there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyway-bootstrap-'));
    try {
      mkdirSync(join(folder, 'empty'));
      const bench = await Bench.load(
        line('id-7', { plan: { source: 'bootstrap', path: 'path', pathType: 'msg', identity: 'none' } }).concat({
          id: 'identity',
          type: 'keyway-flash-plan',
          version: 2,
          source: 'demo',
          identity: 'scadable',
          wires: [['out']],
        }),
      );
      for (const path of [undefined, '', join(folder, 'missing'), join(folder, 'empty')]) {
        assert.equal(await bench.failure('plan', { path, device: { chip: 'ESP32-C3' } }), 'BOOTSTRAP_IMAGE_MISSING');
      }
      for (const identity of [undefined, {}, { chain: 'x', ca: 'y', namespace: 'z' }]) {
        assert.equal(await bench.failure('identity', { identity }), 'NO_IDENTITY');
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
