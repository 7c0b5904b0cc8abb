import assert from 'node:assert/strict';
import { Bench, chipAndPort, type FlowNode, type Msg, unload } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import { endpointNode, estNode, occupy, opened } from './trust-bench.ts';

const device = { namespace: NAMESPACE };

/** Two ports that are free, for services that a chip has to know beforehand. */
async function freePorts(): Promise<[number, number]> {
  const [a, b] = [await occupy(), await occupy()];
  await Promise.all([a.close(), b.close()]);
  return [a.port, b.port];
}

/** A bench line, an endpoint, an EST service, and all that happens there. */
async function flow(row: Record<string, unknown>, chip: Record<string, unknown> = {}): Promise<FlowNode[]> {
  const [broker, est] = await freePorts();
  const application = { broker: `mqtts://127.0.0.1:${broker}`, est: `https://127.0.0.1:${est}`, application: true };
  const namespace = { name: NAMESPACE, broker: '127.0.0.1', rotateHour: '', graceDays: '', ...row };
  const port = 'port-field';
  return [
    ...chipAndPort('field', { ...application, ...chip }),
    ...demoAuthority({ namespaces: [namespace] }),
    endpointNode({ port: String(broker) }),
    estNode({ port: String(est) }),
    { id: 'detect', type: 'keyway-chip', version: 2, port, wires: [['mint'], []] },
    { id: 'mint', type: 'keyway-mint', authority: 'authority', wires: [['image']] },
    // Firmware that looks for its identity.
    { id: 'image', type: 'keyway-image', version: 2, identity: 'scadable', wires: [['plan']] },
    {
      ...{ id: 'plan', type: 'keyway-flash-plan', version: 2, source: 'msg' },
      mode: 'provisioning',
      ...{ identity: 'scadable', wires: [['flash']] },
    },
    { id: 'flash', type: 'keyway-flash', version: 2, port, patience: '0', wires: [['out'], []] },
    { id: 'in', type: 'keyway-endpoint-in', endpoint: 'endpoint', refused: true, cuts: true, wires: [['progress']] },
    { id: 'events', type: 'keyway-est-events', est: 'est', wires: [['progress']] },
    { id: 'revoke', type: 'keyway-revoke', authority: 'authority', wires: [['out']] },
  ];
}

/** Whatever is caught ends a test that waits for something else. */
function orCaught<T>(bench: Bench, wanted: Promise<T>): Promise<T> {
  const caught = bench.caught.next().then(({ error }) => {
    throw new Error(`${error?.code}: ${error?.message}`);
  });
  return Promise.race([wanted, caught]);
}

/** The registry learns of it a moment after the device is online with the new one. */
async function superseded(serial: string): Promise<void> {
  const { registry } = await opened();
  const told = new Promise<void>((resolve) => {
    const end = registry.subscribe(({ topic, subject }) => {
      if (topic !== 'certificate.superseded' || subject !== serial) return;
      end();
      resolve();
    });
  });
  if ((await registry.certificate(serial))?.state !== 'superseded') await told;
}

const serialOf = (msg: Msg): string => String(msg.payload.serial);

describe('a chip in the field', function () {
  this.timeout(30_000);
  freshUserDir();

  it('connects with what it was flashed with, and renews by itself', async () => {
    const short = { validity: '40', validityUnit: 'seconds', rotateBy: 'fraction', rotateFraction: '0.05' };
    const bench = await Bench.load(await flow(short, { renewPart: '0.05' }));
    bench.send('detect', { device });
    const { identity, device: unit } = await orCaught(bench, bench.out.next());
    const online = await bench.progress.next((msg) => msg.topic === 'endpoint/online');
    assert.deepEqual([serialOf(online), online.device.mac], [identity.serial, unit.mac]);
    const presence = await bench.progress.next((msg) => msg.topic === 'endpoint/message');
    assert.deepEqual([presence.endpoint.topic, presence.payload], ['presence', 'online']);
    const renewed = await bench.progress.next((msg) => msg.topic === 'est/reenrolled');
    assert.equal(renewed.payload.previous, identity.serial);
    const back = await bench.progress.next(
      (msg) => msg.topic === 'endpoint/online' && serialOf(msg) === serialOf(renewed),
    );
    assert.equal(back.device.mac, unit.mac);
    await superseded(identity.serial);
  });

  it('is cut when it is revoked, refused after, and online again once it is flashed', async () => {
    const bench = await Bench.load(await flow({}));
    bench.send('detect', { device });
    const flashed = await orCaught(bench, bench.out.next());
    await bench.progress.next((msg) => msg.topic === 'endpoint/online');
    bench.send('revoke', { device: flashed.device });
    const revoked = await orCaught(
      bench,
      bench.out.next((msg) => msg.topic === 'revoke/done'),
    );
    assert.deepEqual([revoked.payload.serials, revoked.payload.cut], [[flashed.identity.serial], 1]);
    await bench.progress.next((msg) => msg.topic === 'endpoint/cut');
    const refused = await bench.progress.next((msg) => msg.topic === 'endpoint/refused');
    assert.equal(refused.payload.code, 'CERT_REVOKED');
    bench.send('detect', { device });
    const [, again] = await orCaught(
      bench,
      bench.out.many(2, (msg) => msg.topic === 'flash/done'),
    );
    assert.ok(again);
    await bench.progress.next(
      (msg) => msg.topic === 'endpoint/online' && serialOf(msg) === String(again.identity.serial),
    );
    assert.notEqual(again.identity.serial, flashed.identity.serial);
  });

  it('says what of its application is set up wrongly', async () => {
    for (const wrong of [{ broker: 'mqtt://127.0.0.1' }, { renewPart: '2' }]) {
      const bench = await Bench.load([
        ...chipAndPort('wrong', { application: true, ...wrong }),
        { id: 'detect', type: 'keyway-chip', version: 2, port: 'port-wrong', wires: [['out'], []] },
      ]);
      // A chip that cannot be built is not there.
      assert.equal(await bench.failure('detect', {}), 'PORT_NOT_SET');
      await unload();
    }
  });
});
