import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type ChipSession, connectChip } from '../../../../lib/esp/session/index.ts';
import type { Progress } from '../../../../lib/esp/types.ts';
import type { VirtualChip } from '../../../../lib/virtual/index.ts';
import { app, bytes } from '../plan/sets.ts';
import { chipOnCable, clearBench, connecting } from './bench.ts';
import { refused } from './refused.ts';

const noise = () => Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 7 + (i >> 8) * 13) & 0xff);

async function withStub(flash = noise()): Promise<{ chip: VirtualChip; session: ChipSession }> {
  const { chip, link } = chipOnCable({ flash, flashSize: 1 << 20 });
  const session = await connectChip(link, connecting);
  await session.startStub();
  return { chip, session };
}

describe('ChipSession', () => {
  afterEach(clearBench);

  for (const [offset, size] of [
    [0, 1],
    [5, 4095],
    [0x1000, 0x1000],
    [0x123, 0x5001],
  ] as const) {
    it(`reads ${size} bytes at ${offset}, checked`, async () => {
      const { chip, session } = await withStub();
      const events: Progress[] = [];
      const read = await session.readFlash(offset, size, { onProgress: (progress) => events.push(progress) });
      assert.deepEqual(read, chip.flash.slice(offset, offset + size));
      assert.equal(events.at(-1)?.done, size);
      await session.close();
    });
  }

  it('reads by the ROM alone', async () => {
    const { chip, link } = chipOnCable({ flash: noise(), flashSize: 1 << 20 });
    const session = await connectChip(link, connecting);
    assert.deepEqual(await session.readFlash(0x100, 200), chip.flash.slice(0x100, 0x100 + 200));
    await session.close();
  });

  it('reads again what was damaged on the way', async () => {
    const { chip, session } = await withStub();
    chip.setFault({ kind: 'flip', direction: 'toHost', at: 300, mask: 0x02 });
    assert.deepEqual(await session.readFlash(0, 5000), chip.flash.slice(0, 5000));
    chip.setFault({ kind: 'drop', direction: 'toHost', at: 300 });
    assert.deepEqual(await session.readFlash(0, 5000), chip.flash.slice(0, 5000));
    await session.close();
  });

  it('READ_CORRUPT: damaged twice', async () => {
    const { chip, session } = await withStub();
    chip.on('command', ({ name }) => {
      if (name === 'READ_FLASH') chip.setFault({ kind: 'flip', direction: 'toHost', at: 300, mask: 0x02 });
    });
    await refused('READ_CORRUPT', session.readFlash(0, 5000));
    chip.removeAllListeners('command');
    assert.deepEqual(await session.readFlash(0, 5000), chip.flash.slice(0, 5000));
    await session.close();
  });

  it('a cancelled read leaves the line usable', async () => {
    const { chip, session } = await withStub();
    const cancel = new AbortController();
    const work = session.readFlash(0, 0x40000, {
      signal: cancel.signal,
      onProgress: ({ done }) => done > 9000 && cancel.abort(),
    });
    await refused('CANCELLED', work);
    assert.deepEqual(await session.readFlash(0x2000, 64), chip.flash.slice(0x2000, 0x2040));
    await session.close();
  });

  it('erases a range and nothing else', async () => {
    const { chip, session } = await withStub();
    const before = chip.flash.slice();
    await session.eraseRange(0x3000, 0x50000);
    before.fill(0xff, 0x3000, 0x53000);
    assert.deepEqual(chip.flash, before);
    assert.equal(await session.isBlank(0x3000, 0x50000), true);
    assert.equal(await session.isBlank(0x2000, 0x2000), false);
    await session.close();
  });

  it('erases everything', async () => {
    const { chip, session } = await withStub();
    await session.eraseAll();
    assert.ok(chip.flash.every((byte) => byte === 0xff));
    await session.close();
  });

  it('gives the MD5 of what the flash holds', async () => {
    const { chip, session } = await withStub();
    const wanted = createHash('md5').update(chip.flash.subarray(7, 1007)).digest('hex');
    assert.equal(await session.md5(7, 1000), wanted);
    await session.close();
  });

  it('needs the stub to erase everything', async () => {
    const { link } = chipOnCable();
    const session = await connectChip(link, connecting);
    await refused('NEEDS_STUB', session.eraseAll());
    await session.close();
  });

  it('BAD_RANGE: before anything is sent, naming field and value', async () => {
    const { chip, session } = await withStub();
    const before = chip.flash.slice();
    const error = await refused('BAD_RANGE', session.eraseRange(0x1001, 0x1000));
    assert.deepEqual(error.detail, { field: 'offset', value: 0x1001 });
    await refused('BAD_RANGE', session.eraseRange(0, 100));
    await refused('BAD_RANGE', session.readFlash(-1, 10));
    await refused('BAD_RANGE', session.readFlash(0, 0));
    await refused('BAD_RANGE', session.md5(0, 1.5));
    await refused('BAD_RANGE', session.setBaudRate(Number.NaN));
    await refused('BAD_RANGE', session.writeRegion({ offset: 12, data: bytes(4), name: 'x' }));
    assert.deepEqual(chip.flash, before);
    await session.close();
  });

  it('SESSION_BUSY: one operation at a time', async () => {
    const { session } = await withStub();
    const first = session.md5(0, 4096);
    await refused('SESSION_BUSY', session.md5(0, 4096));
    await first;
    await session.close();
  });

  it('BAUD_FAILED: a rate that the line does not carry', async () => {
    const { link } = chipOnCable();
    const session = await connectChip(link, connecting);
    await session.startStub();
    const set = link.setBaudRate.bind(link);
    link.setBaudRate = (rate) => set(rate === 2_000_000 ? 1_500_000 : rate);
    const error = await refused('BAUD_FAILED', session.setBaudRate(2_000_000));
    assert.match(error.message, /2000000/);
    await session.close();
  });

  it('writes a region by itself', async () => {
    const { chip, session } = await withStub();
    const result = await session.writeRegion({ offset: 0x8000, data: app, name: 'app' });
    assert.equal(result.attempts, 1);
    assert.deepEqual(chip.flash.subarray(0x8000, 0x8000 + app.length), app);
    await session.close();
  });

  it('after close() nothing goes on', async () => {
    const { session } = await withStub();
    await session.close();
    await refused('PORT_GONE', session.md5(0, 4096));
  });

  it('a hard reset really resets: the chip prints its boot log', async () => {
    const { chip, session } = await withStub();
    const boot = new Promise<string>((resolve) => chip.once('boot', ({ mode }) => resolve(mode)));
    assert.equal(await session.reset(), true);
    assert.equal(await boot, 'flash');
    assert.deepEqual(session.link.lines, { dtr: false, rts: false });
  });
});
