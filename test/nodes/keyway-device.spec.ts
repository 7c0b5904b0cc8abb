import assert from 'node:assert/strict';
import { operations } from '../../nodes/keyway-device/config.ts';
import { Bench, type FlowNode, type Msg } from './harness.ts';
import { demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

const MAC = '60:55:f9:0a:b1:c2';

const nodes = (more: Record<string, Record<string, unknown>> = {}): FlowNode[] => [
  ...demoAuthority(),
  ...operations.map((operation) => ({
    id: operation,
    type: 'keyway-device',
    registry: 'registry',
    operation,
    wires: [['out']],
    ...more[operation],
  })),
];

async function asked(bench: Bench, id: string, msg: Msg): Promise<Msg> {
  const before = bench.out.messages.length;
  bench.send(id, msg);
  return (await bench.out.many(before + 1))[before] as Msg;
}

/** Loads the flow once the namespace is there. */
async function load(more: Record<string, Record<string, unknown>> = {}): Promise<Bench> {
  const bench = await Bench.load(nodes(more));
  const { authorityById } = await import('../../nodes/shared/authority.ts');
  await authorityById('authority').open();
  return bench;
}

describe('keyway-device', () => {
  freshUserDir();

  it('tells the history of a device, newest first, and of nobody else', async () => {
    const bench = await load({ retire: { reason: 'broken' } });
    const device = { namespace: NAMESPACE, mac: MAC };
    const other = { namespace: NAMESPACE, mac: '60:55:f9:0a:b1:c3' };
    await asked(bench, 'add', { device });
    await asked(bench, 'add', { device: other });
    await asked(bench, 'retire', { device });
    const registry = await deployedRegistry();
    const refused = {
      action: 'endpoint.refused',
      namespace: NAMESPACE,
      subject: 'ab'.repeat(16),
      outcome: 'denied',
    } as const;
    await registry.audit({ ...refused, detail: { code: 'CERT_EXPIRED', device: MAC.replaceAll(':', '') } });
    const told = await asked(bench, 'history', { device: { ...device, mac: MAC.toUpperCase() } });
    assert.equal(told.topic, 'device/history');
    assert.deepEqual(
      told.payload.map(({ action }: Msg) => action),
      ['endpoint.refused', 'device.state', 'device.added'],
    );
    assert.equal(told.payload[0].detail.code, 'CERT_EXPIRED');
    assert.ok(told.payload.every(({ time }: Msg) => Date.parse(time) > 0));
    const all = await asked(bench, 'history', { device: { namespace: NAMESPACE } });
    assert.equal(all.payload.filter(({ action }: Msg) => action === 'device.added').length, 2);
    assert.equal(await bench.failure('history', { device: { ...device, mac: 'nonsense' } }), 'BAD_MAC');
  });

  it('adds a device, finds it, changes it, retires it and takes it back', async () => {
    const bench = await load({ retire: { reason: 'broken' } });
    const unit = { namespace: NAMESPACE, mac: MAC.toUpperCase(), serial: 'A-17', port: 'bench-1' };
    const added = await asked(bench, 'add', {
      device: { ...unit, labels: ['north', 'batch 7'], attributes: { site: 'north' } },
      kept: 1,
    });
    assert.deepEqual([added.topic, added.kept, added.device.port], ['device/added', 1, 'bench-1']);
    const { id, stateSince, created, changed, ...facts } = added.payload;
    assert.deepEqual(facts, {
      namespace: NAMESPACE,
      mac: MAC,
      serial: 'A-17',
      name: null,
      profile: null,
      labels: ['batch 7', 'north'],
      attributes: { site: 'north' },
      state: 'registered',
      reason: null,
    });
    for (const time of [stateSince, created, changed]) assert.ok(Date.parse(time) > 0);
    const bySerial = await asked(bench, 'get', { device: { namespace: NAMESPACE, serial: 'A-17' } });
    assert.deepEqual([bySerial.payload.id, bySerial.device.mac, bySerial.device.id], [id, MAC, id]);
    const named = await asked(bench, 'update', {
      device: { namespace: NAMESPACE, mac: MAC, name: 'front door', attributes: { site: null, floor: 2 } },
    });
    assert.deepEqual(
      [named.payload.name, named.payload.serial, named.payload.attributes, named.payload.labels],
      ['front door', 'A-17', { floor: 2 }, ['batch 7', 'north']],
    );
    const byName = await asked(bench, 'get', { device: { namespace: NAMESPACE, name: 'front door' } });
    assert.equal(byName.payload.id, id);
    const retired = await asked(bench, 'retire', { device: { namespace: NAMESPACE, mac: MAC } });
    assert.deepEqual([retired.payload.state, retired.payload.reason], ['retired', 'broken']);
    const back = await asked(bench, 'restore', { device: { namespace: NAMESPACE, mac: MAC } });
    assert.deepEqual([back.topic, back.device.state], ['device/restored', 'registered']);
    for (const state of ['online', 'offline']) {
      const told = await asked(bench, state, { device: { namespace: NAMESPACE, mac: MAC } });
      assert.deepEqual([told.topic, told.payload.state], [`device/${state}`, state]);
    }
    await bench.status('restore', ({ fill, text }) => fill === 'green' && text === 'registered');
  });

  it('lists devices in pieces and by what they are', async () => {
    const bench = await load({
      list: { limit: '2', search: 'search', searchType: 'msg', states: 'state', statesType: 'msg' },
    });
    const registry = await deployedRegistry();
    for (const name of ['a1', 'a2', 'a3', 'b1']) await registry.addDevice({ namespace: NAMESPACE, name });
    const names = ({ payload }: Msg): string[] => payload.map(({ name }: Msg) => name);
    const first = await asked(bench, 'list', { search: 'a' });
    assert.deepEqual([names(first), typeof first.next], [['a1', 'a2'], 'string']);
    const second = await asked(bench, 'list', { search: 'a', next: first.next });
    assert.deepEqual([names(second), second.next], [['a3'], null]);
    assert.deepEqual(names(await asked(bench, 'list', { search: 'b', device: { namespace: NAMESPACE } })), ['b1']);
    assert.deepEqual(names(await asked(bench, 'list', { state: 'retired, online' })), []);
    assert.equal(await bench.failure('list', { next: {} }), 'BAD_FIELD');
  });

  it('imports all or nothing, and says in a dry run which lines are wrong', async () => {
    const bench = await load({
      import: { dryRun: 'dry', dryRunType: 'msg' },
      list: { namespace: '', namespaceType: 'str' },
    });
    const wrong = [
      'mac;name;labels;attribute:site',
      `${MAC};one;a|b;north`,
      '60:55:f9:0a:b1;two;;',
      '6055.f90a.b1c2;three;;',
      '60-55-f9-0a-b1-c3;four;;',
    ].join('\n');
    const device = { namespace: NAMESPACE };
    const dry = await asked(bench, 'import', { device, payload: wrong, dry: true });
    assert.equal(dry.topic, 'device/dry-run');
    assert.deepEqual([dry.payload.devices, dry.payload.dryRun], [4, true]);
    assert.deepEqual(
      dry.payload.problems.map(({ line, code }: Msg) => [line, code]),
      [
        [3, 'BAD_MAC'],
        [4, 'DEVICE_EXISTS'],
      ],
    );
    assert.equal(await bench.failure('import', { device, payload: wrong }), 'IMPORT_REFUSED');
    assert.deepEqual((await asked(bench, 'list', {})).payload, []);
    const right = Buffer.from(`namespace,mac,name\r\n${NAMESPACE},${MAC},one\r\n,60-55-F9-0A-B1-C3,four\r\n`);
    const done = await asked(bench, 'import', { device, payload: right });
    assert.deepEqual([done.topic, done.payload.added, done.payload.problems], ['device/imported', 2, []]);
    assert.deepEqual(
      (await asked(bench, 'list', {})).payload.map(({ mac }: Msg) => mac),
      [MAC, '60:55:f9:0a:b1:c3'],
    );
    for (const payload of [undefined, 7, {}]) {
      assert.equal(await bench.failure('import', { device, payload }), 'BAD_FIELD');
    }
    assert.equal(await bench.failure('import', { device, payload: 'mac\n"torn' }), 'BAD_IMPORT');
  });

  it('refuses what is wrong', async () => {
    const bench = await load();
    const device = { namespace: NAMESPACE, mac: MAC };
    const cases: [string, Msg, string][] = [
      ['get', {}, 'BAD_FIELD'],
      ['get', { device: { namespace: NAMESPACE } }, 'BAD_FIELD'],
      ['get', { device: { ...device, mac: 'zz' } }, 'BAD_MAC'],
      ['get', { device: { ...device, namespace: 'ä' } }, 'BAD_NAMESPACE'],
      ['get', { device }, 'DEVICE_UNKNOWN'],
      ['add', { device: { ...device, namespace: 'other' } }, 'NAMESPACE_UNKNOWN'],
      ['add', { device: { ...device, profile: 'none' } }, 'PROFILE_UNKNOWN'],
      ['add', { device: { ...device, attributes: [] } }, 'BAD_FIELD'],
      ['add', { device: { ...device, name: 'a\nb' } }, 'BAD_DEVICE'],
      ['restore', { device }, 'DEVICE_UNKNOWN'],
    ];
    for (const [id, msg, code] of cases) {
      assert.equal(await bench.failure(id, msg), code, `${id} ${JSON.stringify(msg)}`);
    }
    await asked(bench, 'add', { device });
    assert.equal(await bench.failure('add', { device }), 'DEVICE_EXISTS');
  });
});
