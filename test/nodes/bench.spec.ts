import assert from 'node:assert/strict';
import helper from 'node-red-node-test-helper';
import { holderOf } from '../../lib/link/index.ts';
import { findSocket } from '../../lib/virtual/index.ts';
import { Bench, chipAndPort, request, stopFlow, unload } from './harness.ts';

describe('keyway-virtual-chip and keyway-bench', () => {
  afterEach(unload);

  it('pull and plug the cable, press BOOT, tap EN, swap the board', async () => {
    const bench = await Bench.load([
      ...chipAndPort('hand', { start: 'demo' }),
      {
        id: 'hand',
        type: 'keyway-bench',
        chip: 'chip-hand',
        action: 'do',
        actionType: 'msg',
        newMac: 'mac',
        newMacType: 'msg',
        wires: [['out']],
      },
    ]);
    const socket = findSocket('hand');
    const act = async (msg: Record<string, unknown>): Promise<Record<string, unknown>> => {
      const before = bench.out.messages.length;
      bench.send('hand', msg);
      return (await bench.out.many(before + 1))[before]?.payload as Record<string, unknown>;
    };
    assert.deepEqual(await act({ do: 'pull' }), {
      action: 'pull',
      socket: 'hand',
      mac: socket?.chip?.mac,
      plugged: false,
    });
    assert.equal(socket?.isPlugged, false);
    // It starts on its own when it is plugged in: what the hand does comes after.
    const started = new Promise((resolve) => socket?.chip?.once('boot', resolve));
    await act({ do: 'plug' });
    assert.equal(socket?.isPlugged, true);
    await started;

    const boots: string[] = [];
    socket?.chip?.on('boot', ({ mode }) => boots.push(mode));
    await act({ do: 'press-boot' });
    const loader = new Promise((resolve) => socket?.chip?.once('boot', resolve));
    await act({ do: 'tap-en' });
    await loader;
    await act({ do: 'release-boot' });
    const firmware = new Promise((resolve) => socket?.chip?.once('boot', resolve));
    await act({ do: 'tap-en' });
    await firmware;
    assert.deepEqual(boots, ['download', 'flash']);

    const first = socket?.chip?.mac;
    const swapped = await act({ do: 'swap' });
    assert.notEqual(swapped.mac, first);
    assert.equal((await act({ do: 'swap', mac: '02:11:22:33:44:55' })).mac, '02:11:22:33:44:55');
    assert.equal(await bench.failure('hand', { do: 'swap', mac: 'mine' }), 'BAD_MAC');
    assert.equal(findSocket('hand')?.chip?.mac, '02:11:22:33:44:55');
    assert.equal(await bench.failure('hand', { do: 'paint' }), 'BAD_FIELD');
    await bench.status('hand', (status) => status.text === 'board swapped' && status.fill === 'green');
  });

  it('set a fault that strikes, and clear it', async () => {
    const bench = await Bench.load([
      ...chipAndPort('fault'),
      {
        id: 'hand',
        type: 'keyway-bench',
        action: 'do',
        actionType: 'msg',
        fault: 'what',
        faultType: 'msg',
        wires: [['out']],
      },
      { id: 'chip', type: 'keyway-chip', port: 'port-fault', wires: [['out'], []] },
    ]);
    bench.send('hand', { do: 'fault', what: 'pull', device: { port: 'port fault' } });
    await bench.out.next();
    assert.equal(await bench.failure('chip', {}), 'PORT_GONE');
    bench.send('hand', { do: 'plug', device: { port: 'fault' } });
    bench.send('hand', { do: 'fault', what: 'pull', device: { port: 'virtual:fault' } });
    bench.send('hand', { do: 'clear-faults', device: { port: 'fault' } });
    await bench.out.many(4);
    bench.send('chip', {});
    await bench.out.next((msg) => msg.topic === 'chip/detected');
    assert.equal(await bench.failure('hand', { do: 'pull' }), 'NO_CHIP');
    assert.equal(await bench.failure('hand', { do: 'pull', device: { port: 'nobody' } }), 'NO_CHIP');
    assert.equal(await bench.failure('hand', { do: 'fault', what: 'melt', device: { port: 'fault' } }), 'BAD_FIELD');
  });

  it('keep what is in the flash when the flow is deployed again', async () => {
    const flow = [...chipAndPort('keep'), { id: 'hand', type: 'keyway-bench', chip: 'chip-keep', wires: [['out']] }];
    await Bench.load(flow);
    const before = findSocket('keep')?.chip;
    before?.flash.set([1, 2, 3], 0x1000);
    await stopFlow();
    assert.equal(findSocket('keep'), undefined);
    await unload();
    await Bench.load(flow);
    const after = findSocket('keep')?.chip;
    assert.equal(after?.mac, before?.mac);
    assert.deepEqual([...(after?.flash.subarray(0x1000, 0x1003) ?? [])], [1, 2, 3]);
  });

  it('serve the chip on loopback besides', async () => {
    const bench = await Bench.load([
      {
        id: 'c-served',
        type: 'keyway-virtual-chip',
        name: 'served',
        line: 'free',
        rfc2217Port: '42170',
        tcpPort: '42171',
      },
      { id: 'p-remote', type: 'keyway-port', name: 'remote', address: 'rfc2217://127.0.0.1:42170' },
      { id: 'chip', type: 'keyway-chip', port: 'p-remote', wires: [['out'], []] },
    ]);
    bench.send('chip', {});
    const msg = await bench.out.next();
    assert.equal(msg.payload.mac, findSocket('served')?.chip?.mac);
    assert.equal(msg.device.port, 'remote');
  });

  it('do not stop the flow when a chip cannot be set up', async () => {
    const bench = await Bench.load([
      { id: 'c-bad', type: 'keyway-virtual-chip', name: 'bad', mac: 'nonsense' },
      { id: 'p-bad', type: 'keyway-port', name: 'port', kind: 'virtual', chip: 'c-bad' },
      { id: 'chip', type: 'keyway-chip', port: 'p-bad', wires: [[], []] },
    ]);
    assert.equal(await bench.failure('chip', {}), 'PORT_NOT_SET');
  });

  it('say in the log that a port they are to be served on is none', async () => {
    for (const rfc2217Port of ['70000', 'x', '-1']) {
      await Bench.load([{ id: 'c-port', type: 'keyway-virtual-chip', name: 'bad port', rfc2217Port }]);
      const errors = helper.log().args.map(([entry]) => String((entry as { msg?: unknown }).msg));
      assert.ok(
        errors.some((text) => text.startsWith('BAD_FIELD') && text.includes(`"${rfc2217Port}"`)),
        errors.join('\n'),
      );
      await unload();
    }
  });
});

describe('keyway-port', () => {
  afterEach(unload);

  it('lists the ports for its dialog, and tests one', async () => {
    await Bench.load(chipAndPort('route'));
    const list = await request().get('/keyway/ports').set('Host', '127.0.0.1').expect(200);
    assert.ok((list.body as { address: string }[]).some((port) => port.address === 'virtual:route'));
    const test = request().post('/keyway/ports/test').set('Host', '127.0.0.1');
    const found = await test.send({ kind: 'virtual', chip: 'chip-route' }).expect(200);
    assert.match(found.body.description, /ESP32-C3/);
    assert.equal(found.body.mac, findSocket('route')?.chip?.mac);
    assert.equal(holderOf('virtual:route'), undefined);
    const missing = request().post('/keyway/ports/test').set('Host', '127.0.0.1');
    const refused = await missing.send({ kind: 'address', address: 'virtual:none' }).expect(400);
    assert.equal(refused.body.code, 'PORT_NOT_FOUND');
  });

  it('refuses requests that another site sent', async () => {
    await Bench.load(chipAndPort('foreign'));
    const ask = (headers: Record<string, string>) => request().get('/keyway/ports').set(headers);
    await ask({ Host: 'evil.example' }).expect(403);
    await ask({ Host: '127.0.0.1:1880', Origin: 'https://evil.example' }).expect(403);
    await ask({ Host: '127.0.0.1:1880', Origin: 'null' }).expect(403);
    await ask({ Host: '127.0.0.1:1880', Origin: 'http://127.0.0.1:1880' }).expect(200);
    await ask({ Host: 'localhost:1880' }).expect(200);
  });

  it('borrows the port of a serial-port node and hands it back', async () => {
    const calls: string[] = [];
    const bench = await Bench.load(
      [
        ...chipAndPort('lent'),
        { id: 'lender', type: 'serial-port', serialport: 'virtual:lent', serialbaud: 9600 },
        { id: 'p-borrowed', type: 'keyway-port', name: 'borrowed', kind: 'serial-port', serial: 'lender' },
        { id: 'chip', type: 'keyway-chip', port: 'p-borrowed', wires: [['out'], []] },
        { id: 'p-missing', type: 'keyway-port', name: 'missing', kind: 'serial-port', serial: 'gone' },
        { id: 'nobody', type: 'keyway-chip', port: 'p-missing', wires: [[], []] },
      ],
      [
        (RED) => {
          RED.nodes.registerType('serial-port', function (this, saved) {
            RED.nodes.createNode(this, saved);
            Object.assign(this, saved, { changePort: () => calls.push('released') });
            this.addListener('start', () => calls.push('handed back'));
          });
        },
      ],
    );
    bench.send('chip', {});
    await bench.out.next();
    assert.deepEqual(calls, ['released', 'handed back']);
    assert.equal(await bench.failure('nobody', {}), 'PORT_NOT_SET');
  });
});
