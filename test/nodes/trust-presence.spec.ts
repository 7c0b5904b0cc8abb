import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DeviceName } from '../../lib/endpoint/index.ts';
import type { Registry } from '../../lib/registry/index.ts';
import { holdPresence } from '../../nodes/shared/trust-presence.ts';
import { NAMESPACE as NAMESPACE_OF_TRUST } from '../lib/endpoint/support.ts';
import { trust } from '../lib/endpoint/trust.ts';
import { Bench } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import { connect, endpointNode, endpointPort, hangUp, holder, OTHER, opened, PLAIN } from './trust-bench.ts';

const OTHER_PLAIN = '6055f90ab1c3';

/** Resolves once the registry has the device in that state, from now or before. */
async function becomes(registry: Registry, device: DeviceName, state: string): Promise<void> {
  let end = (): void => undefined;
  const told = new Promise<void>((resolve) => {
    end = registry.subscribe((event) => {
      const { namespace, mac, state: now } = event.device ?? {};
      if (namespace === device.namespace && mac === device.mac && now === state) resolve();
    });
  });
  if ((await registry.device(device))?.state !== state) await told;
  end();
}

describe('who is online, with several endpoints', function () {
  this.timeout(20_000);
  const userDir = freshUserDir();
  afterEach(hangUp);

  it('a device that goes at one and has come at another stays online', async () => {
    await Bench.load([...demoAuthority(), endpointNode(), endpointNode({ id: 'second' })]);
    const who = await holder();
    const { registry } = await opened();
    const device = { namespace: NAMESPACE, mac: PLAIN };
    const states: string[] = [];
    registry.subscribe(({ topic, device: one }) => topic === 'device.state' && states.push(one?.state ?? ''));
    const first = await connect(await endpointPort(), who);
    const second = await connect(await endpointPort('second'), who);
    await becomes(registry, device, 'online');
    await first.endAsync();
    // What is written of it comes a second later at the most: one that came then is behind it.
    const other = await holder(OTHER);
    const third = await connect(await endpointPort(), other);
    await becomes(registry, { namespace: NAMESPACE, mac: OTHER_PLAIN }, 'online');
    await third.endAsync();
    await becomes(registry, { namespace: NAMESPACE, mac: OTHER_PLAIN }, 'offline');
    assert.equal((await registry.device(device))?.state, 'online');
    await second.endAsync();
    await becomes(registry, device, 'offline');
  });

  it('a restored registry hears anew who is there, and who is not', async () => {
    await Bench.load([...demoAuthority(), endpointNode()]);
    const [who, other] = [await holder(), await holder(OTHER)];
    const { registry } = await opened();
    const [here, gone] = [
      { namespace: NAMESPACE, mac: PLAIN },
      { namespace: NAMESPACE, mac: OTHER_PLAIN },
    ];
    const was = await connect(await endpointPort(), other);
    await becomes(registry, gone, 'online');
    const file = join(userDir(), 'backup.sqlite');
    await registry.backup(file);
    await was.endAsync();
    await becomes(registry, gone, 'offline');
    await connect(await endpointPort(), who);
    await becomes(registry, here, 'online');
    await registry.restore(file);
    await Promise.all([becomes(registry, here, 'online'), becomes(registry, gone, 'offline')]);
  });
});

describe('what a crash left online', () => {
  it('goes offline some time after the start, where its namespace is let in and it did not come back', async () => {
    const all = await trust();
    try {
      const { registry } = all;
      const devices = (await registry.devices({}, { limit: 10 })).items;
      for (const { id } of devices) await registry.setState(id, 'online');
      const [back] = devices.filter(({ namespace }) => namespace === NAMESPACE_OF_TRUST);
      const presence = holdPresence(registry, [NAMESPACE_OF_TRUST], (error) => assert.ifError(error), 5);
      presence.joins({ isOnline: ({ mac }) => mac === back?.mac, sessions: () => [] });
      const [lost] = devices.filter(({ id, namespace }) => namespace === NAMESPACE_OF_TRUST && id !== back?.id);
      await becomes(registry, { namespace: NAMESPACE_OF_TRUST, mac: String(lost?.mac) }, 'offline');
      const states = (await registry.devices({}, { limit: 10 })).items.filter(({ state }) => state === 'online');
      assert.equal(states.length, devices.length - 1);
      await presence.close();
    } finally {
      await all.close();
    }
  });
});
