import assert from 'node:assert/strict';
import { codeOf } from '../../../../lib/errors/index.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { flash } from '../../../../lib/esp/session/index.ts';
import type { FlashPhase } from '../../../../lib/esp/types.ts';
import { createMemoryPair } from '../../../../lib/link/index.ts';
import type { Fault } from '../../../../lib/virtual/index.ts';
import { app, bytes, imageSet, region } from '../plan/sets.ts';
import { chipOnCable, clearBench, connecting, platform } from './bench.ts';

const nvs = bytes(0x3000);
const plan = await planFlash(
  imageSet([region(0x20000, app, 'app', 'app'), region(0x9000, nvs, 'nvs', 'nvs')], {
    erase: [{ offset: 0x100000, size: 0x1000, name: 'gone' }],
  }),
  { platform },
);

/** Which ends a fault may have; "done" is a flash that holds what the plan says. */
const ends: Record<Fault['kind'], readonly string[]> = {
  drop: ['done'],
  flip: ['done'],
  noise: ['done'],
  stall: ['CHIP_STOPPED', 'CHIP_SILENT', 'NO_ANSWER'],
  reset: ['done'],
  brownout: ['done'],
  pull: ['PORT_GONE'],
};
const phases: readonly FlashPhase[] = ['connect', 'stub', 'erase', 'write', 'verify'];

describe('faults in every phase: a code or a flash that holds it all, and the next run works', () => {
  afterEach(clearBench);

  for (const phase of phases) {
    for (const kind of Object.keys(ends) as Fault['kind'][]) {
      for (const direction of ['toChip', 'toHost'] as const) {
        it(`${phase}: ${kind} ${direction}`, async () => {
          const { chip, link } = chipOnCable({ flash: new Uint8Array(4 << 20).fill(0x11) });
          const holdsAll = () => {
            assert.equal(Buffer.compare(chip.flash.subarray(0x20000, 0x20000 + app.length), app), 0);
            assert.equal(Buffer.compare(chip.flash.subarray(0x9000, 0x9000 + nvs.length), nvs), 0);
            assert.ok(chip.flash.subarray(0x100000, 0x101000).every((byte) => byte === 0xff));
          };
          let struck = false;
          chip.on('trace', (text) => {
            struck ||= text === `fault: ${kind}`;
          });
          let waiting = true;
          const work = flash(link, plan, {
            ...connecting,
            baudRate: 921_600,
            onProgress: (progress) => {
              if (progress.phase !== phase || !waiting) return;
              waiting = false;
              chip.setFault({ kind, direction, at: 5, mask: 0x11, aboveBaud: 115_200 });
            },
          });
          const end = await work.then(() => 'done', codeOf);
          assert.ok(ends[kind].includes(end), end);
          assert.ok(!waiting);
          if (['reset', 'brownout', 'pull'].includes(kind)) assert.ok(struck, 'the fault struck');
          if (end === 'done') holdsAll();

          chip.clearFaults();
          chip.flash.fill(0x22);
          let next = link;
          if (!link.isOpen) {
            const cable = createMemoryPair({ name: 'again' });
            chip.attach(cable.device);
            next = cable.host;
          }
          const { steps } = await flash(next, plan, { ...connecting, baudRate: 921_600 });
          assert.ok(steps.every(({ verified, attempts }) => verified && attempts === 1));
          holdsAll();
        });
      }
    }
  }
});
