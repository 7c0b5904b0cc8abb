import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { holderOf, openLink } from '../../lib/link/index.ts';
import { Panel } from '../../lib/osdp/index.ts';
import { Bench, type FlowNode, type Msg, stopFlow, unload } from './harness.ts';
import { AuditLog, busOf, bench as readersBench, row } from './osdp-flow.ts';

function discover(fields: Record<string, unknown> = {}): FlowNode {
  return {
    id: 'discover',
    type: 'keyway-osdp-discover',
    bus: 'bus',
    listen: '0',
    wires: [['out'], ['progress']],
    ...fields,
  };
}

describe('keyway-osdp-discover', () => {
  afterEach(unload);

  it('finds one reader whose address and rate nobody knows', async () => {
    const bench = await Bench.load([
      ...busOf('find-one', { addresses: '23', baudRate: '38400', personalities: 'keyed' }, { mode: 'single' }),
      discover(),
    ]);
    bench.send('discover', { device: { name: 'door 7' } });
    const msg = await bench.out.next();
    assert.deepEqual([msg.topic, msg.payload.mode, msg.payload.readers.length], ['discover/done', 'single', 1]);
    const [found] = msg.payload.readers as Msg[];
    assert.deepEqual(
      [found?.address, found?.baudRate, found?.security, found?.vendor, found?.serial, found?.firmware],
      [23, 38400, 'unknown-key', '4B5759', 0x10000017, '1.0.0'],
    );
    assert.deepEqual(msg.reader, found);
    assert.deepEqual(msg.device, { name: 'door 7' });
    assert.match(bench.lastStatus('discover')?.text, /^1 found$/);
    const { payload, topic, job } = await bench.progress.next((note) => note.payload.phase === 'name');
    assert.deepEqual([topic, job, payload.unit, payload.baudRate], ['discover/progress', msg.job, 'places', 38400]);
  });

  it('finds several readers where the configuration address must not be used, and whose keys they hold', async () => {
    process.env.KEYWAY_TEST_SCBK = 'c0ffee00112233445566778899aabbcc';
    const bench = await Bench.load([
      ...busOf(
        'find-many',
        { count: '3', addresses: '0,1,5', personalities: 'normal, keyed', keyVariable: 'KEYWAY_TEST_SCBK' },
        { readers: [row(1, 'environment', 'KEYWAY_TEST_SCBK', 'front door')] },
      ),
      discover({ addresses: '0-5', baudRates: '9600', probe: 'yes' }),
    ]);
    bench.send('discover', {});
    const { payload, reader } = await bench.out.next();
    assert.deepEqual(
      payload.readers.map((one: Msg) => [one.address, one.security, one.keyOf]),
      [
        [0, 'install-mode', undefined],
        [1, 'known-key', 'front door'],
        [5, 'known-key', 'front door'],
      ],
    );
    assert.equal(reader, undefined);
    assert.equal(process.env.KEYWAY_TEST_SCBK, undefined);
  });

  it('says where it looked when nobody answers, or only garbage comes', async () => {
    const bench = await Bench.load([
      ...busOf('find-none', { count: '2', addresses: '4,4', line: 'paced' }),
      discover({ id: 'nobody', addresses: '7,9', baudRates: '9600,19200' }),
      discover({ id: 'garbage', addresses: '4', baudRates: '9600' }),
    ]);
    bench.send('nobody', {});
    const none = await bench.caught.next();
    assert.equal(none.error.code, 'NO_REPLY');
    assert.match(none.error.message, /address 7, 9, at 9600, 19200 baud \(0 bytes, 0 frames\)/);
    assert.deepEqual([bench.lastStatus('nobody')?.fill, bench.lastStatus('nobody')?.text], ['red', 'NO_REPLY']);
    bench.send('garbage', {});
    const garbage = await bench.caught.next((msg) => msg.error.code !== 'NO_REPLY');
    assert.equal(garbage.error.code, 'GARBAGE_ONLY');
    assert.match(garbage.error.message, /\d+ bytes and no frame came back from address 4 at 9600 baud/);
  });

  it('refuses bad input before the port is opened', async () => {
    const bench = await Bench.load([
      ...busOf('find-bad'),
      discover({ id: 'address', addresses: '127' }),
      discover({ id: 'rate', baudRates: '9601' }),
      discover({ id: 'word', addresses: 'all' }),
      discover({ id: 'nobus', bus: '' }),
    ]);
    assert.equal(await bench.failure('address', {}), 'BAD_OSDP_ADDRESS');
    assert.equal(await bench.failure('rate', {}), 'BAD_OSDP_BAUD');
    assert.equal(await bench.failure('word', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('nobus', {}), 'BUS_NOT_SET');
    assert.equal(holderOf('virtual:find-bad'), undefined);
  });

  it('is silent when another panel talks, unless it is forced', async () => {
    const log = new AuditLog();
    const nodes = [
      ...busOf('find-panel', { addresses: '3' }),
      discover({ listen: '0.4', addresses: '3', baudRates: '9600' }),
      discover({ id: 'forced', listen: '0.1', addresses: '3', baudRates: '9600', force: 'true' }),
    ];
    const bench = await Bench.load(nodes, [log.watch]);
    const unplug = readersBench().bus.plug('find-panel-other');
    const other = new Panel(await openLink('virtual:find-panel-other', { owner: 'test', baudRate: 9600 }));
    try {
      other.add({ address: 3 });
      other.start();
      bench.send('discover', {});
      const { error } = await bench.caught.next();
      assert.equal(error.code, 'BUS_HAS_PANEL');
      assert.match(error.message, /9600 baud: \d+ commands and \d+ replies/);
      await other.stop();
      assert.deepEqual(log.of('osdp.force'), []);
      bench.send('forced', {});
      const { payload } = await bench.out.next();
      assert.equal(payload.readers[0].address, 3);
      const entry = { bus: 'bus find-panel', node: 'forced', type: 'keyway-osdp-discover' };
      assert.deepEqual(log.of('osdp.force'), [entry]);
    } finally {
      await other.close();
      unplug();
    }
  });

  it('can be cancelled, and lets go of the port within a moment of a deploy', async () => {
    const bench = await Bench.load([...busOf('find-cancel'), discover({ listen: '2' })]);
    bench.send('discover', { job: 'one' });
    await bench.progress.next((note) => note.payload.phase === 'listen');
    assert.notEqual(holderOf('virtual:find-cancel'), undefined);
    bench.send('discover', { cancel: true, job: 'one' });
    assert.equal((await bench.caught.next()).error.code, 'CANCELLED');
    assert.deepEqual([bench.lastStatus('discover')?.fill, bench.lastStatus('discover')?.text], ['red', 'CANCELLED']);
    bench.send('discover', { job: 'two' });
    await bench.progress.next((note) => note.job === 'two');
    await stopFlow();
    assert.equal(holderOf('virtual:find-cancel'), undefined);
  });

  it('waits for the job before it, or refuses', async () => {
    const bench = await Bench.load([
      ...busOf('find-busy', { addresses: '2' }),
      discover({ addresses: '0-4', baudRates: '9600' }),
      discover({ id: 'hasty', whenBusy: 'refuse', addresses: '2', baudRates: '9600' }),
    ]);
    bench.send('discover', { n: 1 });
    bench.send('discover', { n: 2 });
    await sleep(0);
    assert.equal(await bench.failure('hasty', {}), 'BUSY');
    assert.deepEqual(
      (await bench.out.many(2)).map((msg) => [msg.n, msg.payload.readers.length]),
      [
        [1, 1],
        [2, 1],
      ],
    );
  });
});
