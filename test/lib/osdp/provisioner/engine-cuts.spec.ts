import assert from 'node:assert/strict';
import type { StepResult } from '../../../../lib/osdp/provisioner/engine/index.ts';
import type { BusFault, VirtualReader, VirtualReaderOptions } from '../../../../lib/virtual/readers/index.ts';
import { hex } from '../support.ts';
import { EngineBench, PLAN, type RunOptions, scbk, type Told } from './engine-bench.ts';

/** Frames of a step in one direction, and some to spare. */
const FRAMES = 17;
const FACTORY = { address: 0, baudRate: 9600 };

describe('a provisioning step that is cut', () => {
  let bench: EngineBench;
  let reader: VirtualReader;
  let keyings: number;
  afterEach(() => bench.close());

  async function start(options: VirtualReaderOptions = {}): Promise<void> {
    bench = await EngineBench.start();
    reader = bench.at.add(options);
    keyings = 0;
    reader.on('keyed', () => keyings++);
  }

  /** Whatever the engine says it knows is so. */
  function isTrue(result: StepResult, what: string): void {
    const { outcome, detail, keyVersion, maybeKeyed } = result;
    const text = `${what}: ${outcome}, ${detail.text}`;
    const holds = reader.holdsKey(scbk(PLAN.address));
    if (outcome === 'ok') assert.ok(bench.isDone(reader), text);
    if (detail.keyed === true) assert.ok(holds && keyVersion === 0, text);
    if (detail.keyed === false) assert.ok(!holds, text);
    assert.equal(detail.keyed === null, maybeKeyed === 0, text);
    const { address, baudRate } = reader;
    if (detail.comsetApplied === true) assert.deepEqual({ address, baudRate }, PLAN, text);
    if (detail.comsetApplied === false) assert.deepEqual({ address, baudRate }, FACTORY, text);
  }

  /** What was wrong is right again: the next attempt ends well, and keys the reader only where it was not. */
  async function repaired(what: string, options: RunOptions = {}): Promise<void> {
    bench.at.bus.medium.faults.clear();
    const result = await bench.step({ again: true, ...options });
    assert.equal(result.outcome, 'ok', `${what}: ${result.detail.text}`);
    assert.ok(bench.isDone(reader), what);
    assert.equal(keyings, 1, `${what}: keyed ${keyings} times`);
  }

  for (const direction of ['command', 'reply'] as const) {
    for (const kind of ['lose', 'damage'] as const) {
      it(`by any one ${direction} that is ${kind === 'lose' ? 'lost' : 'damaged'} ends well all the same`, async () => {
        for (let after = 0; after < FRAMES; after++) {
          const what = `${direction} ${after}`;
          await start();
          bench.at.bus.fault({ kind, direction, after });
          const result = await bench.step();
          assert.equal(result.outcome, 'ok', `${what}: ${result.detail.text}`);
          isTrue(result, what);
          await repaired(what);
          assert.equal(keyings, 1, what);
          if (after < FRAMES - 1) await bench.close();
        }
      });
    }

    it(`by every ${direction} that is lost from one on, and tried again, never locks a reader out`, async () => {
      const outcomes = new Set<string>();
      for (let after = 0; after < FRAMES; after++) {
        const what = `from ${direction} ${after} on`;
        await start();
        const fault: BusFault = { kind: 'lose', direction, after, times: 1000 };
        bench.at.bus.fault(fault);
        const result = await bench.step();
        outcomes.add(result.outcome);
        isTrue(result, what);
        await repaired(what);
        if (after < FRAMES - 1) await bench.close();
      }
      assert.ok(outcomes.has('no_response'));
    });
  }

  const stages = [
    'locate in-flight',
    'locate reached',
    'comset in-flight',
    'comset reached',
    'confirm reached',
    'challenge in-flight',
    'challenge reached',
    'keyset in-flight',
    'keyset reached',
    'lock-check in-flight',
    'lock-check reached',
    'verify in-flight',
    'verify reached',
    'auto-verify in-flight',
    'auto-verify reached',
  ];
  const at = (stage: string, act: () => void) => {
    let acted = false;
    bench.onTold = (told: Told) => {
      if (acted || `${told.stage} ${told.state}` !== stage) return;
      acted = true;
      act();
    };
  };

  for (const stage of stages) {
    it(`by the loss of its reader at ${stage}, which then comes back`, async () => {
      await start();
      at(stage, () => bench.at.bus.remove(reader));
      const result = await bench.step();
      isTrue(result, stage);
      assert.equal(result.outcome, stage === 'auto-verify reached' ? 'ok' : 'no_response');
      bench.at.bus.add(reader);
      await repaired(stage);
    });

    it(`by a power cut of its reader at ${stage}`, async () => {
      await start();
      at(stage, () => reader.powerCycle());
      isTrue(await bench.step(), stage);
      await repaired(stage);
    });

    it(`by a cancel at ${stage}, and leaves no half a word behind`, async () => {
      await start();
      at(stage, () => bench.abort.abort());
      const result = await bench.step();
      assert.equal(result.outcome, stage === 'auto-verify reached' ? 'ok' : 'cancelled');
      isTrue(result, stage);
      const { frames, collisions } = bench.at.bus.stats;
      await bench.at.clock.advance(1000);
      assert.deepEqual([bench.at.bus.stats.frames, bench.at.bus.stats.collisions], [frames, collisions]);
      assert.equal(collisions, 0);
      await repaired(stage, { signal: new AbortController().signal });
    });

    it(`by the loss of the port at ${stage}`, async () => {
      await start();
      at(stage, () => bench.at.bus.pull());
      const result = await bench.step();
      assert.equal(result.outcome, stage === 'auto-verify reached' ? 'ok' : 'port_error');
      isTrue(result, stage);
    });

    it(`by another reader in the place of the one at ${stage}`, async () => {
      await start();
      const stranger = () => {
        const { address, baudRate } = reader;
        bench.at.bus.remove(reader);
        bench.at.add({ address, baudRate, id: { serial: 0x999 } });
      };
      at(stage, stranger);
      const result = await bench.step();
      const [now] = bench.at.bus.readers;
      assert.ok(now);
      if (result.outcome === 'ok') {
        const said = stage === 'auto-verify reached' ? '10000000' : '00000999';
        assert.equal(result.identity?.serial, said, `${stage}: it says whom it has keyed`);
        assert.ok(bench.isDone(stage === 'auto-verify reached' ? reader : now));
      } else
        assert.ok(
          ['verify_mismatch', 'scbk_rejected', 'sc_verify_failed', 'keyset_failed', 'sc_error'].includes(
            result.outcome,
          ),
          `${stage}: ${result.outcome}`,
        );
    });
  }

  it('by a power cut in its last session opens another one', async () => {
    await start();
    at('auto-verify in-flight', () => reader.powerCycle());
    const { outcome } = await bench.step();
    assert.equal(outcome, 'ok');
    assert.ok(reader.hasSession);
  });

  it('by the loss of all first questions finds the reader in the end', async () => {
    await start();
    bench.at.bus.fault({ kind: 'lose', direction: 'command', times: 8 });
    const result = await bench.step();
    assert.deepEqual([result.outcome, result.detail.foundAt], ['ok', FACTORY]);
  });

  it('by a cancel while its key is on the way learns what the reader holds', async () => {
    for (const [lost, keyed] of [
      [undefined, true],
      ['command', false],
      ['reply', true],
    ] as const) {
      await start();
      if (lost !== undefined)
        bench.at.bus.fault({
          kind: 'lose',
          direction: lost,
          name: lost === 'command' ? 'KEYSET' : 'ACK',
          after: lost === 'command' ? 0 : 2,
          times: 4,
        });
      const { medium } = bench.at.bus;
      const work = bench.begin({
        beforeKeyset: async () => {
          bench.journal.push(0);
          bench.at.clock.at(medium.clock.now() + 3, () => bench.abort.abort());
        },
      });
      const result = await bench.at.run(work);
      assert.deepEqual([result.outcome, result.stage, result.detail.keyed], ['cancelled', 'keyset', keyed], `${lost}`);
      assert.deepEqual([result.keyVersion, result.maybeKeyed], [keyed ? 0 : null, null]);
      isTrue(result, `${lost}`);
      await repaired(`${lost}`, { signal: new AbortController().signal });
      if (lost !== 'reply') await bench.close();
    }
  });

  it('by the clock at any moment says the truth and can be tried again', async () => {
    const outcomes = new Set<string>();
    for (let timeoutMs = 10; timeoutMs < 300; timeoutMs += 7) {
      await start();
      const result = await bench.step({ terms: { timeoutMs } });
      outcomes.add(result.outcome);
      isTrue(result, `${timeoutMs} ms`);
      await repaired(`${timeoutMs} ms`);
      if (timeoutMs + 7 < 300) await bench.close();
    }
    assert.deepEqual([...outcomes].sort(), ['ok', 'step_timeout']);
  });

  it('costs little more than the one wait for a reply', async () => {
    await start();
    await bench.step();
    const normal = bench.at.bus.stats.to;
    await bench.close();
    for (let after = 0; after < 13; after++) {
      await start();
      bench.at.bus.fault({ kind: 'lose', direction: 'reply', after });
      const { outcome } = await bench.step();
      assert.equal(outcome, 'ok');
      // The first one is asked for at both places before it is asked for again.
      const bar = after === 0 ? 500 : 300;
      assert.ok(bench.at.bus.stats.to - normal < bar, `reply ${after}: ${bench.at.bus.stats.to - normal} ms`);
      if (after < 12) await bench.close();
    }
  });

  it('sends no key twice but byte by byte the same', async () => {
    await start();
    bench.at.bus.fault({ kind: 'lose', direction: 'reply', name: 'ACK', after: 2, times: 2 });
    assert.equal((await bench.step()).outcome, 'ok');
    const frames = bench.at.recorder.export({ secrets: true }).match(/53 11 2E 00 .. 02 17 75[^"]*/g) ?? [];
    assert.equal(frames.length, 3);
    assert.equal(new Set(frames).size, 1, hex(reader.id.vendor));
  });
});
