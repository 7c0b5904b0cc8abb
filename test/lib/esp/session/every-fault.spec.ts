import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { flash } from '../../../../lib/esp/session/index.ts';
import type { Direction, Fault, VirtualChip, VirtualSocket } from '../../../../lib/virtual/index.ts';
import { wholeSet } from '../plan/sets.ts';
import { chipInSocket, clearBench, connecting, platform } from './bench.ts';

const plan = await planFlash(wholeSet(), { platform });
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** When the fault is set: as a phase begins, or as the chip has answered a command. */
const moments = {
  connect: { phase: 'connect' },
  detect: { phase: 'detect' },
  stub: { phase: 'stub' },
  baud: { command: 'CHANGE_BAUDRATE' },
  erase: { phase: 'erase' },
  write: { phase: 'write' },
  block: { command: 'FLASH_DEFL_DATA' },
  end: { command: 'FLASH_DEFL_END' },
  verify: { phase: 'verify' },
} as const;
const faults: readonly Fault[] = [
  { kind: 'drop', count: 3 },
  { kind: 'flip', mask: 0x11 },
  { kind: 'stall', ms: 200 },
  { kind: 'reset' },
  { kind: 'brownout' },
  { kind: 'pull' },
];

/** Where it strikes makes a difference to bytes only. */
const directionsOf = ({ kind }: Fault): readonly Direction[] =>
  ['drop', 'flip', 'stall'].includes(kind) ? ['toChip', 'toHost'] : ['toChip'];

function plugBack(chip: VirtualChip, socket: VirtualSocket): void {
  chip.on('pull', () => setImmediate(() => socket.plug()));
}

describe('every fault at every moment: the MD5 of every region is right in the end', () => {
  afterEach(clearBench);

  for (const [name, moment] of Object.entries(moments)) {
    for (const fault of faults) {
      for (const direction of directionsOf(fault)) {
        it(`${name}: ${fault.kind} ${direction}`, async () => {
          const { chip, socket, target } = chipInSocket({ flash: new Uint8Array(4 << 20).fill(0x11) });
          plugBack(chip, socket);
          let waiting = true;
          const strike = (): void => {
            if (!waiting) return;
            waiting = false;
            for (const at of [2, 30]) chip.setFault({ ...fault, direction, at });
          };
          if ('command' in moment) chip.on('command', (command) => command.name === moment.command && strike());
          const { steps } = await flash(target, plan, {
            ...connecting,
            attempts: 7,
            baudRate: 921_600,
            onProgress: ({ phase }) => 'phase' in moment && phase === moment.phase && strike(),
          });
          assert.ok(!waiting, 'the moment came');
          assert.ok(steps.every(({ verified }) => verified));
          for (const { offset, size, data } of plan.steps) {
            const wanted = data ?? new Uint8Array(size).fill(0xff);
            assert.equal(md5(chip.flash.subarray(offset, offset + size)), md5(wanted));
          }
        });
      }
    }
  }
});

describe('errors that the stub tells late', () => {
  afterEach(clearBench);

  for (let block = 1; block <= 3; block++) {
    it(`what block ${block} wrote is spoilt after its acknowledgement: found, and put right`, async () => {
      const { chip, target } = chipInSocket({ flash: new Uint8Array(4 << 20).fill(0x11) });
      let blocks = 0;
      chip.on('command', ({ name }) => {
        if (name !== 'FLASH_DEFL_DATA' || ++blocks !== block) return;
        const spoil = ({ offset }: { offset: number }) => {
          chip.off('flash', spoil);
          chip.flash[offset] = (chip.flash[offset] as number) & 0x0f;
        };
        chip.on('flash', spoil);
      });
      const { steps } = await flash(target, plan, { ...connecting, baudRate: 921_600 });
      assert.ok(steps.every(({ verified }) => verified));
      for (const { offset, size, data } of plan.steps) {
        const wanted = data ?? new Uint8Array(size).fill(0xff);
        assert.equal(md5(chip.flash.subarray(offset, offset + size)), md5(wanted));
      }
    });
  }
});
