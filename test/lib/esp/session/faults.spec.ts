import assert from 'node:assert/strict';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { type FlashOptions, flash } from '../../../../lib/esp/session/index.ts';
import type { FlashPhase } from '../../../../lib/esp/types.ts';
import type { Fault, VirtualChip } from '../../../../lib/virtual/index.ts';
import { app, bytes, imageSet, region } from '../plan/sets.ts';
import { changed, chipOnCable, clearBench, connecting, platform } from './bench.ts';
import { refused } from './refused.ts';

const plan = await planFlash(
  imageSet([region(0x20000, app, 'app', 'app'), region(0x9000, bytes(0x3000), 'nvs', 'nvs')], {
    erase: [{ offset: 0x100000, size: 0x80000, name: 'gone' }],
  }),
  { platform },
);

const dirty = () => new Uint8Array(4 << 20).fill(0x11);

/** Sets the fault when the app begins to be written, so that `at` counts from there. */
function onWrite(chip: VirtualChip, fault: Fault): void {
  let begins = 0;
  chip.on('command', ({ name }) => {
    if (name === 'FLASH_DEFL_BEGIN' && ++begins === 2) chip.setFault(fault);
  });
}

async function run(fault: Fault, options: Partial<FlashOptions> = {}) {
  const { chip, link } = chipOnCable({ flash: dirty() });
  onWrite(chip, fault);
  const work = flash(link, plan, { ...connecting, baudRate: 921_600, ...options });
  return { chip, link, work };
}

const holdsApp = (chip: VirtualChip) =>
  assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + app.length), app, 'the app is there in the end');

describe('faults while flashing', () => {
  afterEach(clearBench);

  for (const at of [0, 7, 100, 5000, 16_400, 30_000]) {
    it(`PORT_GONE: the cable is pulled at byte ${at}`, async () => {
      const { link, work } = await run({ kind: 'pull', at });
      let closed = false;
      link.onClose(() => {
        closed = true;
      });
      const error = await refused('PORT_GONE', work);
      assert.ok(closed);
      // The erase and the NVS region came before the app.
      assert.match(error.message, /pulled.* 2 of 3 steps were done and verified/);
      assert.deepEqual([error.detail?.stepsDone, error.detail?.steps], [2, 3]);
    });
  }

  for (const at of [0, 1, 9, 20, 5000, 16_408]) {
    it(`a byte dropped at ${at}: the region is written again`, async () => {
      const { chip, work } = await run({ kind: 'drop', at });
      const { steps } = await work;
      assert.equal(steps.find(({ name }) => name === 'app')?.attempts, 2);
      holdsApp(chip);
    });

    it(`a byte flipped at ${at}: noticed and put right`, async () => {
      const { chip, work } = await run({ kind: 'flip', at, mask: 0x10 });
      await work;
      holdsApp(chip);
    });
  }

  it('a block with a wrong checksum is sent again by itself', async () => {
    const { chip, work } = await run({ kind: 'flip', at: 5000, mask: 0x10 });
    const { steps } = await work;
    const step = steps.find(({ name }) => name === 'app');
    assert.deepEqual([step?.attempts, step?.resent], [1, 1]);
    holdsApp(chip);
  });

  for (const at of [0, 6, 13]) {
    it(`an answer damaged at byte ${at}: put right`, async () => {
      const { chip, work } = await run({ kind: 'flip', direction: 'toHost', at, mask: 0x41 });
      await work;
      holdsApp(chip);
    });
  }

  it('a short stall is waited out', async () => {
    const { chip, work } = await run({ kind: 'stall', at: 9000, ms: 30 });
    const { steps } = await work;
    assert.equal(steps.find(({ name }) => name === 'app')?.attempts, 1);
    holdsApp(chip);
  });

  it('CHIP_STOPPED: a stall for ever', async () => {
    const { work } = await run({ kind: 'stall', at: 9000 });
    const error = await refused('CHIP_STOPPED', work);
    assert.ok(error.hint);
  });

  for (const baudRate of [115_200, 921_600]) {
    for (const kind of ['reset', 'brownout'] as const) {
      it(`BOARD_RESET: ${kind} at ${baudRate} baud, and nobody wants to go on`, async () => {
        const { work } = await run({ kind, at: 9000 }, { baudRate, resume: { attempts: 0 } });
        const error = await refused('BOARD_RESET', work);
        assert.match(error.hint ?? '', /supply/);
      });

      it(`${kind} at ${baudRate} baud: connects again, goes on, and says so`, async () => {
        const { chip, work } = await run({ kind, at: 9000 }, { baudRate });
        const { steps, notes, resumed } = await work;
        holdsApp(chip);
        assert.deepEqual(
          steps.map(({ outcome, attempts, verified }) => [outcome, attempts, verified]),
          [
            ['erased', 1, true],
            ['written', 1, true],
            ['written', 2, true],
          ],
        );
        assert.ok(notes.some(({ code, message }) => code === 'BOARD_RESTARTED' && /supply/.test(message)));
        assert.equal(resumed, 0, 'the port was never lost');
      });
    }
  }

  it('NOT_ERASED: the flash is not blank after it was erased', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    chip.on('command', ({ name }) => {
      if (name === 'ERASE_REGION') chip.flash[0x100005] = 0x7f;
    });
    const error = await refused('NOT_ERASED', flash(link, plan, connecting));
    assert.match(error.message, /"gone" at 0x100000/);
  });

  it('CHIP_REFUSED: what is refused twice for the same reason is not tried for ever', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    let boots = 0;
    chip.on('boot', () => boots++);
    const broken = changed(link, {
      write: (data) => {
        // The ROM finds every FLASH_DEFL_BEGIN a word too short.
        const cut = data[2] === 0x10 ? Uint8Array.from([...data.slice(0, -5), 0xc0]) : data;
        return link.write(cut);
      },
    });
    const error = await refused(
      'CHIP_REFUSED',
      flash(broken, plan, { ...connecting, useStub: false, resetAfter: false }),
    );
    assert.match(error.message, /FLASH_DEFL_BEGIN.* 1 of 3 steps/);
    assert.equal(boots, 2, 'connected once more, and no more');
  });

  it('an error that the stub tells late does not pass for success', async () => {
    const { chip, link } = chipOnCable();
    let spoilt = false;
    chip.on('command', ({ name }) => {
      // What was written is damaged after its acknowledgement: only the sum at the end can tell.
      if (name !== 'FLASH_DEFL_DATA' || spoilt) return;
      spoilt = true;
      setImmediate(() => {
        chip.flash[0x9000] = 0;
      });
    });
    const { steps } = await flash(link, plan, connecting);
    assert.ok(steps.every(({ verified }) => verified));
    assert.equal(chip.flash[0x9000], 0x5a);
  });
});

describe('cancel while flashing', () => {
  afterEach(clearBench);

  const phases: FlashPhase[] = ['connect', 'detect', 'stub', 'erase', 'write', 'verify'];
  for (const phase of phases) {
    it(`in the phase ${phase}: CANCELLED, and the port works again at once`, async () => {
      const { chip, link } = chipOnCable({ flash: dirty() });
      const cancel = new AbortController();
      const modes: string[] = [];
      chip.on('boot', ({ mode }) => modes.push(mode));
      const work = flash(link, plan, {
        ...connecting,
        baudRate: 921_600,
        signal: cancel.signal,
        onProgress: (progress) => {
          if (progress.phase === phase) cancel.abort();
        },
      });
      await refused('CANCELLED', work);
      assert.ok(!modes.includes('flash'), 'the chip stays in its loader');
      assert.ok(link.isOpen);
      assert.equal(link.baudRate, 115_200);
      await flash(link, plan, { ...connecting, baudRate: 921_600, resetBefore: modes.length > 0 ? 'none' : 'auto' });
      holdsApp(chip);
    });
  }

  it('in the middle of a block', async () => {
    const { chip, link } = chipOnCable();
    const cancel = new AbortController();
    chip.on('command', ({ name }) => {
      if (name === 'FLASH_DEFL_DATA') cancel.abort();
    });
    await refused('CANCELLED', flash(link, plan, { ...connecting, signal: cancel.signal }));
    chip.removeAllListeners('command');
    await flash(link, plan, { ...connecting, resetBefore: 'none' });
    holdsApp(chip);
  });
});
