import assert from 'node:assert/strict';
import { holderOf } from '../../lib/link/index.ts';
import { findSocket } from '../../lib/virtual/index.ts';
import { Bench, chipAndPort, type FlowNode, stopFlow, unload } from './harness.ts';

function consoleOn(name: string, fields: Record<string, unknown> = {}): FlowNode[] {
  return [
    ...chipAndPort(name, { start: 'demo' }),
    { id: 'console', type: 'keyway-console', port: `port-${name}`, wires: [['out']], ...fields },
    { id: 'reset', type: 'keyway-chip', port: `port-${name}`, operation: 'reset', wires: [[], []] },
    { id: 'detect', type: 'keyway-chip', port: `port-${name}`, wires: [[], []] },
  ];
}

const listening = (status: { text?: string }): boolean => status.text === 'listening';

describe('keyway-console', () => {
  afterEach(unload);

  it('tells the lines of a boot log, taken apart', async () => {
    const bench = await Bench.load(consoleOn('console-boot'));
    await bench.status('console', listening);
    bench.send('reset', {});
    const rom = await bench.out.next((msg) => /^ESP-ROM/.test(msg.payload.text));
    assert.deepEqual([rom.topic, rom.payload.level, rom.payload.tag], ['console/line', null, null]);
    const log = await bench.out.next((msg) => msg.payload.level === 'I');
    assert.equal(typeof log.payload.ms, 'number');
    assert.equal(typeof log.payload.tag, 'string');
    assert.deepEqual(Object.keys(log.payload).sort(), ['level', 'ms', 'tag', 'text']);
  });

  it('lets through what is important enough', async () => {
    const bench = await Bench.load(consoleOn('console-level', { level: 'W' }));
    await bench.status('console', listening);
    bench.send('reset', {});
    await bench.out.next((msg) => /SPIWP|entry|rst:/.test(msg.payload.text));
    const chip = findSocket('console-level')?.chip;
    await new Promise<void>((resolve) => chip?.on('log', (text) => /Hello from/.test(text) && resolve()));
    assert.ok(bench.out.messages.every((msg) => msg.payload.level !== 'I'));
  });

  it('pauses while a job has the port, and hears the chip from its first word on', async () => {
    const bench = await Bench.load(consoleOn('console-pause'));
    await bench.status('console', listening);
    bench.send('detect', {});
    await bench.status('console', (status) => status.text === 'paused: job runs');
    const first = await bench.out.next((msg) => /^ESP-ROM/.test(msg.payload.text) && msg.device !== undefined);
    assert.equal(first.device.chip, 'ESP32-C3');
    assert.ok(!bench.out.messages.some((msg) => /waiting for download/.test(msg.payload.text)));
    await bench.out.next((msg) => /Hello from/.test(msg.payload.text));
    assert.ok(listening(bench.lastStatus('console') ?? {}));
  });

  it('listens from the first message on where it is set so, to the unit of that message', async () => {
    const bench = await Bench.load(consoleOn('console-message', { listen: 'message', port: '' }));
    assert.equal(holderOf('virtual:console-message'), undefined);
    assert.equal(await bench.failure('console', {}), 'PORT_NOT_SET');
    bench.send('console', { device: { port: 'console-message', serial: 'A7' }, job: 'unit 7' });
    await bench.status('console', listening);
    bench.send('reset', {});
    const line = await bench.out.next();
    assert.deepEqual([line.device.serial, line.job], ['A7', 'unit 7']);
    await bench.status('reset', (status) => status.fill === 'green');
    bench.send('console', { cancel: true });
    await bench.completed.next((msg) => msg.cancel === true);
    assert.equal(bench.lastStatus('console')?.text, 'not listening');
    assert.equal(holderOf('virtual:console-message'), undefined);
  });

  it('waits for a port that is not plugged in', async () => {
    const bench = await Bench.load(consoleOn('console-gone'));
    await bench.status('console', listening);
    const socket = findSocket('console-gone');
    socket?.pull();
    await bench.status('console', (status) => status.text === 'not plugged in' && status.fill === 'grey');
    const before = bench.out.messages.length;
    socket?.plug();
    await bench.out.many(before + 1);
    assert.deepEqual(bench.caught.messages, []);
  });

  it('sends text to the chip, where it is set so', async () => {
    const bench = await Bench.load(consoleOn('console-send', { send: true }));
    await bench.status('console', listening);
    bench.send('console', { payload: 'help\n' });
    await bench.completed.next();
    assert.ok(listening(bench.lastStatus('console') ?? {}));
    findSocket('console-send')?.pull();
    await bench.status('console', (status) => status.fill === 'grey' && status.text === 'not plugged in');
    assert.equal(await bench.failure('console', { payload: 'help\n' }), 'PORT_NOT_FOUND');
  });

  it('lets go of the port when the flow is deployed again', async () => {
    const bench = await Bench.load(consoleOn('console-close'));
    await bench.status('console', listening);
    assert.notEqual(holderOf('virtual:console-close'), undefined);
    await stopFlow();
    assert.equal(holderOf('virtual:console-close'), undefined);
  });

  it('hears the boot log when the message of the flash calls it to the port', async () => {
    const bench = await Bench.load([
      ...chipAndPort('console-called', { start: 'demo' }),
      { id: 'detect', type: 'keyway-chip', wires: [['console'], []] },
      { id: 'console', type: 'keyway-console', listen: 'message', wires: [['out']] },
    ]);
    bench.send('detect', { device: { port: 'console-called', serial: 'A7' } });
    const first = await bench.out.next();
    assert.match(first.payload.text, /^ESP-ROM/);
    assert.equal(first.device.serial, 'A7');
    await bench.out.next((msg) => /Hello from/.test(msg.payload.text));
  });
});
