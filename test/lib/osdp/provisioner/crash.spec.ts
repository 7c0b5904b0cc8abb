import assert from 'node:assert/strict';
import { type Replayed, replay } from '../../../../lib/osdp/provisioner/device/state.ts';
import { Store } from '../../../../lib/osdp/provisioner/store/index.ts';
import type { Edge, SlotSeed } from '../../../../lib/osdp/provisioner/types.ts';
import { derived, seeded, tick, World } from './crash-model.ts';
import { DeviceBench, HOST, steps } from './device-support.ts';
import { FATES, findsSecret, TestDisk, Wreck } from './store-support.ts';

const STEPS = 40;
/** Crash points whose batch is brought to its end: all of them when KEYWAY_FUZZ says so. */
const RESUMED = Number(process.env.KEYWAY_FUZZ ?? 25);

/** What was told to somebody, or happened to a reader, before a moment. */
interface Facts {
  sealed: boolean;
  exported: boolean;
  removing: boolean;
  removed: boolean;
  readonly keyed: Map<number, string>;
  /** The newest edge that must outlive a power cut, by step. */
  readonly told: Map<number, number>;
  /** The newest number that anybody has seen. */
  seen: number;
}

describe('the journal of a 40-step batch', () => {
  let bench: DeviceBench;
  let key: Omit<SlotSeed, 'slot'>;
  /** Every state that a step of the batch has been in, with the number of its last edge. */
  let history: ReadonlyMap<string, number>;
  const wrecks: DeviceBench[] = [];

  afterEach(async () => {
    for (const wreck of wrecks.splice(0)) await wreck.close();
    await bench.close();
  });

  const whole = (edge: Edge): boolean => edge.cause !== 'attempt' || edge.step.state !== 'attempting';

  /** Alone, then with a host that repairs, then alone, then exported and deleted. */
  async function batch(): Promise<void> {
    const world = new World();
    const all = new Map<number, Edge>();
    bench = await DeviceBench.start({ rewriteBytes: 1, run: world.runner(seeded(11)) });
    const { device, disk } = bench;
    // Slower than the attempts up to their KEYSET.
    disk.syncTurns = 8;
    world.onKeyed = (address, secret) => disk.mark(`keyed ${address} ${secret}`);
    const see = (edge: Edge): void => {
      all.set(edge.seq, edge);
      disk.mark(`edge ${edge.seq} ${edge.step.index} ${whole(edge)}`);
    };
    const host = (): (() => void) => {
      const detach = device.attach(HOST, see);
      for (const edge of device.edges(1, 0)) see(edge);
      return detach;
    };
    const idle = async (done: () => boolean): Promise<void> => {
      for (let i = 0; i < 5000 && !done(); i++) await tick();
      assert.ok(done(), 'the batch does not go on');
    };
    const state = (i: number) => bench.step(1, i).state;
    const settled = (): boolean =>
      device.open(1).steps.every((step) => step.state !== 'attempting' && step.queued === undefined);
    key = await bench.seal(1, steps(STEPS), { autonomous: true });
    disk.mark('sealed');
    await idle(() => state(14) !== 'pending');
    let detach = host();
    await idle(settled);
    await device.acknowledge(1, 60);
    await device.verb(1, 39, 'skip');
    await device.verb(1, 38, 'skip');
    const good = device.open(1).steps.findIndex((step) => step.state === 'success');
    await device.verb(1, good, 'reset');
    await device.verb(1, good, 'try');
    for (const { index, state: at } of device.open(1).steps) if (at === 'failure') await device.verb(1, index, 'retry');
    await idle(settled);
    await device.acknowledge(1, device.open(1).summary.seq);
    detach();
    await idle(() => device.open(1).steps.every((step) => step.state !== 'pending' && step.state !== 'attempting'));
    detach = host();
    for (let i = 0; i < 30 && device.open(1).summary.state !== 'complete'; i++) {
      for (const { index, state: at } of device.open(1).steps) {
        if (at === 'failure') await device.verb(1, index, 'retry');
      }
      await idle(settled);
    }
    await device.exported(1, key.session);
    disk.mark('exported');
    disk.mark('removing');
    await device.remove(1, null, HOST);
    disk.mark('removed');
    detach();
    assert.equal(world.lockedOut, 0);
    const inOrder = [...all.values()].sort((a, b) => a.seq - b.seq);
    history = new Map(inOrder.map(({ step, seq }) => [JSON.stringify(step), seq]));
  }

  function learn(facts: Facts, text: string): void {
    const [what, a, b, c] = text.split(' ');
    if (what === 'keyed') facts.keyed.set(Number(a), b as string);
    else if (what === 'edge') {
      facts.seen = Math.max(facts.seen, Number(a));
      if (c === 'true') facts.told.set(Number(b), Math.max(facts.told.get(Number(b)) ?? 0, Number(a)));
    } else facts[what as 'sealed' | 'exported' | 'removing' | 'removed'] = true;
  }

  /** What the journal says after a crash agrees with what was told and with what the readers hold. */
  async function holds(files: ReadonlyMap<string, Buffer>, facts: Facts, when: string): Promise<boolean> {
    const { store, plans } = await Store.open(new TestDisk(files).folder(), { keystore: bench.keystore });
    const [plan, ...more] = plans;
    await store.close();
    assert.equal(more.length, 0, when);
    if (plan === undefined) {
      assert.ok(!facts.sealed || facts.removing, `${when}: the plan is lost`);
      return false;
    }
    assert.ok(!facts.removed, `${when}: the plan is back`);
    const replayed = replay(plan.records, plan.cut) as Replayed;
    assert.equal(replayed.head.session, key.session, when);
    assert.equal(replayed.steps.length, STEPS, when);
    assert.ok(replayed.seq >= facts.seen, `${when}: number ${replayed.seq} would be given out again`);
    if (facts.exported) assert.ok(replayed.exported, when);
    for (const [index, { status, tried }] of replayed.steps.entries()) {
      const at = `${when}: step ${index}`;
      assert.deepEqual([status.index, status.address], [index, index + 1], at);
      // Each state is one that the step has been in, and none that was told of is undone.
      const told = facts.told.get(index) ?? 0;
      const place = history.get(JSON.stringify(status));
      if (place === undefined) assert.ok(told === 0 && status.attempts === 0 && status.state === 'pending', at);
      else assert.ok(place >= told, `${at} is as of edge ${place}; ${told} was told`);
      const held = facts.keyed.get(status.address);
      if (status.state === 'success') {
        assert.equal(held, derived(key, status.address, status.keyVersion ?? -1), `${at} is falsely ok`);
      }
      if (held === undefined) continue;
      const known = tried.map((version) => derived(key, status.address, version));
      assert.ok(known.includes(held), `${at}: its reader holds a key that the journal does not know of`);
    }
    for (const [i, { seq }] of replayed.edges.entries()) {
      assert.ok(seq > (replayed.edges[i - 1]?.seq ?? 0), `${when}: edge ${i} is doubled`);
    }
    return true;
  }

  /** The batch is taken up where it was cut, and every reader reaches ok. */
  async function resumes(files: ReadonlyMap<string, Buffer>, facts: Facts, when: string): Promise<void> {
    const world = new World(facts.keyed);
    const disk = new TestDisk(files);
    const wreck = await DeviceBench.start({ disk, keystore: bench.keystore, run: world.runner(() => 0.5) });
    wrecks.push(wreck);
    const { device } = wreck;
    for (let i = 0; i < 4000 && device.open(1).steps.some(({ state }) => state === 'pending'); i++) await tick();
    wreck.attach();
    for (const { index, state } of device.open(1).steps) {
      if (state === 'failure') await device.verb(1, index, 'retry');
      if (state === 'skipped') {
        await device.verb(1, index, 'reset');
        await device.verb(1, index, 'try');
      }
    }
    for (let i = 0; i < 4000 && device.open(1).summary.state !== 'complete'; i++) await tick();
    const { state, provisioned } = device.open(1).summary;
    assert.deepEqual([state, provisioned, world.lockedOut], ['complete', STEPS, 0], when);
    for (const { address, keyVersion } of device.open(1).steps) {
      assert.equal(world.keys.get(address), derived(key, address, keyVersion ?? -1), when);
    }
    wrecks.splice(wrecks.indexOf(wreck), 1);
    await device.close();
  }

  it('always opens, and tells the truth, with unsynced writes lost, torn or kept at any act', async function () {
    this.timeout(600_000);
    await batch();
    const { acts } = bench.disk;
    assert.ok(acts.filter(({ act }) => act === 'sync').length > STEPS, 'too few syncs to be true');
    assert.ok(acts.filter(({ act }) => act === 'rename').length > 2, 'never written anew');
    const wreck = new Wreck();
    const random = seeded(acts.length);
    const facts: Facts = {
      sealed: false,
      exported: false,
      removing: false,
      removed: false,
      keyed: new Map(),
      told: new Map(),
      seen: 0,
    };
    const points = acts.length * 2;
    let tried = 0;
    let resumed = 0;
    for (const [i, act] of acts.entries()) {
      if (act.act === 'mark') learn(facts, act.text);
      else wreck.do(act);
      for (const fate of wreck.pending ? FATES : (['lost'] as const)) {
        const files = wreck.files(fate, random);
        const when = `after act ${i} of ${acts.length} (${act.act}), unsynced writes ${fate}`;
        const there = await holds(files, facts, when);
        tried += 1;
        if (!there || facts.removing || random() > RESUMED / points) continue;
        await resumes(files, facts, when);
        resumed += 1;
      }
    }
    assert.ok(resumed > 0);
    console.log(`      ${tried} crashes at ${acts.length} recorded acts; ${resumed} batches brought to their end`);
  });

  it('and no file beside it holds the seed or a key, whatever becomes of the writes', async function () {
    this.timeout(120_000);
    await batch();
    const secrets = [key.seed, ...[1, 20, 40].map((address) => Buffer.from(derived(key, address, 0), 'hex'))];
    for (const act of bench.disk.acts) {
      if (act.act !== 'write') continue;
      for (const secret of secrets) assert.ok(!findsSecret(act.bytes, secret), 'a secret is in a file');
    }
  });
});
