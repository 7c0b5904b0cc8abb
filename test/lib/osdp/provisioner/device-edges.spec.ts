import assert from 'node:assert/strict';
import { EDGES_MOST } from '../../../../lib/osdp/provisioner/device/index.ts';
import { encode, type PlanHead, replay } from '../../../../lib/osdp/provisioner/device/state.ts';
import type { Edge } from '../../../../lib/osdp/provisioner/types.ts';
import { DeviceBench, HOST, OK, steps, T0, TERMS } from './device-support.ts';

const HEAD: PlanHead = {
  session: '0f'.repeat(16),
  kdf: 'sp800108-cmac-v1',
  sealed: '',
  terms: TERMS,
  host: HOST,
  createdAt: T0,
  armedUntil: null,
};

describe('the edges of a provisioner', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start({ rewriteBytes: 4096 });
  });
  afterEach(() => bench.close());

  /** A runner that tells stages and ends well. */
  const well: NonNullable<DeviceBench['always']> = async (run) => {
    await run.onFound?.();
    for (const stage of ['comset', 'confirm', 'challenge', 'keyset'] as const) {
      if (stage === 'keyset') await run.beforeKeyset();
      run.onStage(stage, 'in-flight');
      await new Promise((resolve) => setImmediate(resolve));
      run.onStage(stage, 'reached');
    }
    return { ...OK, keyVersion: run.keyVersion };
  };

  it('carry what the step is after them, and the counts of the slot', async () => {
    bench.always = well;
    bench.attach();
    await bench.seal(1, steps(1));
    await bench.device.verb(1, 0, 'try');
    await bench.settle();
    const { session } = bench.device.open(1).summary;
    const last = bench.edges.at(-1);
    assert.deepEqual(
      [last?.slot, last?.session, last?.step.state, last?.step.identity?.serial, last?.summary],
      [1, session, 'success', '10000001', { state: 'complete', total: 1, provisioned: 1, failed: 0, skipped: 0 }],
    );
    assert.deepEqual(bench.device.edges(1, 0), bench.edges);
  });

  it('are kept while nobody is there, and are given out in order to who comes', async () => {
    bench.always = well;
    await bench.seal(1, steps(12), { autonomous: true });
    for (let i = 0; i < 60; i++) await bench.settle();
    assert.equal(bench.device.open(1).summary.state, 'complete');
    const all = bench.device.edges(1, 0);
    assert.deepEqual(
      all.map(({ seq }) => seq),
      Array.from({ length: all.length }, (_, i) => i + 1),
    );
    assert.equal(all.length, 12 * 10);
    assert.deepEqual(bench.device.edges(1, 50), all.slice(50));
    await bench.cut();
    assert.deepEqual(bench.device.edges(1, 0), all);
  });

  it('are dropped when the host has them, also for good', async () => {
    bench.always = well;
    bench.attach();
    await bench.seal(1, steps(8));
    for (let i = 0; i < 4; i++) await bench.device.verb(1, i, 'try');
    for (let i = 0; i < 30; i++) await bench.settle();
    await bench.device.acknowledge(1, 15);
    assert.equal(bench.device.edges(1, 0)[0]?.seq, 16);
    await bench.device.verb(1, 5, 'skip');
    await bench.cut();
    assert.equal(bench.device.edges(1, 0)[0]?.seq, 16);
    await bench.device.acknowledge(1, 1_000_000);
    assert.equal(bench.device.edges(1, 0).length, 0);
    bench.attach();
    await bench.device.verb(1, 6, 'skip');
    assert.equal(bench.edges.at(-1)?.step.index, 6, 'a number beyond the newest means the newest');
  });

  it('never repeat a number, however the power goes', async () => {
    await bench.seal(1, steps(4), { autonomous: true });
    let newest = 0;
    for (let i = 0; i < 6; i++) {
      const { run } = await bench.attempt();
      await run.onFound?.();
      await run.beforeKeyset();
      bench.attach();
      const before = bench.disk.content;
      // Seen by the host, not on the disk.
      for (const stage of ['comset', 'confirm', 'challenge'] as const) run.onStage(stage, 'in-flight');
      const numbers = bench.edges.splice(0).map(({ seq }) => seq);
      assert.ok(
        numbers.every((seq) => seq > newest),
        `${numbers} after ${newest}`,
      );
      newest = numbers.at(-1) ?? newest;
      await bench.cut(before);
      bench.edges.length = 0;
      for (const { seq } of bench.device.edges(1, newest)) assert.ok(seq > newest);
    }
  });

  it('leap further than a file holds edges when a file was cut off', () => {
    const edge = { content: Buffer.from(JSON.stringify({ t: 'flags', at: 1, closed: false, exported: false })) };
    const head = { content: encode({ t: 'plan', steps: [], ...HEAD }) };
    const entry = { content: null, at: 0, length: 0 };
    const records = [head, edge].map((one) => ({ ...one, entry }));
    const [whole, cut] = [replay(records, false), replay(records, true)];
    assert.ok((cut?.seq ?? 0) - (whole?.seq ?? 0) > 8 * EDGES_MOST - 1, `${cut?.seq}`);
    assert.ok((cut?.top ?? 0) > (cut?.seq ?? 0));
  });

  it('do not leap at an orderly end', async () => {
    bench.attach();
    await bench.seal(1, steps(4));
    await bench.device.verb(1, 0, 'skip');
    await bench.device.close();
    await bench.open();
    bench.attach();
    await bench.device.verb(1, 1, 'skip');
    assert.equal(bench.edges.at(-1)?.seq, 2);
  });

  it('reach a host exactly once and in order, whoever is cut off when', async () => {
    bench.always = well;
    await bench.seal(1, steps(40), { autonomous: true });
    const seen: Edge[] = [];
    let state = 7;
    const random = (n: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state % n;
    };
    for (let i = 0; i < 200 && bench.device.open(1).summary.state !== 'complete'; i++) {
      const detach = bench.device.attach(HOST, (edge) => seen.push(edge));
      // What it missed, then what comes.
      const missed = bench.device.edges(1, seen.at(-1)?.seq ?? 0);
      seen.push(...missed);
      for (let turn = random(4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      if (random(2) === 0) await bench.device.acknowledge(1, seen.at(-1)?.seq ?? 0);
      detach();
      for (let turn = random(30); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      if (random(5) === 0) await bench.cut();
    }
    await bench.settle();
    seen.push(...bench.device.edges(1, seen.at(-1)?.seq ?? 0));
    for (const [i, edge] of seen.entries()) assert.ok(edge.seq > (seen[i - 1]?.seq ?? 0), `edge ${i}`);
    const ends = seen.filter(({ step, cause }) => cause === 'attempt' && step.state === 'success');
    assert.deepEqual(
      ends.map(({ step }) => step.index),
      Array.from({ length: 40 }, (_, i) => i),
    );
    const last = new Map(seen.map(({ step }) => [step.index, step]));
    assert.deepEqual([...last.values()], bench.device.open(1).steps);
  });

  it('are kept up to a bound, beyond which the oldest is dropped', async () => {
    await bench.seal(1, steps(1), { autonomous: true });
    const { run } = await bench.attempt();
    await run.onFound?.();
    for (let i = 0; i < EDGES_MOST + 10; i++) {
      run.onStage(i % 2 === 0 ? 'comset' : 'confirm', 'in-flight');
      if (i % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await bench.settle();
    const kept = bench.device.edges(1, 0);
    assert.equal(kept.length, EDGES_MOST);
    assert.equal(bench.step(1, 0).stage, kept.at(-1)?.step.stage);
  });

  it('of a plan that is written anew stay where they were', async () => {
    bench.always = well;
    bench.attach();
    await bench.seal(1, steps(30));
    for (let i = 0; i < 30; i++) {
      await bench.device.verb(1, i, 'try');
      for (let turn = 0; turn < 10 && bench.step(1, i).state !== 'success'; turn++) await bench.settle();
      await bench.device.acknowledge(1, (bench.edges.at(-1)?.seq ?? 0) - 7);
    }
    await bench.settle();
    const rewrites = bench.disk.acts.filter(({ act }) => act === 'rename').length;
    assert.ok(rewrites > 2, `${rewrites} renames`);
    assert.deepEqual(bench.device.edges(1, 0), bench.edges.slice(-7));
    const picture = bench.device.open(1);
    await bench.cut();
    // The last word that the host has them may have been lost.
    assert.deepEqual(bench.device.edges(1, 0).slice(-7), bench.edges.slice(-7));
    assert.deepEqual(bench.device.open(1).steps, picture.steps);
  });
});
