import assert from 'node:assert/strict';
import { type Judge, registryPresence, settlePresence } from '../../../lib/endpoint/index.ts';
import type { Registry, RegistryEvent } from '../../../lib/registry/index.ts';
import { type Bench, MAC, NAMESPACE, OTHER_MAC } from './support.ts';
import { type Trust, trust } from './trust.ts';

describe('endpoint: who is online, in the registry', () => {
  let all: Trust;
  let bench: Bench<Judge> | undefined;
  beforeEach(async () => {
    all = await trust();
  });
  afterEach(async () => {
    await bench?.close();
    bench = undefined;
    await all?.close();
  });

  /** Resolves with the next change of a device to that state. */
  const until = (registry: Registry, state: string): Promise<RegistryEvent> =>
    new Promise((resolve) => {
      const stop = registry.subscribe((event) => {
        if (event.topic !== 'device.state' || event.device?.state !== state) return;
        stop();
        resolve(event);
      });
    });
  const stateOf = async (mac: string): Promise<string | undefined> =>
    (await all.registry.device({ namespace: NAMESPACE, mac }))?.state;

  it('a device goes online and offline, with the reason', async () => {
    bench = await all.bench({ presence: registryPresence(all.registry) });
    const online = until(all.registry, 'online');
    const raw = await (await bench.raw(all.device)).in();
    assert.equal((await online).device?.mac, MAC);
    assert.notEqual(await stateOf(OTHER_MAC), 'online');
    const offline = until(all.registry, 'offline');
    raw.socket.destroy();
    assert.equal((await offline).device?.reason, 'connection lost');
  });

  it('when the endpoint closes, all are offline before it is closed', async () => {
    bench = await all.bench({ presence: registryPresence(all.registry) });
    const online = until(all.registry, 'online');
    await (await bench.raw(all.device)).in();
    await online;
    await bench.endpoint.close();
    assert.equal(await stateOf(MAC), 'offline');
  });

  it('what was online when the endpoint was lost, and did not come back, goes offline', async () => {
    for (const mac of [MAC, OTHER_MAC]) {
      const device = await all.registry.device({ namespace: NAMESPACE, mac });
      await all.registry.setState(device?.id as string, 'online');
    }
    bench = await all.bench();
    await (await bench.raw(all.other)).in();
    assert.equal(await settlePresence(all.registry, [bench.endpoint]), 1);
    assert.deepEqual([await stateOf(MAC), await stateOf(OTHER_MAC)], ['offline', 'online']);
  });

  it('a device that is revoked and cut stays revoked', async () => {
    const trouble: Error[] = [];
    bench = await all.bench({
      cutNow: true,
      presence: registryPresence(all.registry, { onTrouble: (error) => trouble.push(error) }),
    });
    const online = until(all.registry, 'online');
    const raw = await (await bench.raw(all.device)).in();
    const { device } = await online;
    await all.registry.setState(device?.id as string, 'revoked');
    await raw.closed;
    assert.deepEqual(
      bench.told.all('cut').map(({ code }) => code),
      ['CERT_REVOKED'],
    );
    await bench.endpoint.close();
    assert.equal(await stateOf(MAC), 'revoked');
    assert.deepEqual(trouble, []);
  });
});
