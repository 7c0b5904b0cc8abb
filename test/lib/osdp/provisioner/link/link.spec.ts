import assert from 'node:assert/strict';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { listenLink } from '../../../../../lib/osdp/provisioner/link/index.ts';
import type { Edge } from '../../../../../lib/osdp/provisioner/types.ts';
import { cable, LinkBench, until } from './bench.ts';
import { steps, TERMS } from './fake-device.ts';

describe('the provisioner’s link', () => {
  let bench: LinkBench;
  beforeEach(async () => {
    bench = await LinkBench.make();
  });
  afterEach(() => bench.close());

  const ways = {
    unix: async () => ({ where: (await bench.unix()).address, options: {} }),
    tls: async () => ({ where: (await bench.tls()).address, options: await bench.paired() }),
    'a line': async () => {
      const { near, far } = cable('ways');
      const serving = listenLink(bench.hub, far);
      bench.atEnd(() => serving.close());
      return { where: async () => near, options: await bench.paired() };
    },
  };

  for (const [name, way] of Object.entries(ways)) {
    it(`does all that a device does, over ${name}`, async () => {
      const { where, options } = await way();
      const host = await bench.host(where, options);
      assert.equal(host.state, 'attached');
      assert.deepEqual(host.status?.modes, ['live', 'offline']);
      assert.deepEqual(
        (await host.slots()).map((one) => one.state),
        Array(5).fill('empty'),
      );

      const sealed = await host.create(2, TERMS, steps(126));
      assert.deepEqual([sealed.state, sealed.total, sealed.slot], ['ready', 126, 2]);
      const picture = await host.open(2);
      assert.deepEqual(picture, bench.device.open(2));
      assert.equal(picture.steps.length, 126);

      const got: Edge[] = [];
      host.onEdge((edge, { backfill }) => {
        assert.equal(backfill, false);
        got.push(edge);
      });
      await host.verb(2, 3, 'try');
      await host.verb(2, 4, 'skip');
      await until(() => got.length === 2);
      assert.deepEqual(
        got.map(({ step }) => [step.index, step.state]),
        [
          [3, 'attempting'],
          [4, 'skipped'],
        ],
      );
      await until(() => bench.device.edges(2, 0).length === 0);
      await host.cancel(2);

      const planned = bench.device.plans.get(2)?.seed.toString('hex');
      const read = await host.withSeed(2, (seed) => ({
        ...seed,
        seed: Buffer.from(seed.seed).toString('hex'),
        kept: seed.seed,
      }));
      assert.deepEqual([read.seed, read.slot, read.session], [planned, 2, sealed.session]);
      assert.ok(read.kept.every((byte) => byte === 0));
      assert.equal(bench.device.seedReads.length, 1);

      await host.beginLive(TERMS);
      assert.equal(await host.quick({ address: 5, baudRate: 9600, serial: '0A0B0C0D' }), 0);
      assert.equal((await host.closeLive()).state, 'complete');
      await host.exported('live', bench.device.plans.get('live')?.session ?? '');
      assert.equal((await host.open('live')).summary.exported, true);
      await host.remove(2, sealed.session);
      await assert.rejects(host.verb(4, 0, 'try'), (error) => isKeywayError(error, 'SLOT_EMPTY'));
      assert.equal((await host.slots()).find((one) => one.slot === 2)?.state, 'empty');

      const told = new Promise((resolve) => host.onStatus(resolve));
      bench.device.tell({ state: 'gone', text: 'pulled' });
      assert.deepEqual(((await told) as { bus: unknown }).bus, { state: 'gone', text: 'pulled' });
      await host.close();
      await until(() => bench.device.host === null);
      assert.equal(bench.device.statusListeners, 0);
    });
  }
});
