import assert from 'node:assert/strict';
import { findSocket, VirtualSocket } from '../../lib/virtual/index.ts';
import { Bench, chipAndPort, unload } from './harness.ts';

describe('keyway-ports', () => {
  afterEach(unload);

  it('lists ports, and those that a port node leads to', async () => {
    const bench = await Bench.load([
      ...chipAndPort('listed'),
      { id: 'other', type: 'keyway-virtual-chip', name: 'unlisted' },
      { id: 'all', type: 'keyway-ports', match: 'LISTED', watch: false, wires: [['out'], [], []] },
      { id: 'deployed', type: 'keyway-ports', only: 'deployed', watch: false, wires: [['out'], [], []] },
      { id: 'typed', type: 'keyway-ports', match: 'text', matchType: 'msg', wires: [['out'], [], []] },
    ]);
    bench.send('all', {});
    const all = await bench.out.next();
    assert.equal(all.topic, 'ports/list');
    assert.deepEqual(all.payload.map((port: { name: string }) => port.name).sort(), ['listed', 'unlisted']);
    bench.send('deployed', {});
    const [, deployed] = await bench.out.many(2);
    assert.deepEqual(
      deployed?.payload.map((port: { deployedAs: string }) => port.deployedAs),
      ['port listed'],
    );
    assert.equal(await bench.failure('typed', { text: {} }), 'BAD_FIELD');
    await bench.status('deployed', (status) => status.text === '1 ports' && status.fill === 'green');
  });

  it('tells of ports that come and go, in time for the nodes behind', async () => {
    const bench = await Bench.load([
      ...chipAndPort('hotplug'),
      { id: 'ports', type: 'keyway-ports', match: 'hotplug', wires: [[], ['chip'], ['progress']] },
      { id: 'chip', type: 'keyway-chip', wires: [['out'], []] },
    ]);
    const other = new VirtualSocket({ name: 'something else' });
    findSocket('hotplug')?.pull();
    const gone = await bench.progress.next();
    assert.deepEqual([gone.topic, gone.payload.address], ['port/unplugged', 'virtual:hotplug']);
    findSocket('hotplug')?.plug();
    const found = await bench.out.next();
    assert.equal(found.device.port, 'port hotplug');
    assert.equal(found.payload.mac, findSocket('hotplug')?.chip?.mac);
    assert.equal(bench.progress.messages.length, 1);
    other.close();
  });

  it('narrows list and events to a port pool', async () => {
    const bench = await Bench.load([
      ...chipAndPort('pooled-1'),
      { id: 'other', type: 'keyway-virtual-chip', name: 'not in it' },
      { id: 'pool', type: 'keyway-port-pool', name: 'my pool', addresses: 'virtual:pooled-*' },
      { id: 'ports', type: 'keyway-ports', only: 'pool', pool: 'pool', wires: [['out'], ['progress'], []] },
      { id: 'none', type: 'keyway-ports', only: 'pool', watch: false, wires: [['out'], [], []] },
    ]);
    bench.send('ports', {});
    const { payload } = await bench.out.next();
    assert.deepEqual(
      payload.map((port: { address: string; pool: string }) => [port.address, port.pool]),
      [['virtual:pooled-1', 'my pool']],
    );
    for (const name of ['not in it', 'pooled-1']) {
      findSocket(name)?.pull();
      findSocket(name)?.plug();
    }
    const told = await bench.progress.next();
    assert.deepEqual([told.topic, told.payload.address], ['port/plugged', 'virtual:pooled-1']);
    assert.equal(await bench.failure('none', {}), 'PORT_NOT_SET');
  });
});
