import assert from 'node:assert/strict';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { slipEncode } from '../../../lib/esp/slip.ts';
import type { Fault } from '../../../lib/virtual/index.ts';
import { Bench, dataBlock, noise, request, syncBody, words } from './bench.ts';

describe('virtual chip: line', () => {
  it('paces both directions at ten bits a byte', async () => {
    const bench = new Bench();
    await bench.startStub();
    const frame = slipEncode(request(0x0a, words(0)));
    const started = bench.clock.now();
    await bench.ok(0x0a, words(0));
    const reply = 12;
    assert.ok(Math.abs(bench.clock.now() - started - ((frame.length + reply) * 10_000) / 115200) < 0.01);
  });

  it('hands bytes to the host as they arrive, not all at the end', async () => {
    const bench = new Bench({ flash: noise(0x1000) });
    await bench.startStub();
    const arrivals: { at: number; length: number }[] = [];
    bench.link.onData((chunk) => arrivals.push({ at: bench.clock.now(), length: chunk.length }));
    await bench.ok(0xd2, words(0, 0x1000, 0x1000, 1));
    await bench.frame();
    const times = arrivals.map(({ at }) => at);
    assert.ok(arrivals.length > 50);
    for (let i = 1; i < times.length; i++) assert.ok((times[i] as number) - (times[i - 1] as number) < 3);
  });

  it('turns bytes into the same noise each time when the rates differ by more than 3 %, and reads them up to that', async () => {
    const heard: string[] = [];
    for (let i = 0; i < 2; i++) {
      const bench = new Bench();
      await bench.link.setBaudRate(74880);
      await bench.reset();
      await bench.clock.advance(100);
      heard.push(bench.text);
    }
    assert.equal(heard[0], heard[1]);
    assert.ok((heard[0] as string).length > 10);
    assert.doesNotMatch(heard[0] as string, /ESP-ROM/);
    const bench = new Bench();
    await bench.startStub();
    await bench.link.setBaudRate(117000);
    await bench.ok(0x08, syncBody());
  });

  it('takes a turnaround for each block, from the end of its ACK to the next byte of the host', async () => {
    const bench = new Bench();
    await bench.startStub();
    await bench.ok(0x02, words(0x4000 * 3, 3, 0x4000, 0, 0));
    bench.chip.resetStats();
    for (let i = 0; i < 3; i++) {
      await bench.ok(0x03, ...dataBlock(noise(0x4000), i));
      await bench.clock.advance(7);
    }
    await bench.ok(0x13, words(0, 16, 0, 0));
    const stats = bench.chip.stats();
    assert.equal(stats.turnaround.samples.length, 3);
    for (const sample of stats.turnaround.samples) assert.ok(Math.abs(sample - 7) < 0.001);
    assert.deepEqual(stats.commands, { '03': 3, '13': 1 });
    assert.ok((stats.flashTo as number) > 0);
    assert.equal(stats.wireBytes.toHost, 3 * 12 + 28);
  });

  it('makes up for callbacks that come late: nothing adds up', async () => {
    const bench = new Bench();
    await bench.startStub();
    const started = bench.clock.now();
    for (let i = 0; i < 20; i++) await bench.write(slipEncode(request(0x0a, words(0))));
    await bench.clock.advance(200);
    const { lastByteAt } = bench.chip.stats();
    assert.ok(Math.abs((lastByteAt.toChip as number) - started - (20 * 14 * 10_000) / 115200) < 0.01);
  });

  const ask = (bench: Bench): Promise<unknown> => bench.ask(0x0a, words(0), 0, 500);

  it('drops a byte, flips bits, at a byte and once', async () => {
    const bench = new Bench();
    await bench.startStub();
    await bench.ok(0x02, words(64, 1, 0x4000, 0, 0));
    bench.chip.setFault({ kind: 'flip', at: 30, mask: 0x01 });
    assert.equal(Buffer.from((await bench.ask(0x03, ...dataBlock(noise(64), 0))).body).toString('hex'), 'c100');
    await bench.ok(0x03, ...dataBlock(noise(64), 0));
    bench.chip.setFault({ kind: 'drop', at: 5, count: 2 });
    assert.equal(Buffer.from((await bench.ask(0x0a, words(0))).body).toString('hex'), 'c000');
    await bench.ok(0x0a, words(0));
    bench.chip.setFault({ kind: 'drop', direction: 'toHost', at: 3 });
    assert.equal((await bench.frameWithin(10)) ?? null, null);
    await bench.write(slipEncode(request(0x0a, words(0))));
    assert.equal((await bench.frame()).length, 9);
  });

  it('stalls for a while or for ever, and loses nothing', async () => {
    for (const direction of ['toChip', 'toHost'] as const) {
      for (const line of ['paced', 'free'] as const) {
        const bench = new Bench({ line });
        await bench.startStub();
        bench.chip.setFault({ kind: 'stall', direction, at: 4, ms: 300 });
        const started = bench.clock.now();
        await bench.ok(0x0a, words(0));
        assert.ok(bench.clock.now() - started >= 300);
        bench.chip.setFault({ kind: 'stall', direction, at: 4 });
        await assert.rejects(ask(bench), /no frame/);
        bench.chip.clearFaults();
        await bench.frame();
      }
    }
  });

  it('resets by itself, browns out, or loses its cable in the middle of a block', async () => {
    for (const [kind, expected] of [
      ['reset', /rst:0x1 \(POWERON\),boot:0xc/],
      ['brownout', /Brownout detector was triggered[\s\S]*rst:0xf \(BROWNOUT_RST\)/],
    ] as const) {
      const bench = new Bench();
      await bench.startStub();
      await bench.ok(0x02, words(0x4000, 1, 0x4000, 0x1000, 0));
      bench.received.length = 0;
      bench.chip.setFault({ kind, at: 9000 });
      await bench.write(slipEncode(request(0x03, ...dataBlock(noise(0x4000), 0))));
      await bench.clock.advance(3000);
      assert.match(bench.text, expected);
      assert.ok(
        bench.chip.flash.subarray(0x1000, 0x5000).every((byte) => byte === 0xff),
        'the block was not written',
      );
    }
    const bench = new Bench();
    await bench.startStub();
    let gone: Error | undefined;
    bench.link.onClose((error) => {
      gone = error;
    });
    bench.chip.setFault({ kind: 'pull', at: 9000 });
    const started = bench.clock.now();
    await bench.write(slipEncode(request(0x03, ...dataBlock(noise(0x4000), 0))));
    await bench.clock.advance((9001 * 10_000) / 115200 + 1);
    assert.ok(isKeywayError(gone, 'PORT_GONE'));
    assert.ok(bench.clock.now() - started < 800);
  });

  it('can be asked for a fault by the byte since the statistics were reset', async () => {
    const bench = new Bench();
    await bench.startStub();
    bench.chip.resetStats();
    await bench.ok(0x0a, words(0));
    bench.chip.setFault({ kind: 'flip', from: 'start', at: 14 + 3, mask: 1 });
    assert.equal(Buffer.from((await bench.ask(0x0a, words(0))).body).toString('hex'), 'c000', 'its length is wrong');
  });

  it('is noisy above a rate, the same way each time, until the faults are cleared', async () => {
    const damaged = async (baud: number, clear = false): Promise<number[]> => {
      const bench = new Bench();
      await bench.startStub();
      await bench.ok(0x0f, words(baud, 115200));
      await bench.link.setBaudRate(baud);
      bench.chip.setFault({ kind: 'noise', direction: 'toHost', every: 500, aboveBaud: 115200 });
      if (clear) bench.chip.clearFaults();
      const before = bench.received.length;
      await bench.write(slipEncode(request(0xd2, words(0, 0x8000, 0x1000, 1))));
      await bench.clock.advance(2000);
      return bench.received.slice(before);
    };
    const clean = await damaged(115200);
    assert.deepEqual(await damaged(460800, true), clean);
    const noisy = await damaged(460800);
    const struck = noisy.filter((byte, i) => byte !== clean[i]).length;
    assert.ok(struck > 3 && struck < 30, `${struck} of ${noisy.length}`);
    assert.deepEqual(await damaged(460800), noisy);
  });

  it('refuses faults that are none', () => {
    const { chip } = new Bench();
    for (const fault of [
      { kind: 'drop', at: -1 },
      { kind: 'flip', at: 1.5 },
      { kind: 'burn' },
      { kind: 'stall', ms: Number.NaN },
      { kind: 'noise', every: 0 },
      { kind: 'noise', aboveBaud: -1 },
    ]) {
      assert.throws(
        () => chip.setFault(fault as Fault),
        (error) => isKeywayError(error, 'BAD_FAULT'),
      );
    }
  });
});
