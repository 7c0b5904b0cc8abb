import assert from 'node:assert/strict';
import type { StepState, StepVerb } from '../../../../lib/osdp/provisioner/types.ts';
import { DeviceBench, OK, SILENT, steps } from './device-support.ts';

const VERBS: readonly StepVerb[] = ['try', 'retry', 'skip', 'reset'];
const LEGAL: Readonly<Record<StepState, readonly StepVerb[]>> = {
  pending: ['try', 'skip', 'reset'],
  attempting: ['reset'],
  success: ['reset'],
  failure: ['retry', 'skip', 'reset'],
  skipped: ['reset'],
};

describe('the verbs of a provisioner', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start();
    bench.attach();
    await bench.seal(1, steps(3));
  });
  afterEach(() => bench.close());

  /** Brings the first step into a state. */
  async function bring(state: StepState): Promise<void> {
    const { device } = bench;
    if (state === 'skipped') await device.verb(1, 0, 'skip');
    if (state === 'pending' || state === 'skipped') return;
    await device.verb(1, 0, 'try');
    if (state === 'attempting') return;
    (await bench.attempt()).end(state === 'success' ? OK : SILENT);
    await bench.settle();
    assert.equal(bench.step(1, 0).state, state);
  }

  const AFTER: Readonly<Record<StepVerb, StepState>> = {
    try: 'attempting',
    retry: 'attempting',
    skip: 'skipped',
    reset: 'pending',
  };
  for (const state of Object.keys(LEGAL) as StepState[]) {
    for (const verb of VERBS) {
      if (LEGAL[state].includes(verb)) {
        it(`"${verb}" is legal in ${state}`, async () => {
          await bring(state);
          await bench.device.verb(1, 0, verb);
          await bench.settle();
          const { state: after, attempts, outcome, stage } = bench.step(1, 0);
          assert.equal(after, AFTER[verb]);
          if (verb === 'try') assert.equal(attempts, 1);
          if (verb === 'retry') assert.equal(attempts, 2);
          if (verb === 'skip') assert.equal(outcome, 'user_skipped');
          if (verb === 'reset') assert.deepEqual([attempts, outcome, stage], [0, null, null]);
          const edge = bench.edges.filter(({ cause }) => cause === verb).at(-1);
          assert.equal(edge?.step.state, after);
        });
      } else {
        it(`"${verb}" is refused in ${state}, and changes nothing`, async () => {
          await bring(state);
          await bench.settle();
          const before = [bench.device.open(1), bench.edges.length, bench.disk.acts.length];
          await assert.rejects(bench.device.verb(1, 0, verb), (error: { code: string; message: string }) => {
            assert.equal(error.code, 'VERB_NOT_LEGAL');
            assert.match(error.message, new RegExp(`"${verb}".*${state}`));
            return true;
          });
          await bench.settle();
          assert.deepEqual([bench.device.open(1), bench.edges.length, bench.disk.acts.length], before);
        });
      }
    }
  }

  it('a retry counts attempts, without a limit, and only when somebody asks', async () => {
    const { device } = bench;
    await device.verb(1, 0, 'try');
    for (let attempts = 1; attempts < 6; attempts++) {
      (await bench.attempt()).end(SILENT);
      await bench.settle();
      assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).attempts], ['failure', attempts]);
      assert.equal(bench.attempts.length, 0);
      await device.verb(1, 0, 'retry');
    }
  });

  it('words that are said while an attempt is under way wait in their order', async () => {
    const { device } = bench;
    await device.verb(1, 0, 'try');
    const first = await bench.attempt();
    await device.verb(1, 2, 'try');
    await device.verb(1, 1, 'try');
    assert.deepEqual(
      [1, 2].map((i) => [bench.step(1, i).state, bench.step(1, i).queued]),
      [
        ['pending', true],
        ['pending', true],
      ],
    );
    await assert.rejects(device.verb(1, 2, 'try'), { code: 'VERB_NOT_LEGAL' });
    await bench.settle();
    assert.equal(bench.attempts.length, 0, 'two attempts at a time');
    first.end({});
    assert.equal((await bench.attempt()).run.plan.address, 3);
    await bench.settle();
    assert.equal(bench.step(1, 2).queued, undefined);
    await device.verb(1, 2, 'reset');
    assert.equal((await bench.attempt()).run.plan.address, 2);
  });

  it('a word that waits is taken back by skip, by reset and by cancel', async () => {
    const { device } = bench;
    await device.verb(1, 0, 'try');
    const first = await bench.attempt();
    for (const step of [1, 2]) await device.verb(1, step, 'try');
    await device.verb(1, 1, 'skip');
    await device.verb(1, 2, 'reset');
    assert.deepEqual([bench.step(1, 1).queued, bench.step(1, 2).queued], [undefined, undefined]);
    await device.verb(1, 2, 'try');
    await device.cancel(1);
    assert.deepEqual([bench.step(1, 0).outcome, bench.step(1, 2).queued], ['cancelled', undefined]);
    first.end({});
    await bench.settle();
    assert.equal(bench.attempts.length, 0);
    assert.equal(bench.step(1, 0).state, 'failure');
  });

  it('cancel ends an attempt cleanly, and does nothing when there is none', async () => {
    const { device } = bench;
    await device.cancel(1);
    assert.equal(bench.edges.length, 0);
    await device.verb(1, 0, 'try');
    const { run } = await bench.attempt();
    await device.cancel(1);
    assert.ok(run.signal.aborted);
    const { state, outcome } = bench.step(1, 0);
    assert.deepEqual([state, outcome, bench.edges.at(-1)?.cause], ['failure', 'cancelled', 'cancel']);
  });

  it('reset ends an attempt first, and whatever the reader holds is known at the next one', async () => {
    const { device } = bench;
    await device.verb(1, 0, 'try');
    const { run, end } = await bench.attempt();
    await run.beforeKeyset();
    run.signal.addEventListener('abort', () => end({}));
    // KEYSET has left when the word comes.
    const cancelled = { ...SILENT, outcome: 'cancelled' as const, maybeKeyed: 0 };
    end(cancelled);
    await device.verb(1, 0, 'reset');
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).attempts], ['pending', 0]);
    await device.verb(1, 0, 'try');
    const next = (await bench.attempt()).run;
    assert.deepEqual([next.keyVersion, next.earlierVersions, next.again], [0, [0], true]);
  });

  it('a retry keeps the version of the key, whatever is known of the reader', async () => {
    const { device } = bench;
    await device.verb(1, 0, 'try');
    (await bench.attempt()).end({ ...SILENT, outcome: 'sc_verify_failed', maybeKeyed: 0 });
    await bench.settle();
    await device.verb(1, 0, 'retry');
    const { run, end } = await bench.attempt();
    assert.deepEqual([run.keyVersion, run.earlierVersions, run.again], [0, [0], true]);
    end({ keyVersion: 0 });
    await bench.settle();
    assert.equal(bench.step(1, 0).keyVersion, 0);
  });

  it('after the reset of a success another reader gets another key, and the same one is known by its own', async () => {
    const { device } = bench;
    await bring('success');
    await device.verb(1, 0, 'reset');
    assert.equal(bench.step(1, 0).keyVersion, 0, 'what the reader holds stays known');
    await device.verb(1, 0, 'try');
    const { run, end } = await bench.attempt();
    assert.deepEqual([run.keyVersion, run.earlierVersions], [1, [0]]);
    assert.notDeepEqual(run.key(0), run.key(1));
    end({ keyVersion: 0, detail: { text: 'It holds its key.', keyedBefore: true } });
    await bench.settle();
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).keyVersion], ['success', 0]);
    // The version that nobody got is not passed over.
    await device.verb(1, 0, 'reset');
    await device.verb(1, 0, 'try');
    assert.deepEqual((await bench.attempt()).run.keyVersion, 1);
  });

  it('a reset of what is no success raises nothing', async () => {
    const { device } = bench;
    await bring('failure');
    await device.verb(1, 0, 'reset');
    await device.verb(1, 0, 'try');
    assert.deepEqual((await bench.attempt()).run.keyVersion, 0);
  });

  it('reset reopens a complete slot', async () => {
    const { device } = bench;
    for (const step of [0, 1, 2]) await device.verb(1, step, 'skip');
    assert.deepEqual([device.open(1).summary.state, bench.edges.at(-1)?.summary.state], ['complete', 'complete']);
    await device.verb(1, 1, 'reset');
    assert.deepEqual([device.open(1).summary.state, bench.edges.at(-1)?.summary.state], ['ready', 'ready']);
  });

  it('a step that is not there is refused', async () => {
    for (const step of [-1, 3, 0.5, Number.NaN]) {
      await assert.rejects(bench.device.verb(1, step, 'try'), { code: 'STEP_OUT_OF_RANGE' });
    }
  });

  it('the key that an attempt gets is the derived one, and no key is left behind', async () => {
    await bench.device.verb(1, 0, 'try');
    const { run } = await bench.attempt();
    const key = run.key(0);
    assert.equal(key.length, 16);
    key.fill(0);
    assert.notDeepEqual(run.key(0), key, 'the engine overwrites a copy of its own');
  });
});
