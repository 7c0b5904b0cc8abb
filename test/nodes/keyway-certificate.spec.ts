import assert from 'node:assert/strict';
import { Bench, type FlowNode, type Msg } from './harness.ts';
import { BROKER, demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

const MAC = '60:55:f9:0a:b1:c2';
const device = { namespace: NAMESPACE, mac: MAC };

const node = (id: string, type: string, more: Record<string, unknown>): FlowNode => ({
  id,
  type,
  wires: [['out']],
  ...more,
});

const nodes = (more: Record<string, unknown> = {}): FlowNode[] => [
  ...demoAuthority(),
  node('mint', 'keyway-mint', { authority: 'authority' }),
  node('list', 'keyway-certificate', {
    registry: 'registry',
    mac: 'mac',
    macType: 'msg',
    states: 'states',
    statesType: 'msg',
    ...more,
  }),
  node('soon', 'keyway-certificate', { registry: 'registry', operation: 'expiring', days: 'days', daysType: 'msg' }),
  node('inspect', 'keyway-certificate', { operation: 'inspect' }),
];

async function asked(bench: Bench, id: string, msg: Msg): Promise<Msg> {
  const before = bench.out.messages.length;
  bench.send(id, msg);
  return (await bench.out.many(before + 1))[before] as Msg;
}

describe('keyway-certificate', () => {
  freshUserDir();

  it('lists certificates by namespace, device and state', async () => {
    const bench = await Bench.load(nodes({ limit: '2' }));
    const serials: string[] = [];
    for (const last of ['c2', 'c3', 'c4']) {
      const msg = await asked(bench, 'mint', { device: { ...device, mac: `60:55:f9:0a:b1:${last}` } });
      serials.push(msg.identity.serial);
    }
    const registry = await deployedRegistry();
    await registry.markLive(serials[1] as string);
    await registry.revoke(serials[2] as string, 1, Date.now());
    const first = await asked(bench, 'list', { device: { namespace: NAMESPACE } });
    assert.equal(first.payload.length, 2);
    const rest = await asked(bench, 'list', { next: first.next });
    assert.deepEqual([rest.payload.length, rest.next, rest.topic], [1, null, 'certificate/list']);
    const all = [...first.payload, ...rest.payload] as Msg[];
    assert.deepEqual(all.map(({ serial }) => serial).sort(), [...serials].sort());
    const of = (serial: string | undefined): Msg => all.find((one) => one.serial === serial) as Msg;
    const { state, mac, namespace, kind, daysLeft } = of(serials[0]);
    assert.deepEqual([state, mac, namespace, kind, Math.round(daysLeft)], ['pending', MAC, NAMESPACE, 'device', 7]);
    assert.deepEqual([of(serials[2]).state, of(serials[2]).reason], ['revoked', 1]);
    const live = await asked(bench, 'list', { states: 'live' });
    assert.deepEqual(
      live.payload.map(({ serial }: Msg) => serial),
      [serials[1]],
    );
    const one = await asked(bench, 'list', { device, mac: '6055F90AB1C4', states: ['revoked', 'live'] });
    assert.deepEqual(
      one.payload.map(({ serial }: Msg) => serial),
      [serials[2]],
    );
    assert.equal(await bench.failure('list', { states: 'lively' }), 'BAD_FIELD');
    assert.equal(await bench.failure('list', { mac: MAC }), 'BAD_NAMESPACE');
    assert.equal(await bench.failure('list', { next: 'nowhere' }), 'BAD_PAGE');
  });

  it('finds live ones that end soon', async () => {
    const bench = await Bench.load(nodes());
    const { identity } = await asked(bench, 'mint', { device });
    assert.deepEqual((await asked(bench, 'soon', { days: 8 })).payload, []);
    await (await deployedRegistry()).markLive(identity.serial);
    assert.deepEqual((await asked(bench, 'soon', { days: 6.5 })).payload, []);
    const { payload, topic } = await asked(bench, 'soon', { days: 7.1 });
    assert.deepEqual([topic, payload.length, payload[0].serial], ['certificate/expiring', 1, identity.serial]);
    for (const days of ['', 0, -1, 'soon', undefined]) assert.equal(await bench.failure('soon', { days }), 'BAD_FIELD');
  });

  it('says what stands in a certificate and in a chain', async () => {
    const bench = await Bench.load(nodes());
    const { identity } = await asked(bench, 'mint', { device });
    const { payload } = await asked(bench, 'inspect', { payload: identity.certificate });
    assert.deepEqual(
      [payload.serial, payload.commonName, payload.alternativeNames, payload.purposes, payload.authority],
      [identity.serial, `${NAMESPACE}:6055f90ab1c2`, [`dns:${BROKER}`], ['clientAuth'], false],
    );
    assert.deepEqual([payload.notAfter, payload.key], [identity.notAfter, 'P-256']);
    assert.match(payload.fingerprint, /^[0-9a-f]{64}$/);
    const chain = await asked(bench, 'inspect', { payload: Buffer.from(identity.ca) });
    assert.deepEqual(
      chain.payload.map(({ authority }: Msg) => authority),
      [true, true],
    );
    const der = Buffer.from(identity.certificate.split('\n').slice(1, -2).join(''), 'base64');
    assert.equal((await asked(bench, 'inspect', { payload: der })).payload.serial, identity.serial);
    assert.equal(await bench.failure('inspect', { payload: '' }), 'BAD_FIELD');
    assert.equal(await bench.failure('inspect', { payload: 'no certificate' }), 'BAD_FIELD');
    assert.equal(await bench.failure('inspect', { payload: der.subarray(0, 100) }), 'BAD_CERTIFICATE');
    assert.equal(await bench.failure('inspect', { payload: '-----BEGIN CERTIFICATE-----\nMIIB' }), 'BAD_PEM');
  });
});
