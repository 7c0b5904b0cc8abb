import assert from 'node:assert/strict';
import { OUTCOMES, type Outcome, type StepDetail } from '../../../../lib/osdp/provisioner/types.ts';
import type { VirtualReader } from '../../../../lib/virtual/readers/index.ts';
import { EngineBench } from './engine-bench.ts';
import { CASES } from './engine-cases.ts';

const HERE = { address: 0, baudRate: 9600 };

describe('the outcome of a provisioning step', () => {
  let bench: EngineBench;
  afterEach(() => bench.close());

  for (const one of CASES) {
    it(`is ${one.outcome} when ${one.what}`, async () => {
      bench = await EngineBench.start();
      const readers: VirtualReader[] = (one.readers ?? [{}]).map((options) => bench.at.add(options));
      bench.onTold = ({ stage, state }) => one.act?.(bench, `${stage} ${state}`);
      const result = await bench.step(one.run ?? {});
      assert.deepEqual(
        [result.outcome, result.stage, result.stageState],
        [one.outcome, one.stage, 'stalled'],
        result.detail.text,
      );
      const { detail } = result;
      for (const [field, value] of Object.entries(one.detail ?? {})) {
        assert.deepEqual(detail[field as keyof StepDetail], value, `${field}: ${detail.text}`);
      }
      assert.match(detail.text, one.text ?? /\w+.*\.$/);
      const [reader] = readers;
      assert.equal(reader?.isKeyed ?? false, one.keyed === true || one.readers?.[0]?.key !== undefined);
      assert.equal(result.keyVersion, one.keyed === true ? 0 : null);
      assert.equal(result.maybeKeyed, null);
      if (detail.comsetApplied === false && reader !== undefined && detail.nowAt === undefined) {
        assert.deepEqual(
          [reader.address, reader.baudRate],
          [one.readers?.[0]?.address ?? 0, one.readers?.[0]?.baudRate ?? HERE.baudRate],
        );
      }
      assert.equal(bench.told.at(-1)?.state, 'stalled');
      assert.equal(bench.told.at(-1)?.text, detail.text);
    });
  }

  it('is each that the engine may have', () => {
    const made = new Set<Outcome>(CASES.map(({ outcome }) => outcome));
    const elsewhere: Outcome[] = ['ok', 'user_skipped', 'interrupted'];
    assert.deepEqual(
      OUTCOMES.filter((one) => !made.has(one) && !elsewhere.includes(one)),
      [],
    );
  });

  it('is ok once a reader that moves late has been switched off and on', async () => {
    bench = await EngineBench.start();
    bench.at.add({ personality: { movesLater: true } });
    assert.equal((await bench.step()).outcome, 'comset_refused');
    bench.reader.powerCycle();
    assert.equal((await bench.step({ again: true })).outcome, 'ok');
  });

  it('is not ok for a reader that stays open, though challenges get lost', async () => {
    for (let times = 1; times <= 5; times++) {
      bench = await EngineBench.start();
      bench.at.add({ personality: { staysOpen: true } });
      bench.at.bus.fault({ kind: 'lose', direction: 'command', name: 'CHLNG', after: 1, times });
      assert.equal((await bench.step()).outcome, 'install_mode_open', `${times} lost`);
      await bench.close();
    }
    for (let times = 2; times <= 40; times += 2) {
      bench = await EngineBench.start();
      bench.at.add({ personality: { staysOpen: true } });
      bench.onTold = ({ stage, state }) => {
        if (`${stage} ${state}` === 'lock-check in-flight')
          bench.at.bus.fault({ kind: 'lose', direction: 'reply', times });
      };
      const { outcome } = await bench.step();
      assert.ok(['install_mode_open', 'no_response'].includes(outcome), `${times} lost: ${outcome}`);
      if (times < 40) await bench.close();
    }
  });

  it('is keyset_failed on a link beyond this computer, and the key stays here', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    const { link } = bench.at.panel.line;
    Object.defineProperty(link, 'info', { value: { ...link.info, isLocal: false } });
    const result = await bench.step();
    assert.deepEqual([result.outcome, result.stage, result.detail.keyed], ['keyset_failed', 'keyset', false]);
    assert.match(result.detail.text, /readable by all/);
    assert.equal(bench.reader.isKeyed, false);
    assert.equal(result.maybeKeyed, null);
  });

  it('asks the configuration address on wires for one reader only', async () => {
    for (const [bus, asked] of [
      ['single', true],
      ['multi', false],
    ] as const) {
      bench = await EngineBench.start();
      bench.at.add({ address: 44, baudRate: 19200 });
      const { outcome } = await bench.step({ terms: { bus } });
      assert.equal(outcome, asked ? 'baud_mismatch' : 'no_response');
      assert.equal(bench.at.recorder.export().includes('FF 53 7F'), asked);
      if (bus === 'single') await bench.close();
    }
  });
});
