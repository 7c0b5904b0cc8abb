import assert from 'node:assert/strict';
import { DeviceBench, HOST, newKey, OK, steps, TERMS } from './device-support.ts';
import type { Act } from './store-support.ts';

const SHOWN: readonly [string, string][] = [
  ['ENOSPC', 'STORE_FULL'],
  ['EDQUOT', 'STORE_FULL'],
  ['EROFS', 'STORE_READ_ONLY'],
  ['EACCES', 'STORE_READ_ONLY'],
  ['EIO', 'STORE_IO'],
];
const changes = ({ act }: Act): boolean => act !== 'mark';

describe('a provisioner whose disk fails', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start();
    bench.attach();
  });
  afterEach(() => bench.close());

  const fails = (errno: string, when = changes): void => {
    bench.disk.trouble = (act) => (when(act) ? errno : undefined);
  };
  const heal = (): void => {
    bench.disk.trouble = () => undefined;
  };
  /** What the disk has is what is shown, after a power cut too. */
  async function agrees(): Promise<void> {
    const { steps: before, summary } = bench.device.open(1);
    await bench.cut();
    assert.deepEqual(
      bench.device.open(1).steps.map(({ state, attempts, keyVersion }) => [state, attempts, keyVersion]),
      before.map(({ state, attempts, keyVersion }) => [state, attempts, keyVersion]),
    );
    assert.equal(bench.device.open(1).summary.session, summary.session);
  }

  for (const [errno, code] of SHOWN) {
    it(`refuses verbs with ${code} at ${errno}, changes nothing, and goes on when it is over`, async () => {
      await bench.seal(1);
      const before = bench.device.open(1);
      fails(errno);
      for (const verb of ['try', 'skip', 'reset'] as const) {
        await assert.rejects(bench.device.verb(1, 0, verb), { code });
      }
      await bench.settle();
      assert.deepEqual([bench.device.open(1), bench.attempts.length, bench.edges.length], [before, 0, 0]);
      assert.equal(bench.device.status().store?.state, 'failing');
      heal();
      await bench.clock.advance(2000);
      await bench.settle();
      assert.equal(bench.device.status().store?.state, 'good');
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end(OK);
      await bench.settle();
      await agrees();
    });
  }

  for (const kind of ['write', 'sync', 'truncate'] as const) {
    it(`is whole again after every single failed ${kind}`, async () => {
      await bench.seal(1, steps(6));
      let step = 0;
      for (let nth = 0; nth < 4; nth++) {
        let left = nth;
        fails('EIO', ({ act }) => act === kind && left-- === 0);
        await bench.device.verb(1, step, 'skip').then(
          () => step++,
          (error: { code: string }) => assert.equal(error.code, 'STORE_IO'),
        );
        heal();
        await bench.clock.advance(2000);
        await bench.settle();
        const skipped = bench.device.open(1).steps.filter(({ state }) => state === 'skipped').length;
        assert.equal(skipped, step);
      }
      await agrees();
    });
  }

  it('does not seal half a plan, and the place is free again', async () => {
    const { device } = bench;
    await device.begin(1, TERMS, newKey(), HOST);
    await device.addSteps(1, steps(2), HOST);
    for (let nth = 0; nth < 30; nth++) {
      let left = nth;
      let failed = false;
      bench.disk.trouble = (act) => {
        failed ||= changes(act) && left-- === 0;
        return failed ? 'ENOSPC' : undefined;
      };
      const sealed = await device.seal(1, HOST).then(
        () => true,
        (error: { code: string }) => {
          assert.equal(error.code, 'STORE_FULL');
          return false;
        },
      );
      heal();
      if (sealed) break;
      assert.ok(nth < 29, 'never sealed');
      assert.equal(device.slots()[0]?.state, 'staging');
    }
    await agrees();
  });

  it('lets no key leave while the attempt is not on the disk', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    bench.detach();
    const { run, fail } = await bench.attempt();
    fails('ENOSPC');
    await run.onFound?.();
    await bench.settle();
    await assert.rejects(run.beforeKeyset(), (error: Error & { code: string }) => {
      assert.equal(error.code, 'STORE_FULL');
      fail(error);
      return true;
    });
    await bench.settle();
    assert.equal(bench.attempts.length, 0, 'no attempt is begun');
    assert.equal(bench.step(1, 0).state, 'pending', 'nothing is told that is not on the disk');
    heal();
    await bench.clock.advance(2000);
    const next = await bench.attempt();
    assert.equal(next.run.plan.address, 2);
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).outcome], ['failure', 'interrupted']);
    assert.equal(bench.device.open(1).summary.failed, 1);
  });

  it('keeps how an attempt ended until it can be written, and tells it then', async () => {
    await bench.seal(1);
    await bench.device.verb(1, 0, 'try');
    const { run, end } = await bench.attempt();
    await run.beforeKeyset();
    fails('ENOSPC');
    end(OK);
    await bench.settle();
    assert.deepEqual([bench.step(1, 0).state, bench.edges.length], ['attempting', 1]);
    await assert.rejects(bench.device.verb(1, 1, 'try'), { code: 'STORE_FULL' });
    await bench.clock.advance(10_000);
    await bench.settle();
    assert.equal(bench.device.status().store?.state, 'failing');
    heal();
    await bench.clock.advance(2000);
    await bench.settle();
    assert.deepEqual([bench.step(1, 0).state, bench.edges.at(-1)?.step.outcome], ['success', 'ok']);
    await agrees();
  });

  it('deletes on a full disk', async () => {
    await bench.seal(1);
    // Nothing new can be made; what is there can be written over and renamed.
    let end = 0;
    bench.disk.trouble = (act) =>
      act.act === 'create' || (act.act === 'write' && act.at > end) ? 'ENOSPC' : undefined;
    await bench.device.remove(1, null, HOST);
    end = Number.POSITIVE_INFINITY;
    assert.equal(bench.device.slots()[0]?.state, 'empty');
    heal();
    await bench.cut();
    assert.equal(bench.device.slots()[0]?.state, 'empty');
  });

  it('a delete that fails is either whole or can be said again', async () => {
    for (let nth = 0; nth < 8; nth++) {
      if (bench.device.slots()[0]?.state === 'empty') await bench.seal(1);
      let left = nth;
      fails('EIO', (act) => changes(act) && left-- === 0);
      const done = await bench.device.remove(1, null, HOST).then(
        () => true,
        (error: { code: string }) => {
          assert.equal(error.code, 'STORE_IO');
          return false;
        },
      );
      heal();
      if (!done) await bench.device.remove(1, null, HOST);
      assert.equal(bench.device.slots()[0]?.state, 'empty');
      await bench.clock.advance(2000);
      await bench.settle();
      await bench.cut();
      bench.attach();
      assert.equal(bench.device.slots()[0]?.state, 'empty');
    }
  });

  it('refuses a store that another key sealed, and one that was damaged', async () => {
    await bench.seal(1);
    const { content } = bench.disk;
    const other = await DeviceBench.start();
    await assert.rejects(other.cut(content), { code: 'KEYSTORE_WRONG_KEY' });
    await other.cut(new Map());
    await other.close();
    const name = 'slot-01.journal';
    const broken = Buffer.from(content.get(name) ?? '');
    broken[20] = (broken[20] ?? 0) ^ 1;
    const device = bench.device;
    await assert.rejects(bench.cut(new Map([...content, [name, broken]])), { code: 'STORE_DAMAGED' });
    bench.device = device;
    await bench.cut(content);
    assert.equal(bench.device.slots()[0]?.state, 'ready');
  });
});
