import assert from 'node:assert/strict';
import { once } from 'node:events';
import { holderOf, openLink } from '../../lib/link/index.ts';
import { createHandle } from '../../lib/vault/index.ts';
import { Bench, type FlowNode, unload } from './harness.ts';
import { AuditLog, busOf, bench as readersBench, row } from './osdp-flow.ts';

function command(operation: string, fields: Record<string, unknown> = {}): FlowNode {
  return { id: `do-${operation}`, type: 'keyway-osdp-command', bus: 'bus', operation, wires: [['out']], ...fields };
}

const KEY = 'c0ffee00112233445566778899aabbcc';

describe('keyway-osdp-command', () => {
  afterEach(unload);

  it('asks who a reader is, what it can do and how it is', async () => {
    const bench = await Bench.load([
      ...busOf('ask', { addresses: '5' }),
      command('identify', { wires: [['do-capabilities']] }),
      command('capabilities', { wires: [['do-status']] }),
      command('status'),
    ]);
    readersBench().reader(5).tampered = true;
    bench.send('do-identify', { reader: { address: 5, room: 'archive' }, job: 'unit 3' });
    const msg = await bench.out.next();
    assert.deepEqual([msg.topic, msg.job], ['osdp/status', 'unit 3']);
    const { address, baudRate, tamper, powerFailure, outputs } = msg.payload;
    assert.deepEqual([address, baudRate, tamper, powerFailure, outputs], [5, 9600, true, false, [0, 0]]);
    assert.deepEqual([msg.reader.room, msg.reader.serial, msg.reader.firmware], ['archive', 0x10000005, '1.0.0']);
    assert.equal(msg.reader.capabilities.secureChannel, true);
    assert.equal(bench.lastStatus('do-status')?.fill, 'green');
  });

  it('lights, sounds, writes and switches', async () => {
    const bench = await Bench.load([
      ...busOf('locate', { addresses: '5' }, { readers: [row(5)] }),
      command('led', { color: 'blue', seconds: '3' }),
      command('buzzer', { seconds: '2' }),
      command('text'),
      command('output', { number: '1', seconds: '0.5' }),
      command('led', { id: 'steady', color: 'red', blink: 'false', seconds: '' }),
    ]);
    const reader = readersBench().reader(5);
    const saw = async (event: 'led' | 'buzzer' | 'text' | 'output', id: string, msg = {}) => {
      const seen = once(reader, event);
      bench.send(id, msg);
      return ((await seen) as unknown[])[0];
    };
    const led = (await saw('led', 'do-led')) as { temporary: object; permanent: object };
    assert.deepEqual(led.temporary, { control: 2, onTime: 2, offTime: 2, onColor: 4, offColor: 0, timer: 30 });
    const steady = (await saw('led', 'steady')) as { temporary: { control: number }; permanent: object };
    assert.deepEqual(
      [steady.temporary.control, steady.permanent],
      [1, { control: 1, onTime: 1, offTime: 0, onColor: 1, offColor: 0 }],
    );
    const buzz = (await saw('buzzer', 'do-buzzer')) as Record<string, number>;
    assert.deepEqual([buzz.onTime, buzz.offTime, buzz.count], [2, 2, 5]);
    assert.equal(await saw('text', 'do-text', { payload: 'Hello' }), 'Hello');
    assert.deepEqual(await saw('output', 'do-output'), { output: 1, on: true });
    await bench.out.many(5);
  });

  it('asks a reader at another rate than the bus has, and the bus is back afterwards', async () => {
    const bench = await Bench.load([
      ...busOf('hop', { addresses: '9', baudRate: '57600' }),
      command('identify'),
      command('identify', { id: 'here', baudRate: '', baudRateType: 'num', timeout: '5' }),
    ]);
    bench.send('do-identify', { reader: { address: 9, baudRate: 57600 } });
    const { payload } = await bench.out.next();
    assert.deepEqual([payload.baudRate, payload.serial], [57600, 0x10000009]);
    bench.send('here', { reader: { address: 9, baudRate: 57600 } });
    const { error } = await bench.caught.next();
    assert.match(error.code, /^(NO_REPLY|GARBAGE_ONLY)$/);
    assert.match(error.message, /address 9 at 9600 baud/);
  });

  it('sends any other command by hand, but none that touches keys', async () => {
    const bench = await Bench.load([
      ...busOf('raw', { addresses: '5' }, { readers: [row(5)] }),
      command('raw', { codeType: 'msg', code: 'code', dataType: 'msg', data: 'data' }),
    ]);
    bench.send('do-raw', { code: 0x64 });
    const { payload } = await bench.out.next();
    assert.deepEqual([payload.command, payload.reply, payload.tamper], ['LSTAT', 'LSTATR', false]);
    bench.send('do-raw', { code: 0x99, data: '01 02' });
    const second = (await bench.out.many(2))[1];
    assert.deepEqual([second?.payload.command, second?.payload.reply, second?.payload.reason], [0x99, 'NAK', 3]);
    for (const code of [0x75, 0x76, 0x77]) assert.equal(await bench.failure('do-raw', { code }), 'CODE_REFUSED');
    assert.equal(await bench.failure('do-raw', { code: 256 }), 'BAD_FIELD');
    assert.equal(await bench.failure('do-raw', { code: 0x64, data: 'xyz' }), 'BAD_FIELD');
  });

  it('writes every command that is sent by hand into the audit log, and what it carries not', async () => {
    const log = new AuditLog();
    const bench = await Bench.load(
      [
        ...busOf('audited', { addresses: '5' }, { readers: [row(5)] }),
        command('raw', { codeType: 'msg', code: 'code', dataType: 'msg', data: 'data' }),
        command('identify'),
      ],
      [log.watch],
    );
    bench.send('do-raw', { code: 0x80, data: 'c0 ff ee' });
    await bench.out.next();
    const entry = { bus: 'bus audited', address: 5, node: 'do-raw', type: 'keyway-osdp-command' };
    assert.deepEqual(log.of('osdp.raw'), [{ ...entry, code: 0x80 }]);
    // An attempt at a key is worth knowing too.
    assert.equal(await bench.failure('do-raw', { code: 0x75, data: `0110${KEY}` }), 'CODE_REFUSED');
    assert.deepEqual(log.of('osdp.raw')[1], { ...entry, code: 0x75 });
    bench.send('do-identify', {});
    await bench.out.many(2);
    assert.equal(log.of('osdp.raw').length, 2);
    assert.doesNotMatch(JSON.stringify(log.records), /c0 ?ff ?ee/i);
  });

  it('names address, rate, bytes and frames when nothing comes back', async () => {
    const bench = await Bench.load([...busOf('silent', { addresses: '5' }), command('identify')]);
    bench.send('do-identify', { reader: { address: 6 } });
    const { error } = await bench.caught.next();
    assert.equal(error.code, 'NO_REPLY');
    assert.match(error.message, /address 6 at 9600 baud in \d tries \(0 bytes, 0 frames\)/);
    assert.equal(bench.lastStatus('do-identify')?.text, 'NO_REPLY');
  });

  it('says how many bytes and frames came when two readers talk at once', async () => {
    const bench = await Bench.load([
      ...busOf('clash', { count: '2', addresses: '5,5', line: 'paced' }),
      command('identify'),
    ]);
    bench.send('do-identify', { reader: { address: 5 } });
    const { error } = await bench.caught.next();
    assert.equal(error.code, 'GARBAGE_ONLY');
    assert.match(error.message, /address 5 at 9600 baud came \d+ bytes with 0 frames/);
  });

  it('says who else holds the port', async () => {
    const bench = await Bench.load([...busOf('held', { addresses: '5' }), command('identify')]);
    const link = await openLink('virtual:held', { owner: 'a terminal program' });
    try {
      bench.send('do-identify', { reader: { address: 5 } });
      const { error } = await bench.caught.next();
      assert.equal(error.code, 'PORT_BUSY');
      assert.match(error.message, /a terminal program/);
    } finally {
      await link.close();
    }
    bench.send('do-identify', { reader: { address: 5 } });
    assert.equal((await bench.out.next()).payload.serial, 0x10000005);
  });

  it('refuses bad input before the port is opened', async () => {
    const bench = await Bench.load([
      ...busOf('bad'),
      command('identify'),
      command('status', { bus: '' }),
      command('add', { security: 'handle' }),
      { id: 'fast', type: 'keyway-osdp-bus', name: 'bus fast', port: 'port', baudRate: '1200' },
      command('capabilities', { bus: 'fast', baudRate: '', baudRateType: 'num' }),
      { id: 'nowhere', type: 'keyway-osdp-bus', name: 'bus nowhere', port: '' },
      command('buzzer', { bus: 'nowhere' }),
      { id: 'odd', type: 'keyway-osdp-bus', name: 'bus odd', port: 'port', readers: [row(127)] },
      command('text', { bus: 'odd', text: 'hello', textType: 'str' }),
    ]);
    bench.send('do-identify', { reader: { address: 127 } });
    const { error } = await bench.caught.next();
    assert.equal(error.code, 'BAD_OSDP_ADDRESS');
    assert.match(error.message, /127 is the configuration address/);
    assert.equal(await bench.failure('do-identify', {}), 'BAD_OSDP_ADDRESS');
    assert.equal(await bench.failure('do-identify', { reader: { address: 1, baudRate: 14400 } }), 'BAD_OSDP_BAUD');
    assert.equal(await bench.failure('do-status', {}), 'BUS_NOT_SET');
    assert.equal(await bench.failure('do-capabilities', { reader: { address: 1 } }), 'BAD_OSDP_BAUD');
    assert.equal(await bench.failure('do-buzzer', { reader: { address: 1 } }), 'PORT_NOT_SET');
    assert.equal(await bench.failure('do-text', { reader: { address: 1 } }), 'BAD_OSDP_ADDRESS');
    const keyOf = (bytes: Uint8Array) =>
      createHandle(Buffer.from(bytes), { kind: 'osdp-key', redeemableBy: ['keyway-osdp-bus'], expiresInMs: 60_000 });
    const add = (key: unknown) => bench.failure('do-add', { reader: { address: 1, key } });
    assert.equal(await add(undefined), 'BAD_FIELD');
    assert.equal(await add(keyOf(Buffer.alloc(15, 1))), 'BAD_OSDP_KEY');
    assert.equal(await add(keyOf(Buffer.alloc(16))), 'FORBIDDEN_KEY');
    assert.equal(await add('keyway:handle:none'), 'HANDLE_UNKNOWN');
    assert.equal(holderOf('virtual:bad'), undefined);
  });

  it('says who has the port when it is busy', async () => {
    const bench = await Bench.load([
      ...busOf('taken', { addresses: '5' }),
      { id: 'second', type: 'keyway-osdp-bus', name: 'bus second', port: 'port', readers: [row(5)] },
      { id: 'events', type: 'keyway-osdp-events', bus: 'second', wires: [[]] },
      command('identify', { whenBusy: 'refuse' }),
    ]);
    await bench.status('events', (status) => /1\/1 online/.test(status.text));
    bench.send('do-identify', { reader: { address: 5 } });
    const { error } = await bench.caught.next();
    assert.equal(error.code, 'BUSY');
    assert.match(error.message, /port taken is in use by OSDP bus bus second/);
  });

  it('looks after a reader under its own key, and lets it go', async () => {
    process.env.KEYWAY_TEST_SCBK = KEY;
    const bench = await Bench.load([
      ...busOf('keyed', { addresses: '5', personalities: 'keyed+secure-only', keyVariable: 'KEYWAY_TEST_SCBK' }),
      command('add', { security: 'handle' }),
      command('led'),
      command('remove'),
    ]);
    const terms = { kind: 'osdp-key', redeemableBy: ['keyway-osdp-bus'], expiresInMs: 60_000 };
    assert.equal(await bench.failure('do-led', { reader: { address: 5 } }), 'READER_NAK');
    const wrong = createHandle(Buffer.from('0102030405060708090a0b0c0d0e0f99', 'hex'), terms);
    bench.send('do-add', { reader: { address: 5, key: wrong } });
    await bench.out.next((msg) => msg.topic === 'osdp/add');
    assert.equal(await bench.failure('do-led', { reader: { address: 5 } }), 'SC_WRONG_KEY');
    const right = createHandle(Buffer.from(KEY, 'utf8'), terms);
    bench.send('do-add', { reader: { address: 5, key: right } });
    bench.send('do-led', { reader: { address: 5 } });
    await bench.out.next((msg) => msg.topic === 'osdp/led');
    assert.equal(readersBench().reader(5).hasSession, true);
    bench.send('do-remove', { reader: { address: 5 } });
    const { payload } = await bench.out.next((msg) => msg.topic === 'osdp/remove');
    assert.deepEqual(payload.readers, []);
    assert.equal(await bench.failure('do-led', { reader: { address: 5 } }), 'READER_NAK');
    const seen = JSON.stringify([bench.out.messages, bench.caught.messages, bench.statuses.messages]);
    assert.doesNotMatch(seen, new RegExp(KEY, 'i'));
  });
});
