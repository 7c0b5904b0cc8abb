import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Disk, type Fate, record } from './recording.ts';
import { certificate, NAMESPACE, Place, serialOf } from './support.ts';

const HOST = fileURLToPath(new URL('./crash-host.ts', import.meta.url));
const OPERATIONS = 36;
/** Crash points that are tried: all of them when KEYWAY_FUZZ says so. */
const POINTS = Number(process.env.KEYWAY_FUZZ ?? 40);
const KILLS = 50;

describe('what the registry has answered', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.done());

  it('outlives a power cut at any write, with the unsynced ones lost, kept or torn', async function () {
    this.timeout(180_000);
    mkdirSync(place.path('store'));
    const acts = record(place.folder, HOST, [place.path('store/registry.db'), 'record', String(OPERATIONS)]);
    if (acts === undefined) {
      console.log('      left out: strace is missing, or may not trace here');
      this.skip();
    }
    const total = acts.filter((act) => act.act === 'say').length;
    assert.equal(total, OPERATIONS + 1, 'the recording is not whole');
    assert.ok(acts.filter((act) => act.act === 'sync').length > OPERATIONS, 'an answer came without a sync');
    const random = seeded(acts.length);
    const points = chosen(acts.length, POINTS, random);
    const disk = new Disk();
    let answered = -1;
    let tried = 0;
    const fates: Fate[] = ['lost', 'torn', 'kept'];
    for (const [i, act] of acts.entries()) {
      disk.do(act);
      if (act.act === 'say') answered += 1;
      if (!points.has(i)) continue;
      // All three where something is at stake.
      for (const fate of disk.pending ? fates : (['lost'] as const)) {
        disk.crash(place.path('crashed'), fate, random);
        await holds(answered, `after act ${i} (${act.act}), unsynced writes ${fate}`);
        tried += 1;
      }
    }
    console.log(`      ${tried} crashes at ${points.size} of ${acts.length} recorded acts`);
  });

  /** Every answered operation is there, at most one more, and each whole. */
  async function holds(answered: number, when: string): Promise<void> {
    const registry = await place.open({ path: place.path('crashed/registry.db') });
    try {
      const verdict = await registry.verifyAudit();
      assert.ok(verdict.holds, `${when}: ${JSON.stringify(verdict.problem)}`);
      const done = verdict.entries - 1;
      assert.ok(done === answered || done === answered + 1, `${when}: ${answered} answered, ${done} kept`);
      const count = (turn: number) => Math.max(0, Math.ceil((done - turn) / 3));
      const devices = await registry.devices();
      assert.equal(devices.items.length, count(0), when);
      for (const [n, device] of devices.items.entries()) {
        assert.deepEqual([device.name, device.labels], [`device ${n}`, ['a', `label ${n}`]], when);
      }
      assert.equal((await registry.devices({ label: 'a' })).items.length, count(0), when);
      for (let n = 0; n < count(1); n++) {
        const state = (await registry.certificate(serialOf(n)))?.state;
        // A revocation that nobody answered may hold already: its line is written first.
        if (n >= count(2)) assert.ok(state === 'pending' || n === count(2), `${when}: certificate ${n} is ${state}`);
        else assert.equal(state, 'revoked', `${when}: certificate ${n}`);
      }
      const restores = await registry.auditLog({ action: 'registry.restored' });
      assert.deepEqual(restores.items, [], `${when}: taken for a restore`);
      if (done >= 0) await registry.addCertificate(certificate(9999, { device: null }));
    } finally {
      await registry.close();
    }
  }

  it(`outlives kill -9 at ${KILLS} points`, async function () {
    this.timeout(240_000);
    const kept = new Set<string>();
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, [HOST, place.path(), 'kill', String(kill * 100_000)]);
      const exited = once(child, 'exit');
      let left = 1 + ((kill * 37) % 90);
      for await (const line of createInterface({ input: child.stdout })) {
        kept.add(line.replace('answered ', ''));
        left -= 1;
        if (left === 0) child.kill('SIGKILL');
      }
      await exited;
      assert.ok(left <= 0, `the process ended by itself after ${kept.size} answers`);
      if (kill % 5 !== 4) continue;
      const registry = await place.open();
      for (const name of kept) {
        const device = await registry.device({ namespace: NAMESPACE, name });
        assert.deepEqual(device?.labels, ['a', 'b'], `${name} was answered and is gone`);
      }
      const { registered } = await registry.countDevices();
      assert.ok(registered <= kept.size + 16 * (kill + 1), 'more than was asked');
      const verdict = await registry.verifyAudit();
      assert.ok(verdict.holds, JSON.stringify(verdict.problem));
      await registry.close();
    }
  });
});

/** The same crashes in every run of the same recording. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function chosen(length: number, wanted: number, random: () => number): Set<number> {
  if (wanted >= length) return new Set(Array.from({ length }, (_, i) => i));
  const points = new Set<number>();
  while (points.size < wanted) points.add(Math.floor(random() * length));
  return points;
}
