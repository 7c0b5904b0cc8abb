import assert from 'node:assert/strict';
import { Bench, type FlowNode, request, unload } from './harness.ts';
import { busOf, bench as readersBench, row } from './osdp-flow.ts';

function hand(action: string, fields: Record<string, unknown> = {}): FlowNode {
  return {
    id: `hand-${action}`,
    type: 'keyway-readers-bench',
    readers: 'readers',
    action,
    wires: [['out']],
    ...fields,
  };
}

describe('keyway-readers-bench and keyway-virtual-readers', () => {
  afterEach(unload);

  it('does what a hand does', async () => {
    const actions = ['busy', 'lose', 'damage', 'power', 'unplug', 'plug', 'shut', 'reset', 'swap'];
    const bench = await Bench.load([
      ...busOf('hand', { count: '2', addresses: '3,4', personalities: 'normal, keyed+no-mark' }),
      ...actions.map((action) => hand(action)),
    ]);
    assert.deepEqual([readersBench().reader(4).isKeyed, readersBench().reader(4).personality.noMark], [true, true]);
    const done = async (action: string, msg = {}) => {
      bench.send(`hand-${action}`, { reader: { address: 4 }, ...msg });
      return (await bench.out.next((one) => one.topic === `readers/${action}`)).payload;
    };
    await done('busy');
    assert.equal(readersBench().reader(4).busy, 1);
    await done('lose');
    await done('damage');
    await done('shut');
    await done('power');
    assert.equal((await done('unplug')).connected, false);
    assert.equal((await done('plug')).connected, true);
    assert.equal((await done('reset')).keyed, false);
    assert.equal((await done('swap')).serial, 0x10001004);
    assert.equal(bench.lastStatus('hand-swap')?.text, 'reader swapped');
  });

  it('takes one reader after the other out of the box', async () => {
    const bench = await Bench.load([...busOf('box', { count: '3', addresses: '0,0,5', boxed: true }), hand('next')]);
    assert.deepEqual([readersBench().bus.readers.length, readersBench().left], [0, 3]);
    const serials = [];
    for (const left of [2, 1, 0]) {
      bench.send('hand-next', {});
      const { payload } = await bench.out.next((one) => one.payload.left === left);
      assert.equal(payload.connected, true);
      serials.push(payload.serial);
    }
    assert.equal(new Set(serials).size, 3);
    assert.equal(await bench.failure('hand-next', {}), 'NO_VIRTUAL_READER');
  });

  it('refuses what cannot be done', async () => {
    const bench = await Bench.load([
      ...busOf('cannot', { count: '2' }),
      hand('card', { card: 'card', cardType: 'msg', bits: 'bits', bitsType: 'msg' }),
      hand('keys', { keys: 'keys', keysType: 'msg' }),
      hand('power', { readers: '' }),
      hand('plug'),
    ]);
    const at = { reader: { address: 0 } };
    for (const card of ['', '300:1', 'xyz', 'abc']) {
      assert.equal(await bench.failure('hand-card', { ...at, card }), 'BAD_FIELD', card);
    }
    assert.equal(await bench.failure('hand-card', { ...at, card: 'FF', bits: 9 }), 'BAD_FIELD');
    assert.equal(await bench.failure('hand-keys', { ...at, keys: 'hello' }), 'BAD_FIELD');
    assert.equal(await bench.failure('hand-power', at), 'NO_VIRTUAL_READER');
    assert.equal(await bench.failure('hand-plug', { reader: { address: 7 } }), 'NO_VIRTUAL_READER');
    assert.equal(await bench.failure('hand-plug', {}), 'NO_VIRTUAL_READER');
  });

  it('keeps what readers were told when the flow is deployed again', async () => {
    const flow = busOf('kept', { count: '1', personalities: 'keyed' });
    await Bench.load(flow);
    readersBench().reader(0).factoryReset();
    await unload();
    await Bench.load(flow);
    assert.equal(readersBench().reader(0).isKeyed, false);
  });

  for (const [what, fields] of [
    ['a count of none', { count: '0' }],
    ['an address that no reader may have', { addresses: '127' }],
    ['a personality that there is not', { personalities: 'friendly' }],
    ['a rate that readers do not use', { baudRate: '1200' }],
    ['a variable that is not set', { personalities: 'keyed', keyVariable: 'KEYWAY_TEST_NOT_SET' }],
    ['words for a number', { count: 'two' }],
  ] as const) {
    it(`is not there with ${what}, and takes nothing with it`, async () => {
      const bench = await Bench.load([...busOf(`not-${what}`, fields), hand('power')]);
      assert.equal(await bench.failure('hand-power', {}), 'NO_VIRTUAL_READER');
    });
  }
});

describe('the Test button of keyway-osdp-bus', () => {
  afterEach(unload);

  const test = async (bus: unknown) => {
    const reply = await request().post('/keyway/osdp/test').set('Host', '127.0.0.1').send({ bus });
    return [reply.status, reply.body] as [number, Record<string, unknown>];
  };

  it('says which readers of the list answer', async () => {
    const readers = [row(0), row(1, 'default'), row(9), row(2, 'environment', 'KEYWAY_TEST_NEVER')];
    await Bench.load(busOf('tried', { count: '3' }, { readers }));
    assert.deepEqual(await test('bus'), [
      200,
      {
        baudRate: 9600,
        readers: [
          { address: 0, code: null },
          { address: 1, code: null },
          { address: 9, code: 'NO_REPLY' },
          { address: 2, code: 'SECRET_MISSING' },
        ],
      },
    ]);
  });

  it('says what is wrong with the bus', async () => {
    await Bench.load(busOf('untried', {}, { port: '' }));
    const [status, body] = await test('bus');
    assert.deepEqual([status, body.code], [400, 'PORT_NOT_SET']);
    assert.equal((await test('none'))[1].code, 'BUS_NOT_SET');
    assert.equal((await test(undefined))[1].code, 'BUS_NOT_SET');
  });
});
