import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { FlashMemory } from '../../../lib/virtual/chip/flash.ts';
import { Straps } from '../../../lib/virtual/chip/straps.ts';
import { ManualClock, VirtualChip } from '../../../lib/virtual/index.ts';
import { LineShaper } from '../../../lib/virtual/serve/shaper.ts';
import { Bench } from './bench.ts';

describe('virtual chip: straps and reset lines', () => {
  it('pulls EN by RTS alone, IO0 by DTR alone, and neither by both or none', () => {
    const straps = new Straps(new ManualClock(), 5, { held: () => undefined, released: () => undefined });
    for (const [dtr, rts, enableLow, bootPinLow] of [
      [false, false, false, false],
      [true, true, false, false],
      [false, true, true, false],
      [true, false, false, true],
    ] as const) {
      straps.setLines({ dtr, rts });
      assert.deepEqual([straps.enableLow, straps.bootPinLow], [enableLow, bootPinLow]);
    }
  });

  it('reads the straps some ms after EN has risen, once', async () => {
    const clock = new ManualClock();
    const read: boolean[] = [];
    const straps = new Straps(clock, 5, { held: () => undefined, released: (download) => read.push(download) });
    straps.power(true);
    straps.setLines({ dtr: false, rts: true });
    await clock.advance(100);
    assert.deepEqual(read, []);
    straps.setLines({ dtr: true, rts: true });
    await clock.advance(1);
    straps.setLines({ dtr: true, rts: false });
    await clock.advance(5);
    assert.deepEqual(read, [true]);
    straps.setLines({ dtr: false, rts: false });
    await clock.advance(500);
    assert.deepEqual(read, [true]);
  });

  it('follows the buttons as it follows the lines', async () => {
    const bench = new Bench();
    await bench.clock.advance(50);
    bench.chip.pressBoot(true);
    bench.chip.pressEnable(true);
    await bench.clock.advance(50);
    bench.chip.pressEnable(false);
    await bench.clock.advance(50);
    bench.chip.pressBoot(false);
    assert.match(bench.text, /waiting for download/);
    await bench.sync();
  });

  it('is silent while EN is low, and boots again when it rises', async () => {
    const bench = new Bench();
    await bench.clock.advance(3);
    await bench.link.setLines({ dtr: false, rts: true });
    await bench.clock.advance(1000);
    assert.equal(bench.text, '');
    await bench.link.setLines({ dtr: false, rts: false });
    await bench.clock.advance(100);
    assert.match(bench.text, /boot:0xc/);
  });

  it('puts the halves of a reset over the network together, and gives up waiting', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    const shaper = new LineShaper(({ dtr, rts }) => seen.push(`${Number(dtr)}${Number(rts)}`), clock);
    shaper.set({ dtr: false, rts: true });
    shaper.set({ dtr: true, rts: true });
    await clock.advance(100);
    shaper.set({ dtr: true, rts: false });
    assert.deepEqual(seen, ['01', '10']);
    shaper.set({ dtr: false, rts: true });
    shaper.set({ dtr: true, rts: true });
    await clock.advance(200);
    assert.deepEqual(seen, ['01', '10', '01', '11']);
  });
});

describe('virtual chip: flash memory', () => {
  const make = (timed = false): FlashMemory =>
    new FlashMemory(new Uint8Array(0x20000).fill(0xff), { timed, changed: () => undefined });

  it('only clears bits when it programs', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        (a, b) => {
          const flash = make();
          flash.program(100, a);
          flash.program(100, b);
          const expected = Array.from(
            { length: Math.max(a.length, b.length) },
            (_, i) => (a[i] ?? 0xff) & (b[i] ?? 0xff),
          );
          assert.deepEqual([...flash.read(100, expected.length)], expected);
        },
      ),
    );
  });

  it('erases whole sectors, and blocks where they fit', () => {
    const flash = make(true);
    flash.program(0, new Uint8Array(0x20000));
    assert.equal(flash.eraseRange(0xf000, 0x11000), 45 + 150);
    assert.equal(flash.bytes.indexOf(0xff), 0xf000);
    flash.program(0x1ffff, new Uint8Array(10));
    assert.equal(flash.program(0x20000, new Uint8Array(10)), 0);
  });

  it('refuses options that no chip has', () => {
    const options = { model: 'esp32c3', mac: '60:55:f9:00:00:01' };
    for (const [changed, code] of [
      [{ model: 'esp8266' }, 'BAD_CHIP_MODEL'],
      [{ mac: '61:55:f9:00:00:01' }, 'BAD_MAC'],
      [{ mac: '60:55:f9' }, 'BAD_MAC'],
      [{ flashSize: 3_000_000 }, 'BAD_CHIP_OPTION'],
      [{ flashSize: 0x100000, flash: new Uint8Array(0x100001) }, 'BAD_CHIP_OPTION'],
      [{ strapDelayMs: -1 }, 'BAD_CHIP_OPTION'],
    ] as const) {
      assert.throws(
        () => new VirtualChip({ ...options, ...changed }),
        (error) => isKeywayError(error, code),
      );
    }
    assert.equal(
      new VirtualChip({ model: 'ESP32-C3', mac: '6055F9000001', clock: new ManualClock() }).mac,
      options.mac,
    );
  });
});
