import assert from 'node:assert/strict';
import { codeOf, KeywayError } from '../../../../lib/errors/index.ts';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { type FlashOptions, flash, type LostDevice } from '../../../../lib/esp/session/index.ts';
import type { FlashPhase, FlashPlan } from '../../../../lib/esp/types.ts';
import type { Direction, VirtualChip, VirtualSocket } from '../../../../lib/virtual/index.ts';
import { app, bootloader, bytes, imageSet, region, tableBytes, wholeSet } from '../plan/sets.ts';
import { chipInSocket, clearBench, connecting, makeChip, platform } from './bench.ts';
import { refused } from './refused.ts';

const plan = await planFlash(wholeSet(), { platform, erase: [{ offset: 0x120000, size: 0x2000, name: 'ota_0' }] });
const dirty = () => new Uint8Array(4 << 20).fill(0x11);
const fast: FlashOptions = { ...connecting, baudRate: 921_600 };

/** Every range of the plan holds what it should. */
function holdsAll(chip: VirtualChip, { steps }: FlashPlan = plan): void {
  for (const { offset, size, data, name } of steps) {
    const wanted = data ?? bytes(size, 0xff);
    assert.equal(Buffer.compare(chip.flash.subarray(offset, offset + size), wanted), 0, name);
  }
}

/** Puts the cable back as soon as it was pulled. */
function plugBack(socket: VirtualSocket, before: () => void = () => undefined): void {
  let wasPlugged = true;
  socket.onChange(() => {
    if (wasPlugged && !socket.isPlugged) {
      setImmediate(() => {
        before();
        socket.plug();
      });
    }
    wasPlugged = socket.isPlugged;
  });
}

/** Numbers from 0 to 1 that are the same in every run. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a cable pulled while flashing', () => {
  afterEach(clearBench);

  const phases: FlashPhase[] = ['connect', 'detect', 'stub', 'erase', 'write', 'verify'];
  for (const phase of phases) {
    for (const direction of ['toChip', 'toHost'] as Direction[]) {
      it(`in the phase ${phase}, ${direction}: waits for the board and goes on`, async () => {
        const { chip, socket, target } = chipInSocket({ flash: dirty() });
        plugBack(socket);
        const told: [string, LostDevice][] = [];
        const waits: number[] = [];
        let set = false;
        const result = await flash(target, plan, {
          ...fast,
          resume: {
            onLost: (device) => told.push(['lost', device]),
            onFound: (device) => told.push(['found', device]),
          },
          onProgress: (progress) => {
            if (progress.phase === 'wait') waits.push(progress.done);
            if (progress.phase !== phase || set) return;
            set = true;
            chip.setFault({ kind: 'pull', direction, at: 3 });
          },
        });
        holdsAll(chip);
        assert.equal(result.resumed, 1);
        assert.deepEqual(waits, [0, 1]);
        assert.deepEqual(
          told.map(([what, { address }]) => [what, address]),
          [
            ['lost', `virtual:${socket.name}`],
            ['found', `virtual:${socket.name}`],
          ],
        );
        assert.ok(result.steps.every(({ verified }) => verified));
        assert.equal(result.steps.length, plan.steps.length);
      });
    }
  }

  it('what was done before is not written again, and of the torn region only what is missing', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    plugBack(socket);
    const touched = new Map<string, number>();
    chip.on('flash', ({ offset, size }) => {
      const step = plan.steps.find((one) => offset >= one.offset && offset < one.offset + one.size);
      touched.set(step?.name ?? '?', (touched.get(step?.name ?? '?') ?? 0) + size);
    });
    let begins = 0;
    chip.on('command', ({ name }) => {
      if (name === 'FLASH_DEFL_BEGIN' && ++begins === 3) chip.setFault({ kind: 'pull', at: 30_000 });
    });
    const { steps } = await flash(target, plan, fast);
    holdsAll(chip);
    const written = Object.fromEntries(steps.map(({ name, written: count, attempts }) => [name, [count, attempts]]));
    assert.deepEqual(written['nvs.bin'], [0x6000, 1]);
    const [count, attempts] = written['app.bin'] as [number, number];
    assert.equal(attempts, 2);
    assert.ok(count > app.length && count < app.length * 1.9, `${count} of ${app.length}`);
  });

  it('looks again at what was done: the board may have run what it has in between', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    plugBack(socket, () => {
      chip.flash[0x9005] = 0;
      chip.flash[0x120010] = 0;
    });
    let begins = 0;
    chip.on('command', ({ name }) => {
      if (name === 'FLASH_DEFL_BEGIN' && ++begins === 3) chip.setFault({ kind: 'pull', at: 30_000 });
    });
    const { steps } = await flash(target, plan, fast);
    holdsAll(chip);
    assert.equal(steps.find(({ name }) => name === 'nvs.bin')?.attempts, 2);
    assert.equal(steps.find(({ name }) => name === 'ota_0')?.attempts, 2);
  });

  it('WRONG_BOARD: another board is plugged in instead; nothing is written to it, and it starts its firmware', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    const other = makeChip({ mac: '7c:df:a1:00:00:02', flash: dirty() });
    const modes: string[] = [];
    other.on('boot', ({ mode }) => modes.push(mode));
    plugBack(socket, () => {
      socket.remove();
      socket.insert(other);
    });
    let begins = 0;
    chip.on('command', ({ name }) => {
      if (name === 'FLASH_DEFL_BEGIN' && ++begins === 3) chip.setFault({ kind: 'pull', at: 30_000 });
    });
    // Half a job is not carried on on another board, whatever is forced.
    const error = await refused('WRONG_BOARD', flash(target, plan, { ...fast, force: ['WRONG_BOARD'] }));
    assert.match(error.message, /00:00:01.*00:00:02/);
    assert.deepEqual([error.detail?.stepsDone, error.detail?.steps], [4, plan.steps.length]);
    assert.deepEqual(other.flash, dirty());
    if (modes.at(-1) !== 'flash') await new Promise((resolve) => other.once('boot', resolve));
    assert.equal(modes.at(-1), 'flash');
  });

  it('DEVICE_NOT_BACK: nobody comes, and it says how far it was', async () => {
    const { chip, target } = chipInSocket({ flash: dirty() });
    chip.on('command', ({ name }) => {
      if (name === 'FLASH_DEFL_BEGIN') chip.setFault({ kind: 'pull', at: 5 });
    });
    const error = await refused('DEVICE_NOT_BACK', flash(target, plan, { ...fast, resume: { patienceMs: 40 } }));
    assert.match(error.message, /7c:df:a1:00:00:01.* 2 of 6 steps were done and verified/);
    assert.ok(error.hint);
  });

  it('CANCELLED: while it waits', async () => {
    const { chip, target } = chipInSocket({ flash: dirty() });
    const cancel = new AbortController();
    chip.setFault({ kind: 'pull', at: 9000 });
    const work = flash(target, plan, { ...fast, signal: cancel.signal, resume: { onLost: () => cancel.abort() } });
    await refused('CANCELLED', work);
  });

  it('PORT_GONE: gives up once it gets no further, five times in a row', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    let pulls = 0;
    socket.onChange(() => {
      if (!socket.isPlugged) pulls++;
    });
    plugBack(socket);
    chip.on('boot', ({ mode }) => {
      if (mode === 'download') chip.setFault({ kind: 'pull', at: 300 });
    });
    await refused('PORT_GONE', flash(target, plan, fast));
    assert.equal(pulls, 6);
  });

  it('a port that is there and not ready yet is tried again', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    plugBack(socket);
    chip.setFault({ kind: 'pull', at: 9000 });
    let opened = 0;
    const sluggish: typeof target = {
      open: async (again, signal) => {
        opened++;
        if (opened === 2) throw new KeywayError('PORT_PERMISSION', 'Not yet.');
        return await target.open(again, signal);
      },
    };
    const { resumed } = await flash(sluggish, plan, fast);
    holdsAll(chip);
    assert.deepEqual([opened, resumed], [3, 1]);
  });
});

describe('interrupted again and again', () => {
  afterEach(clearBench);

  it('twenty times in a row, at any byte: ends right', async () => {
    const large = buildImage({ kind: 'app', chip: 'ESP32-C3', size: 700_000 });
    const long = await planFlash(
      imageSet([
        region(0, bootloader, 'bootloader.bin', 'bootloader'),
        region(0x20000, large, 'app.bin', 'app'),
        region(0x8000, tableBytes, 'partition-table.bin', 'partition-table'),
        region(0x9000, bytes(0x6000), 'nvs.bin', 'nvs'),
      ]),
      { platform },
    );
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    const random = randoms(20);
    let pulls = 0;
    socket.onChange(() => {
      if (!socket.isPlugged) pulls++;
    });
    plugBack(socket);
    const opened: typeof target = {
      open: async (again, signal) => {
        const link = await target.open(again, signal);
        if (pulls < 20) {
          const direction = random() < 0.7 ? 'toChip' : 'toHost';
          chip.setFault({
            kind: 'pull',
            direction,
            at: Math.floor(random() * (direction === 'toChip' ? 40_000 : 1500)),
          });
        }
        return link;
      },
    };
    const result = await flash(opened, long, { ...fast, resume: { attempts: 20 } });
    holdsAll(chip, long);
    assert.deepEqual([pulls, result.resumed], [20, 20]);
    assert.ok(result.steps.every(({ verified }) => verified));
  });

  it('twenty times in a row by its supply: ends right, at the lowest rate', async () => {
    const { chip, target } = chipInSocket({ flash: dirty() });
    let resets = 0;
    chip.on('boot', ({ mode }) => {
      if (mode !== 'download' || resets >= 20) return;
      resets++;
      chip.setFault({ kind: resets % 2 === 0 ? 'reset' : 'brownout', at: 8000 + resets * 1000 });
    });
    const { resumed, notes, baudRate } = await flash(target, plan, { ...fast, resume: { attempts: 20 } });
    holdsAll(chip);
    assert.equal(resets, 20);
    assert.equal(resumed, 0, 'the port was there all the time');
    assert.ok(notes.some(({ code, message }) => code === 'BOARD_RESTARTED' && /\d+ times/.test(message)));
    assert.equal(baudRate, 115_200);
  });

  it('by a program that ends each time: whoever runs it anew skips what is right', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty() });
    const codes: string[] = [];
    const random = randoms(7);
    for (let run = 0; run < 12; run++) {
      chip.setFault({ kind: 'pull', at: 9000 + Math.floor(random() * 40_000) });
      const link = await target.open(null, undefined);
      codes.push(await flash(link, plan, fast).then(() => 'done', codeOf));
      await link.close();
      chip.clearFaults();
      socket.plug();
    }
    const link = await target.open(null, undefined);
    const { steps } = await flash(link, plan, fast);
    holdsAll(chip);
    assert.ok(codes.includes('PORT_GONE'));
    const last = await flash(link, plan, fast);
    assert.ok(steps.some(({ outcome }) => outcome === 'skipped'));
    assert.ok(last.steps.every(({ outcome, written, attempts }) => outcome === 'skipped' && written + attempts === 0));
  });
});
