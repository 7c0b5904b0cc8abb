import assert from 'node:assert/strict';
import { findSocket } from '../../lib/virtual/index.ts';
import { Bench, chipAndPort, type FlowNode, unload } from './harness.ts';

function chip(name: string, fields: Record<string, unknown> = {}, start = 'demo'): FlowNode[] {
  return [
    ...chipAndPort(name, { start }),
    { id: 'chip', type: 'keyway-chip', port: `port-${name}`, wires: [['out'], ['progress']], ...fields },
  ];
}

function flashOf(name: string): Uint8Array {
  return findSocket(name)?.chip?.flash ?? new Uint8Array();
}

describe('keyway-chip', () => {
  afterEach(unload);

  it('detects the chip, adds it to the unit and starts it again', async () => {
    const bench = await Bench.load(chip('chip-detect'));
    const started = new Promise<string>((resolve) =>
      findSocket('chip-detect')?.chip?.on('log', (text) => {
        if (/Hello from/.test(text)) resolve(text);
      }),
    );
    bench.send('chip', { payload: 1 });
    const msg = await bench.out.next();
    assert.equal(msg.topic, 'chip/detected');
    assert.equal(msg.payload.name, 'ESP32-C3');
    assert.equal(msg.device.mac, findSocket('chip-detect')?.chip?.mac);
    await started;
    await bench.status('chip', (status) => status.fill === 'green' && status.text === 'ESP32-C3');
    await bench.completed.next();
  });

  it('reads a range, and to the end without a size', async () => {
    const bench = await Bench.load(
      chip('chip-read', { operation: 'read', offset: 'from', offsetType: 'msg', size: 'size', sizeType: 'msg' }),
    );
    bench.send('chip', { from: '0x8000', size: '3K' });
    const part = await bench.out.next();
    assert.equal(part.topic, 'chip/read');
    assert.ok(Buffer.isBuffer(part.payload));
    assert.deepEqual(part.payload, Buffer.from(flashOf('chip-read').subarray(0x8000, 0x8c00)));
    bench.send('chip', { from: (4 << 20) - 5000 });
    const [, tail] = await bench.out.many(2);
    assert.deepEqual(tail?.payload, Buffer.from(flashOf('chip-read').subarray(-5000)));
    assert.equal(await bench.failure('chip', { from: '4MB', size: 1 }), 'BAD_FIELD');
    assert.equal(await bench.failure('chip', { from: -1 }), 'BAD_FIELD');
  });

  it('erases a range of whole sectors, or everything when told so', async () => {
    const bench = await Bench.load([
      ...chip('chip-erase', { operation: 'erase', offset: 'from', offsetType: 'msg', size: 'size', sizeType: 'msg' }),
      {
        id: 'all',
        type: 'keyway-chip',
        port: 'port-chip-erase',
        operation: 'erase',
        whole: true,
        wires: [['out'], []],
      },
    ]);
    assert.equal(await bench.failure('chip', { from: 0 }), 'NO_RANGE');
    assert.equal(await bench.failure('chip', { from: 0x8001, size: 4096 }), 'BAD_FIELD');
    assert.ok(
      flashOf('chip-erase')
        .subarray(0x8000, 0x8020)
        .some((byte) => byte !== 0xff),
    );
    bench.send('chip', { from: 0x8000, size: 4096 });
    const msg = await bench.out.next();
    assert.deepEqual([msg.topic, msg.payload], ['chip/erased', { offset: 0x8000, size: 4096 }]);
    assert.ok(
      flashOf('chip-erase')
        .subarray(0x8000, 0x9000)
        .every((byte) => byte === 0xff),
    );
    bench.send('all', {});
    await bench.out.many(2);
    assert.ok(flashOf('chip-erase').every((byte) => byte === 0xff));
  });

  it('resets the chip', async () => {
    const bench = await Bench.load(chip('chip-reset', { operation: 'what', operationType: 'msg' }));
    const booted = new Promise((resolve) => findSocket('chip-reset')?.chip?.once('boot', resolve));
    bench.send('chip', { what: 'reset' });
    const msg = await bench.out.next();
    assert.deepEqual([msg.topic, msg.payload], ['chip/reset', { restarted: true }]);
    await booted;
    assert.equal(await bench.failure('chip', { what: 'melt' }), 'BAD_FIELD');
  });

  it('says why it does not get on', async () => {
    const bench = await Bench.load([
      ...chip('chip-none', { timeout: '1' }),
      { id: 'p-nowhere', type: 'keyway-port', name: 'nowhere', address: 'virtual:nobody' },
      { id: 'p-baud', type: 'keyway-port', name: 'baud', address: 'virtual:nobody', baudRate: 'fast' },
      { id: 'p-blank', type: 'keyway-port', name: 'blank' },
      { id: 'p-odd', type: 'keyway-port', name: 'odd', address: 'over there' },
      ...['nowhere', 'blank', 'odd', 'baud'].map((port) => ({
        id: `at-${port}`,
        type: 'keyway-chip',
        port: `p-${port}`,
        wires: [[], []],
      })),
      {
        id: 'context',
        type: 'keyway-chip',
        port: 'p-nowhere',
        baudRate: '$nothing(',
        baudRateType: 'jsonata',
        wires: [[], []],
      },
    ]);
    assert.equal(await bench.failure('at-nowhere', {}), 'PORT_NOT_FOUND');
    assert.equal(await bench.failure('at-blank', {}), 'PORT_NOT_SET');
    assert.equal(await bench.failure('at-odd', {}), 'BAD_ADDRESS');
    assert.equal(await bench.failure('at-baud', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('context', {}), 'BAD_EXPRESSION');
    findSocket('chip-none')?.remove();
    assert.equal(await bench.failure('chip', {}), 'TIMEOUT');
    const last = await bench.status('chip', (status) => status.text === 'TIMEOUT');
    assert.deepEqual([last.fill, last.shape], ['red', 'dot']);
  });
});
