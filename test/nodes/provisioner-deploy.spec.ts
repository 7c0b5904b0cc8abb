import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import { holderOf, openLink } from '../../lib/link/index.ts';
import { ProvisionerHost } from '../../lib/osdp/node.ts';
import { provisionerById } from '../../nodes/shared/provisioner.ts';
import { Bench, type FlowNode, stopFlow, unload } from './harness.ts';
import { bench as readersBench } from './osdp-flow.ts';
import { node, profile, provisionerOn, provisionerUserDir, result } from './provisioner-bench.ts';

/** Deploys once more, as a full deploy does. */
async function again(flow: FlowNode[]): Promise<Bench> {
  await stopFlow();
  await unload();
  return await Bench.load(flow);
}

/** Looks on, without taking edges, until that many readers are done. */
async function finished(userDir: string, count: number): Promise<void> {
  const run = join(userDir, 'keyway', 'run');
  const host = await ProvisionerHost.connect(`unix:${join(run, readdirSync(run)[0] as string)}`, { name: 'looks on' });
  try {
    while ((await host.slots())[0]?.provisioned !== count) await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    await host.close();
  }
}

/** The process that works for a user folder. */
async function processOf(userDir: string): Promise<number> {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (Number(pid) !== process.pid && words.includes(userDir)) return Number(pid);
  }
  return assert.fail('no process of a provisioner');
}

describe('a provisioner over deploys', function () {
  this.timeout(60_000);
  const userDir = provisionerUserDir();

  it('goes on with nobody attached, and what it did then is told once', async () => {
    const flow = [
      ...provisionerOn('alone', { count: '2', addresses: '1, 2' }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-progress', { kind: 'outcomes', wires: [['progress']] }),
    ];
    const bench = await Bench.load(flow);
    await result(bench, 'slots', { payload: profile({ autonomous: true }) });
    const keyed = new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (!readersBench().readers.every(({ isLocked }) => isLocked)) return;
        clearInterval(timer);
        resolve();
      }, 50);
    });
    // Nobody is attached from here on; the readers stay on the wires.
    await provisionerById('provisioner').close();
    await keyed;
    assert.deepEqual(bench.progress.messages, []);
    await finished(userDir(), 2);
    const after = await again(flow);
    const edges = await after.progress.many(2);
    assert.deepEqual(
      edges.map(({ payload, backfill }) => [payload.step, payload.outcome, backfill]),
      [
        [0, 'ok', true],
        [1, 'ok', true],
      ],
    );
    const third = await again([...flow, node('keyway-slots', { id: 'open', operation: 'open' })]);
    const { payload } = await result(third, 'open', {});
    assert.deepEqual([payload.state, payload.provisioned], ['complete', 2]);
    assert.deepEqual(third.progress.messages, []);
  });

  it('is the same process after a deploy, and another one when its settings changed', async () => {
    const flow = (slots: string): FlowNode[] => [
      ...provisionerOn('same', { addresses: '8' }, { slots }),
      node('keyway-slots'),
      node('keyway-quick-step', { address: '8', addressType: 'num' }),
    ];
    /** What a provisioner says that starts to work. */
    const started = (): unknown[] => {
      const said = helper.log().args.flat() as { msg?: unknown }[];
      return said.filter(({ msg }) => String(msg).startsWith('listening unix:'));
    };
    const first = await Bench.load(flow('3'));
    assert.equal((await result(first, 'slots', {})).payload.length, 4);
    assert.equal(started().length, 1);
    const second = await again(flow('3'));
    assert.equal((await result(second, 'slots', {})).payload.length, 4);
    assert.equal(started().length, 0);
    // The readers were deployed again too: it has found them where they were.
    assert.equal((await result(second, 'quick-step', {})).payload.outcome, 'ok');
    const third = await again(flow('5'));
    assert.equal((await result(third, 'slots', {})).payload.length, 6);
    assert.equal(started().length, 1);
  });

  it('ends when its node is gone, and gives the port back', async () => {
    const bench = await Bench.load([...provisionerOn('gone'), node('keyway-slots')]);
    await result(bench, 'slots', {});
    assert.notEqual(holderOf('virtual:gone'), undefined);
    // What a deploy does to a node that is no longer there.
    await (helper.getNode('provisioner') as unknown as { close(removed: boolean): Promise<void> }).close(true);
    assert.equal(holderOf('virtual:gone'), undefined);
    const link = await openLink('virtual:gone', { owner: 'test', baudRate: 9600 });
    await link.close();
    assert.equal(await bench.failure('slots', {}), 'PROVISIONER_NOT_SET');
  });

  it('takes its key from the environment, once, and keeps nothing of it in sight', async () => {
    const name = 'KEYWAY_TEST_PROVISIONER';
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 37 + 11) & 0xff)).toString('hex');
    process.env[name] = key;
    const flow = [
      ...provisionerOn('key', {}, { keySource: 'environment', keyVariable: name }),
      node('keyway-slots', { operation: 'import' }),
    ];
    const bench = await Bench.load(flow);
    await result(bench, 'slots', { payload: profile() });
    assert.equal(process.env[name], undefined);
    const folder = join(userDir(), 'keyway');
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    assert.ok(files.length >= 3);
    for (const file of files) {
      assert.equal(readFileSync(join(file.parentPath, file.name)).includes(key), false, file.name);
    }
    const wrong = await again([
      ...provisionerOn('key', {}, { keySource: 'environment', keyVariable: 'no-name!' }),
      flow.at(-1) as FlowNode,
    ]);
    assert.equal(await wrong.failure('slots', { payload: profile() }), 'BAD_FIELD');
  });

  it('says what is wrong with its port, and works when that is right', async () => {
    const [readers, port, provisioner] = provisionerOn('late');
    const slots = node('keyway-slots');
    const told = node('keyway-progress', { id: 'told', wires: [['out']] });
    const without = await Bench.load([port as FlowNode, provisioner as FlowNode, slots, told]);
    assert.equal(await without.failure('slots', {}), 'PORT_NOT_SUITABLE');
    const caught = await without.caught.next(({ error }) => error.source.id === 'told');
    assert.equal(caught.error.code, 'PORT_NOT_SUITABLE');
    const none = await again([{ ...(provisioner as FlowNode), port: '' }, slots]);
    assert.equal(await none.failure('slots', {}), 'PORT_NOT_SET');
    const bad = await again([
      readers as FlowNode,
      port as FlowNode,
      { ...(provisioner as FlowNode), slots: '65' },
      slots,
    ]);
    assert.equal(await bad.failure('slots', {}), 'BAD_FIELD');
    const right = await again([readers as FlowNode, port as FlowNode, provisioner as FlowNode, slots]);
    await result(right, 'slots', {});
  });

  it('dies in mid-step, is started again, and knows what it had begun', async function () {
    if (process.platform !== 'linux') this.skip();
    const bench = await Bench.load([
      ...provisionerOn('dies', { count: '1', addresses: '6' }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      node('keyway-step', { id: 'retry', operation: 'retry' }),
      node('keyway-progress', { kind: 'outcomes', wires: [['caught']] }),
    ]);
    await result(bench, 'slots', { payload: profile({ count: 1, startAddress: 6 }) });
    readersBench().unplug(readersBench().reader(6));
    bench.send('step', { job: 'cut' });
    await bench.progress.next();
    process.kill(await processOf(userDir()), 'SIGKILL');
    const caught = await bench.caught.next(({ job }) => job === 'cut');
    assert.equal(caught.error.code, 'LINK_LOST');
    const told = await bench.caught.next(({ topic }) => topic === 'step/failure');
    assert.deepEqual([told.payload.outcome, told.payload.cause, told.backfill], ['interrupted', 'power', true]);
    const [reader] = readersBench().readers;
    readersBench().plug(reader as NonNullable<typeof reader>);
    assert.equal((await result(bench, 'retry', {})).payload.outcome, 'ok');
  });

  it('loses its wires in mid-step, and does the step when they are back', async () => {
    const bench = await Bench.load([
      ...provisionerOn('wires', { count: '1', addresses: '4' }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      node('keyway-step', { id: 'retry', operation: 'retry' }),
    ]);
    await result(bench, 'slots', { payload: profile({ count: 1, startAddress: 4 }) });
    const { bus } = readersBench();
    bus.pull();
    const failed = await result(bench, 'step', {});
    assert.equal(failed.payload.outcome, 'port_error', failed.payload.text);
    bus.plug(bus.name);
    const done = await result(bench, 'retry', {});
    assert.equal(done.payload.outcome, 'ok', done.payload.text);
  });
});
