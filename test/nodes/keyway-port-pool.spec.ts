import assert from 'node:assert/strict';
import helper from 'node-red-node-test-helper';
import { holderOf, plugMemoryPort, type UsbIdentity } from '../../lib/link/index.ts';
import { findSocket, VirtualChip, VirtualSocket } from '../../lib/virtual/index.ts';
import { addressPattern, entriesOf, usbPattern } from '../../nodes/keyway-port-pool/patterns.ts';
import { choosePort } from '../../nodes/shared/deployed.ts';
import { deployPool, poolSlot } from '../../nodes/shared/pools.ts';
import type { PortTarget } from '../../nodes/shared/port-target.ts';
import type { Message } from '../../nodes/shared/types.ts';
import { Bench, chipAndPort, stopFlow, unload } from './harness.ts';

const jtag: UsbIdentity = { vendorId: '303a', productId: '1001', serialNumber: '60:55:F9:0A:B1:C2' };
const ask = (port: unknown): Promise<PortTarget> => choosePort('', { device: { port } } as Message);
const refused = { code: 'PORT_NOT_ALLOWED' };

describe('keyway-port-pool', () => {
  let undo: (() => void)[] = [];
  afterEach(async () => {
    for (const step of undo) step();
    undo = [];
    await unload();
  });
  const plug = (name: string, usb?: UsbIdentity): void =>
    void undo.push(plugMemoryPort({ name, attach: () => undefined, ...(usb === undefined ? {} : { usb }) }));

  it('lets messages name the ports that it names, and no other', async () => {
    plug('bench-1');
    plug('bench-2');
    plug('other');
    await Bench.load([
      { id: 'pool', type: 'keyway-port-pool', addresses: '/dev/ttyUSB*, virtual:bench-*', baudRate: '9600' },
    ]);
    const target = { address: 'virtual:bench-1', name: 'virtual:bench-1', baudRate: 9600, pool: 'pool' };
    assert.deepEqual(await ask('virtual:bench-1'), target);
    assert.deepEqual(await ask('bench-1'), target, 'by the name under which it is listed');
    // Not plugged in: it is looked for when it is opened.
    assert.equal((await ask('/dev/ttyUSB7')).address, '/dev/ttyUSB7');
    for (const other of ['virtual:other', 'other', '/dev/ttyACM0', '/dev/ttyUSB0/../sda', 'tcp://10.0.0.1:22', 'x']) {
      await assert.rejects(ask(other), refused, other);
    }
    await stopFlow();
    await assert.rejects(ask('virtual:bench-1'), refused);
  });

  it('names ports by their USB ids while they are plugged in', async () => {
    plug('board', jtag);
    plug('adapter', { vendorId: '10c4', productId: 'ea60' });
    await Bench.load([{ id: 'pool', type: 'keyway-port-pool', usb: '303A:*' }]);
    assert.equal((await ask('virtual:board')).pool, 'pool');
    await assert.rejects(ask('virtual:adapter'), refused);
    await assert.rejects(ask('virtual:elsewhere'), refused);
  });

  it('leaves ports with a node of their own to that node', async () => {
    await Bench.load([{ id: 'pool', type: 'keyway-port-pool', virtual: true }, ...chipAndPort('mine')]);
    for (const named of ['port mine', 'virtual:mine']) assert.equal((await ask(named)).name, 'port mine');
  });

  it('says what is wrong in it, and lets that name nothing', async () => {
    plug('bench-1', jtag);
    await Bench.load([
      { id: 'bad', type: 'keyway-port-pool', addresses: 'nowhere, ', usb: '303a, 10c4:ea6', atOnce: 'many' },
      { id: 'good', type: 'keyway-port-pool', addresses: 'nowhere, virtual:bench-1' },
    ]);
    assert.equal((await ask('virtual:bench-1')).pool, 'good');
    const logged = helper.log().args.map(([entry]) => String((entry as { msg: unknown }).msg));
    const wrong = logged.filter((text) => text.startsWith('BAD_FIELD: '));
    assert.equal(wrong.length, 5, logged.join('\n'));
    for (const value of ['nowhere', '303a', '10c4:ea6', 'many'])
      assert.ok(wrong.some((text) => text.includes(`"${value}"`)));
  });

  it('is enough for a chip node to find its port', async () => {
    const socket = new VirtualSocket({ name: 'pooled' });
    undo.push(() => socket.close());
    const chip = new VirtualChip({
      model: 'ESP32-C3',
      mac: '02:00:00:00:00:07',
      line: 'free',
      flash: new Uint8Array(1 << 21).fill(0xff),
    });
    socket.insert(chip);
    const bench = await Bench.load([
      { id: 'pool', type: 'keyway-port-pool', virtual: true },
      { id: 'chip', type: 'keyway-chip', wires: [['out'], []] },
      { id: 'again', type: 'keyway-chip', wires: [['progress'], []] },
    ]);
    bench.send('chip', { device: { port: 'virtual:pooled' } });
    const found = await bench.out.next();
    assert.equal(found.payload.mac, '02:00:00:00:00:07');
    bench.send('again', { device: found.device });
    assert.equal((await bench.progress.next()).device.port, found.device.port);
  });

  /** Two boards in the sockets a and b, two flash nodes, and a pool with one place. */
  async function onePlace(name: string): Promise<Bench> {
    const flash = { type: 'keyway-flash', version: 2, wires: [['out'], ['progress']] };
    const plan = { type: 'keyway-flash-plan', version: 2, source: 'demo' };
    return await Bench.load([
      { id: 'pool', type: 'keyway-port-pool', addresses: `virtual:${name}-*`, atOnce: '1' },
      ...['a', 'b'].map((board) => ({
        id: `chip-${name}-${board}`,
        type: 'keyway-virtual-chip',
        name: `${name}-${board}`,
        line: 'free',
      })),
      { id: 'hand', type: 'keyway-bench', chip: `chip-${name}-a`, action: 'do', actionType: 'msg', wires: [[]] },
      { id: 'plan-a', ...plan, wires: [['flash-a']] },
      { id: 'plan-b', ...plan, wires: [['flash-b']] },
      { id: 'plan-refuses', ...plan, wires: [['flash-refuses']] },
      { id: 'flash-a', ...flash },
      { id: 'flash-b', ...flash },
      { id: 'flash-refuses', ...flash, whenBusy: 'refuse' },
    ]);
  }
  const board = (name: string): Message => ({ device: { port: `virtual:${name}` } }) as Message;

  it('lets no more of its ports be flashed at once than it says, also by several nodes', async () => {
    const bench = await onePlace('pool-limit');
    findSocket('pool-limit-a')?.chip?.setFault({ kind: 'pull', at: 30_000 });
    bench.send('plan-a', board('pool-limit-a'));
    await bench.status('flash-a', (status) => status.text === 'wait for board');
    bench.send('plan-b', board('pool-limit-b'));
    await bench.status('flash-b', (status) => status.fill === 'yellow' && status.text === 'waiting for port');
    assert.equal(holderOf('virtual:pool-limit-b'), undefined, 'its port was opened before its turn');
    assert.equal(await bench.failure('plan-refuses', board('pool-limit-b')), 'BUSY');
    bench.send('hand', { do: 'plug' });
    const done = await bench.out.many(2);
    assert.deepEqual(
      done.map((msg) => msg.device.port),
      ['virtual:pool-limit-a', 'virtual:pool-limit-b'],
    );
  });

  it('gives the place of a job that was cancelled while it waited for its board to the next', async () => {
    const bench = await onePlace('pool-cancel');
    findSocket('pool-cancel-a')?.chip?.setFault({ kind: 'pull', at: 30_000 });
    bench.send('plan-a', board('pool-cancel-a'));
    await bench.status('flash-a', (status) => status.text === 'wait for board');
    bench.send('plan-b', board('pool-cancel-b'));
    await bench.status('flash-b', (status) => status.text === 'waiting for port');
    assert.equal(await bench.failure('flash-a', { cancel: true }), 'CANCELLED');
    assert.equal((await bench.out.next()).device.port, 'virtual:pool-cancel-b');
  });
});

describe('patterns of a port pool', () => {
  const names = (pattern: string, address: string): boolean => addressPattern(pattern)([address], undefined);

  it('stand for letters, never for what parts an address', () => {
    const yes: [string, string][] = [
      ['/dev/ttyUSB*', '/dev/ttyUSB10'],
      ['/dev/ttyUSB?', '/dev/ttyUSB1'],
      ['/dev/serial/by-id/usb-Espressif*', '/dev/serial/by-id/usb-Espressif_JTAG-if00'],
      ['COM*', 'com12'],
      ['rfc2217://10.0.0.*:4000', 'rfc2217://10.0.0.17:4000'],
      ['tcp://bench:*', 'tcp://bench:4000'],
      ['virtual:*', 'virtual:a b#2'],
      ['virtual:a.b', 'virtual:a.b'],
    ];
    for (const [pattern, address] of yes) assert.ok(names(pattern, address), `${pattern} ${address}`);
    const no: [string, string][] = [
      ['/dev/ttyUSB*', '/dev/ttyUSB0/../sda'],
      ['/dev/ttyUSB*', 'x/dev/ttyUSB0'],
      ['/dev/ttyUSB?', '/dev/ttyUSB10'],
      ['/dev/ttyUSB*', '/dev/ttyUSB0\n'],
      ['rfc2217://10.0.0.*:4000', 'rfc2217://10.0.0.1.evil.example:4000'],
      ['rfc2217://10.0.0.*:4000', 'rfc2217://10.0.0.1:40000'],
      ['tcp://bench*:4000', 'tcp://bench.evil.example:4000'],
      ['virtual:a.b', 'virtual:axb'],
      ['virtual:*', '/dev/ttyUSB0'],
    ];
    for (const [pattern, address] of no) assert.ok(!names(pattern, address), `${pattern} ${address}`);
  });

  it('are refused when they can name nothing', () => {
    for (const bad of ['*', 'ttyUSB*', 'http://x:1', 'tcp://*', 'usb']) {
      assert.throws(() => addressPattern(bad), { code: 'BAD_FIELD' }, bad);
    }
    for (const bad of ['303a', '303a:', ':1001', '303a:10', '303a:*:*', '*']) {
      assert.throws(() => usbPattern(bad), { code: 'BAD_FIELD' }, bad);
    }
    assert.deepEqual(entriesOf(' a b ,; c\n'), ['a b', 'c']);
  });

  it('read USB ids in either case, and need them', () => {
    const any = usbPattern('*:1001');
    assert.deepEqual([any([], jtag), any([], undefined), usbPattern('303A:1002')([], jtag)], [true, false, false]);
  });
});

describe('places in a port pool', () => {
  const never = new AbortController().signal;
  const to = (address: string, pool = 'p'): PortTarget => ({ address, name: address, baudRate: 115200, pool });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  let undeploy: () => void = () => undefined;
  const limit = (atOnce: number): void => {
    undeploy = deployPool({ id: 'p', name: 'p', atOnce, baudRate: 115200, allows: () => true });
  };
  afterEach(() => undeploy());

  /** Takes a place; `places` gets its way out once it has it. */
  function take(places: Map<string, () => void>, key: string, address: string, signal = never) {
    let waits = false;
    const onWaiting = (): void => {
      waits = true;
    };
    const taken = poolSlot(to(address), { signal, wait: true, onWaiting }).then((leave) => void places.set(key, leave));
    return { taken, waits: () => waits };
  }

  it('are for as many ports as the pool says; further jobs wait in turn', async () => {
    limit(2);
    const places = new Map<string, () => void>();
    const jobs = ['a', 'b', 'c', 'd'].map((name) => take(places, name, name));
    await settle();
    assert.deepEqual([...places.keys()], ['a', 'b']);
    assert.deepEqual(
      jobs.map((job) => job.waits()),
      [false, false, true, true],
    );
    places.get('b')?.();
    places.get('b')?.();
    await settle();
    assert.deepEqual([...places.keys()], ['a', 'b', 'c'], 'given back twice, it is one place');
    for (const key of ['a', 'c']) places.get(key)?.();
    await Promise.all(jobs.map((job) => job.taken));
    places.get('d')?.();
  });

  it('are shared by jobs for the same port', async () => {
    limit(1);
    const places = new Map<string, () => void>();
    take(places, 'first', 'a');
    take(places, 'other', 'b');
    take(places, 'second', 'a');
    await settle();
    assert.deepEqual([...places.keys()], ['first', 'second']);
    places.get('first')?.();
    await settle();
    assert.equal(places.size, 2);
    places.get('second')?.();
    await settle();
    assert.ok(places.has('other'));
    places.get('other')?.();
  });

  it('are not waited for any longer by a job that is cancelled', async () => {
    limit(1);
    const places = new Map<string, () => void>();
    const abort = new AbortController();
    take(places, 'a', 'a');
    const cancelled = take(places, 'b', 'b', abort.signal);
    const last = take(places, 'c', 'c');
    const reason = new Error('cancelled');
    abort.abort(reason);
    await assert.rejects(cancelled.taken, reason);
    await assert.rejects(poolSlot(to('d'), { signal: abort.signal, wait: true }), reason);
    places.get('a')?.();
    await last.taken;
    places.get('c')?.();
  });

  it('are refused to a job that may not wait, unless it is for a port that has one', async () => {
    limit(1);
    const now = { signal: never, wait: false };
    const leave = await poolSlot(to('a'), now);
    await assert.rejects(poolSlot(to('b'), now), { code: 'BUSY', detail: { port: 'b', pool: 'p' } });
    const again = await poolSlot(to('a'), now);
    for (const end of [leave, again]) end();
    (await poolSlot(to('b'), now))();
  });

  it('become more when the pool is deployed with a higher limit, and are without number without one', async () => {
    limit(1);
    const places = new Map<string, () => void>();
    const jobs = ['a', 'b', 'c'].map((name) => take(places, name, name));
    await settle();
    assert.equal(places.size, 1);
    limit(2);
    await settle();
    assert.equal(places.size, 2);
    limit(0);
    await Promise.all(jobs.map((job) => job.taken));
    for (const leave of places.values()) leave();
    const { pool: _none, ...own } = to('x');
    const leaves = await Promise.all([1, 2].map(() => poolSlot(own, { signal: never, wait: false })));
    for (const leave of leaves) leave();
  });
});
