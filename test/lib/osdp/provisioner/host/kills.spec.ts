import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProvisionerHost } from '../../../../../lib/osdp/provisioner/host/index.ts';
import type { Cursor } from '../../../../../lib/osdp/provisioner/link/index.ts';
import { LinkBench, until } from '../link/bench.ts';
import { steps, TERMS } from '../link/fake-device.ts';
import { Faulty } from './faulty.ts';

/** Numbers that look random and are the same in every run. */
function seeded(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

describe('a host that is killed', () => {
  let bench: LinkBench;
  beforeEach(async () => {
    bench = await LinkBench.make();
  });
  afterEach(() => bench.close());

  it('at 100 random bytes of the link gets every edge of two slots once, and in order', async () => {
    const next = seeded(7);
    const { address } = await bench.unix();
    const line = await Faulty.between(bench, address);
    const taken = new Map<unknown, number[]>([
      [1, []],
      ['live', []],
    ]);
    let backfilled = 0;
    const cursors = (): Cursor[] =>
      [...taken].flatMap(([slot, seqs]) => {
        const seq = seqs.at(-1);
        const session = bench.device.plans.get(slot as 1)?.session;
        return seq === undefined || session === undefined ? [] : [{ slot: slot as 1, session, seq }];
      });
    const begin = (): ProvisionerHost => {
      const host = ProvisionerHost.start(line.address, { name: 'killed', after: cursors(), retryMs: [1, 5] });
      host.onEdge(({ slot, seq }, { backfill }) => {
        taken.get(slot)?.push(seq);
        if (backfill) backfilled++;
      });
      return host;
    };
    let host = begin();
    await until(() => host.state === 'attached');
    await host.create(1, TERMS, steps(20));
    await host.beginLive(TERMS);
    await host.quick({ address: 3, baudRate: 9600 });
    let told = 1;
    for (let kill = 0; kill < 100; kill++) {
      const before = line.cuts;
      line.left = 1 + next(6000);
      // Edges while it is there, and while it is not.
      for (let i = 0; line.cuts === before && i < 400; i++) {
        bench.device.edge(i % 2 === 0 ? 1 : 'live', 0, { attempts: told++ });
        if (next(4) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => line.cuts > before);
      bench.device.edge(1, 1, { attempts: told++ });
      if (next(3) > 0) continue;
      // Not the link alone: the whole host is gone, and a new one knows what the listener wrote down.
      await host.close();
      host = begin();
    }
    const newest = (slot: 1 | 'live'): number => bench.device.plans.get(slot)?.seq ?? 0;
    await until(
      () => taken.get(1)?.length === newest(1) && taken.get('live')?.length === newest('live'),
      'edges are missing',
    );
    await host.close();
    assert.equal(line.cuts, 100);
    for (const slot of [1, 'live'] as const) {
      assert.deepEqual(
        taken.get(slot),
        Array.from({ length: newest(slot) }, (_, i) => i + 1),
        `slot ${slot}`,
      );
    }
    assert.ok(backfilled > 50, `only ${backfilled} were marked`);
  }).timeout(60_000);

  it('as a process, with SIGKILL, goes on where its own record ends', async () => {
    const kills = Number(process.env.KEYWAY_KILLS ?? 3);
    const next = seeded(11);
    const { address } = await bench.unix();
    const creator = await bench.host(address);
    await creator.create(1, TERMS, steps(20));
    await creator.close();
    const record = join(bench.folder, 'edges.txt');
    await writeFile(record, '');
    let child: ChildProcess | undefined;
    bench.atEnd(async () => void child?.kill('SIGKILL'));
    const lines = async (): Promise<number[]> => {
      const text = await readFile(record, 'utf8');
      return text.split('\n').slice(0, -1).map(Number);
    };
    let told = 0;
    for (let kill = 0; kill <= kills; kill++) {
      child = spawn(process.execPath, [fileURLToPath(new URL('./victim.ts', import.meta.url)), address, record], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const ended = once(child, 'exit');
      await until(() => bench.device.host !== null, 'it did not attach', 15_000);
      const until200 = told + 20 + next(200);
      while (told < until200) {
        bench.device.edge(1, told % 20, { attempts: told++ });
        if (next(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      if (kill === kills) {
        await until(async () => (await lines()).length >= told, 'edges are missing', 15_000);
      } else if (next(2) === 0) await until(async () => (await lines()).length > 0);
      child.kill('SIGKILL');
      await ended;
      await until(() => bench.device.host === null);
    }
    assert.deepEqual(
      await lines(),
      Array.from({ length: told }, (_, i) => i + 1),
    );
  }).timeout(120_000);
});
