import assert from 'node:assert/strict';
import { holderOf } from '../../lib/link/index.ts';
import { Bench, type FlowNode, type Msg, stopFlow, unload } from './harness.ts';
import { busOf, bench as readersBench, row } from './osdp-flow.ts';

function events(fields: Record<string, unknown> = {}): FlowNode {
  return { id: 'events', type: 'keyway-osdp-events', bus: 'bus', wires: [['out']], ...fields };
}

function hand(action: string, fields: Record<string, unknown> = {}): FlowNode {
  return { id: `hand-${action}`, type: 'keyway-readers-bench', readers: 'readers', action, wires: [[]], ...fields };
}

const online = (text: string) => (status: Msg) => status.text === text;
const event = (name: string, address?: number) => (msg: Msg) =>
  msg.topic === `osdp/${name}` && (address === undefined || msg.payload.address === address);

describe('keyway-osdp-events', () => {
  afterEach(unload);

  it('tells of readers, cards, keys and housings, from deploy on', async () => {
    const bench = await Bench.load([
      ...busOf('events', { count: '2' }, { readers: [row(0), row(1, 'default', '', 'back door')] }),
      events(),
      hand('card'),
      hand('keys'),
      hand('open'),
    ]);
    await bench.status('events', online('2/2 online'));
    const came = await bench.out.next(event('online', 1));
    assert.deepEqual(
      [came.payload.name, came.payload.secure, came.payload.serial, came.payload.changed],
      ['back door', true, 0x10000001, false],
    );
    assert.deepEqual([came.reader.name, came.reader.baudRate, came.reader.vendor], ['back door', 9600, '4B5759']);
    bench.send('hand-card', { reader: { address: 1 } });
    const { payload } = await bench.out.next(event('card'));
    assert.deepEqual(
      [payload.event, payload.address, payload.name, payload.bits, payload.facility, payload.number],
      ['card', 1, 'back door', 26, 17, 4711],
    );
    bench.send('hand-keys', { reader: { address: 0 } });
    assert.equal((await bench.out.next(event('keypad'))).payload.keys, '1234#');
    bench.send('hand-open', { reader: { address: 0 } });
    assert.equal((await bench.out.next(event('tamper'))).payload.tamper, true);
  });

  it('lets through what is asked for', async () => {
    const bench = await Bench.load([
      ...busOf('some', { count: '2' }, { readers: [row(0), row(1)] }),
      events({ kind: 'card', addresses: '1' }),
      hand('card'),
      hand('keys'),
    ]);
    await bench.status('events', online('2/2 online'));
    bench.send('hand-keys', { reader: { address: 1 } });
    bench.send('hand-card', { reader: { address: 0 } });
    bench.send('hand-card', { reader: { address: 1 }, n: 1 });
    await bench.out.next(event('card', 1));
    assert.deepEqual(
      bench.out.messages.map((msg) => [msg.topic, msg.payload.address]),
      [['osdp/card', 1]],
    );
  });

  it('tells once of a reader that never answers, and of one that goes and comes back as another', async () => {
    const bench = await Bench.load([
      ...busOf('gone', { count: '2' }, { readers: [row(0), row(1), row(9)], offline: '1' }),
      events(),
      hand('unplug'),
      hand('plug'),
      hand('swap'),
    ]);
    await bench.status('events', online('2/3 online'));
    const { payload } = await bench.out.next(event('offline', 9));
    assert.ok(payload.silent >= 1, `${payload.silent}`);
    bench.send('hand-unplug', { reader: { address: 1 } });
    await bench.out.next(event('offline', 1));
    const status = await bench.status('events', online('1/3 online'));
    assert.deepEqual([status.fill, status.shape], ['yellow', 'ring']);
    bench.send('hand-swap', { reader: { address: 1 } });
    const back = await bench.out.next((msg) => event('online', 1)(msg) && msg.payload.changed === true);
    assert.equal(back.payload.serial, 0x10001001);
    assert.equal(bench.out.messages.filter(event('offline', 9)).length, 1);
    assert.deepEqual(bench.caught.messages, []);
  });

  it('speaks no clear word to a reader whose key cannot be had, and says so', async () => {
    const bench = await Bench.load([
      ...busOf(
        'no-key',
        { count: '3', personalities: 'keyed' },
        { readers: [row(0, 'environment', 'KEYWAY_TEST_LATE'), row(1, 'handle', 'no.such.place'), row(2)] },
      ),
      events(),
      { id: 'ask', type: 'keyway-osdp-command', bus: 'bus', wires: [[]] },
    ]);
    const told = await bench.out.many(2, event('insecure'));
    assert.deepEqual(
      told.map(({ payload }) => [payload.address, payload.code]),
      [
        [0, 'SECRET_MISSING'],
        [1, 'HANDLE_UNKNOWN'],
      ],
    );
    await bench.status('events', online('1/3 online'));
    assert.equal(await bench.failure('ask', { reader: { address: 0 } }), 'SECRET_MISSING');
    assert.equal(await bench.failure('ask', { reader: { address: 1 } }), 'HANDLE_UNKNOWN');
    process.env.KEYWAY_TEST_LATE = 'a0b1c2d3e4f5061728394a5b6c7d8e91';
    await bench.out.next((msg) => event('insecure', 0)(msg) && msg.payload.code === 'SC_WRONG_KEY');
    assert.equal(await bench.failure('ask', { reader: { address: 0 } }), 'SC_WRONG_KEY');
    assert.equal(bench.out.messages.filter(event('insecure')).length, 3);
  });

  it('says that there is nothing to poll, and that a bus cannot be listened to', async () => {
    const bench = await Bench.load([
      ...busOf('nothing'),
      events(),
      events({ id: 'nobus', bus: '' }),
      { id: 'odd', type: 'keyway-osdp-bus', name: 'bus odd', port: 'port', baudRate: '300' },
      events({ id: 'oddly', bus: 'odd' }),
    ]);
    await bench.status('events', online('no readers known'));
    await bench.caught.many(2);
    assert.deepEqual(bench.caught.messages.map((msg) => msg.error.code).sort(), ['BAD_OSDP_BAUD', 'BUS_NOT_SET']);
    assert.equal(bench.lastStatus('nobus')?.text, 'BUS_NOT_SET');
  });

  it('waits for a port that is pulled, and lets go of it within a moment of a deploy', async () => {
    const bench = await Bench.load([
      ...busOf('pulled', {}, { readers: [row(0)] }),
      events(),
      hand('pull-adapter'),
      hand('plug-adapter'),
      { id: 'ask', type: 'keyway-osdp-command', bus: 'bus', wires: [['out']] },
    ]);
    await bench.status('events', online('1/1 online'));
    bench.send('hand-pull-adapter', {});
    await bench.status('events', (status) => status.text === 'not plugged in' && status.fill === 'grey');
    assert.equal(await bench.failure('ask', { reader: { address: 0 } }), 'PORT_NOT_FOUND');
    assert.equal((await bench.out.next(event('gone'))).payload.code, 'PORT_GONE');
    bench.send('hand-plug-adapter', {});
    await bench.out.next(event('back'));
    await bench.out.many(2, event('online'));
    assert.equal(bench.lastStatus('events')?.text, '1/1 online');
    assert.notEqual(holderOf('virtual:pulled'), undefined);
    await stopFlow();
    assert.equal(holderOf('virtual:pulled'), undefined);
    assert.equal(readersAreGone(), true);
  });
});

function readersAreGone(): boolean {
  try {
    readersBench();
    return false;
  } catch (error) {
    return (error as { code?: string }).code === 'NO_VIRTUAL_READER';
  }
}
