import assert from 'node:assert/strict';
import { encodeCommand, encodeFrame, type Sequence, withMark } from '../../../../lib/osdp/index.ts';
import { BusBench, listen } from './support.ts';

const command = (address: number, name: 'POLL' | 'CAP' | 'LSTAT', sequence: Sequence = 0) =>
  withMark(encodeFrame({ address, reply: false, sequence, check: 'crc', ...encodeCommand({ name }) }));
const CHARACTER = 10_000 / 9600;

describe('the virtual reader bus', () => {
  let bench: BusBench;
  afterEach(() => bench.close());

  it('takes ten bits a character, and the reader its time to reply', async () => {
    bench = new BusBench();
    bench.add({ replyMs: 3 });
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    await link.write(command(0, 'POLL'));
    await bench.clock.advance(100);
    assert.deepEqual(
      heard.frames.map(({ reply }) => reply?.name),
      ['ACK'],
    );
    assert.ok(Math.abs((heard.frames[0]?.at ?? 0) - (9 * CHARACTER + 3 + 9 * CHARACTER)) < 0.001);
    const { frames, bytes, wireMs, idleMs, replyMs } = bench.bus.stats;
    assert.deepEqual([frames, bytes, replyMs], [2, 18, 3]);
    assert.ok(Math.abs(wireMs - 18 * CHARACTER) < 0.001 && Math.abs(idleMs - 2 * CHARACTER) < 0.001);
  });

  it('lets only the addressed reader answer, at the configuration address all', async () => {
    bench = new BusBench();
    bench.add({ address: 1 });
    bench.add({ address: 2 });
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    await link.write(command(2, 'POLL'));
    await bench.clock.advance(100);
    assert.deepEqual(
      heard.frames.map(({ frame }) => frame.address),
      [2],
    );
    await link.write(command(3, 'POLL'));
    await bench.clock.advance(300);
    assert.equal(heard.frames.length, 1);
    await link.write(command(0x7f, 'POLL'));
    await bench.clock.advance(300);
    heard.parser.flush();
    assert.equal(heard.frames.length, 1, 'two answers at once are none');
    assert.ok(heard.counts.garbage >= 9 && bench.bus.stats.collisions === 1);
  });

  it('makes garbage of what is sent at another rate, both ways', async () => {
    bench = new BusBench();
    bench.add({ baudRate: 38400 });
    const link = await bench.open(9600);
    const heard = listen(link, bench.clock);
    await link.write(command(0, 'POLL'));
    await bench.clock.advance(300);
    assert.equal(heard.counts.bytes, 0);
    await link.setBaudRate(38400);
    await link.write(command(0, 'POLL'));
    await bench.clock.advance(4);
    await link.setBaudRate(9600);
    await bench.clock.advance(300);
    assert.ok(heard.counts.bytes > 0 && heard.frames.length === 0);
  });

  it('gives two readers on one address away as garbage', async () => {
    bench = new BusBench();
    bench.add({ address: 5 });
    bench.add({ address: 5, id: { serial: 9 } });
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    await link.write(command(5, 'CAP'));
    await bench.clock.advance(300);
    assert.ok(heard.frames.length === 0 && heard.counts.bytes > 30);
  });

  it('lets a second host hear everything, and one who talks hear himself only with echo', async () => {
    bench = new BusBench({ echo: true });
    bench.add();
    bench.bus.plug(`${bench.name}-b`);
    const [one, two] = [await bench.open(), await bench.open(9600, `${bench.name}-b`)];
    const [a, b] = [listen(one, bench.clock), listen(two, bench.clock)];
    await one.write(command(0, 'POLL'));
    await bench.clock.advance(100);
    assert.deepEqual(
      a.frames.map(({ frame }) => frame.reply),
      [false, true],
    );
    assert.deepEqual(
      b.frames.map(({ frame }) => frame.reply),
      [false, true],
    );
  });

  it('loses and damages frames as told', async () => {
    bench = new BusBench();
    bench.add();
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    bench.bus.fault({ kind: 'lose', direction: 'reply', name: 'ACK' });
    bench.bus.fault({ kind: 'damage', direction: 'command', after: 1 });
    bench.bus.fault({ kind: 'damage', direction: 'reply', address: 0 });
    for (const sequence of [0, 1, 2] as const) {
      await link.write(command(0, 'POLL', sequence));
      await bench.clock.advance(100);
    }
    assert.equal(heard.frames.length, 0);
    assert.equal(bench.bus.medium.faults.struck, 3);
    await link.write(command(0, 'POLL', 0));
    await bench.clock.advance(100);
    assert.equal(heard.frames.length, 1);
  });

  it('answers a repeated command from memory, and a number out of turn with NAK 4', async () => {
    bench = new BusBench();
    const reader = bench.add();
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    reader.present({ bits: 26, data: Uint8Array.of(1, 2, 3, 0x40) });
    for (const sequence of [0, 0, 1, 3] as const) {
      await link.write(command(0, 'POLL', sequence));
      await bench.clock.advance(100);
    }
    assert.deepEqual(
      heard.frames.map(({ reply }) => reply?.name),
      ['RAW', 'RAW', 'ACK', 'NAK'],
    );
  });

  it('keeps its readers silent without power', async () => {
    bench = new BusBench();
    const reader = bench.add({ personality: { statusAtPowerUp: true } });
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    bench.bus.remove(reader);
    await link.write(command(0, 'POLL'));
    await bench.clock.advance(100);
    assert.equal(heard.frames.length, 0);
    bench.bus.add(reader);
    await link.write(command(0, 'POLL'));
    await bench.clock.advance(100);
    assert.deepEqual(
      heard.frames.map(({ reply }) => reply?.name),
      ['LSTATR'],
    );
  });

  it('runs as fast as it goes when it is not paced, and still collides', async () => {
    bench = new BusBench({ mode: 'free' });
    bench.add({ address: 1 });
    const link = await bench.open();
    const heard = listen(link, bench.clock);
    await link.write(command(1, 'POLL'));
    await bench.clock.advance(0);
    assert.equal(heard.frames.length, 1);
    bench.add({ address: 1 });
    await link.write(command(1, 'POLL'));
    await bench.clock.advance(0);
    assert.equal(heard.frames.length, 1);
  });

  it('takes its ports with it when it goes', async () => {
    bench = new BusBench();
    const link = await bench.open();
    bench.bus.close();
    await assert.rejects(link.write(command(0, 'POLL')), { code: 'PORT_GONE' });
    await assert.rejects(bench.open(), { code: 'PORT_NOT_FOUND' });
  });
});
