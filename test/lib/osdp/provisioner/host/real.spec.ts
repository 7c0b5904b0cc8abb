import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryPair } from '../../../../../lib/link/index.ts';
import { openProvisioner, type StepRunner } from '../../../../../lib/osdp/provisioner/device/index.ts';
import { ProvisionerHost } from '../../../../../lib/osdp/provisioner/host/index.ts';
import {
  type Cursor,
  listen,
  PeerBook,
  ProvisionerHub,
  parseProvisionerAddress,
} from '../../../../../lib/osdp/provisioner/link/index.ts';
import { STAGES } from '../../../../../lib/osdp/provisioner/types.ts';
import { makeKeyFile, openKeystore } from '../../../../../lib/vault/index.ts';
import { LinkBench, testIdentities, until } from '../link/bench.ts';
import { steps, TERMS } from '../link/fake-device.ts';
import { Faulty } from './faulty.ts';

/** All stages of an attempt, in no time. */
const run: StepRunner = async (_panel, { onStage, beforeKeyset, keyVersion, onFound }) => {
  await onFound?.();
  for (const stage of STAGES) {
    if (stage === 'keyset') await beforeKeyset();
    onStage(stage, 'in-flight');
    await new Promise((resolve) => setImmediate(resolve));
    onStage(stage, 'reached');
  }
  return {
    outcome: 'ok',
    stage: 'done',
    stageState: 'reached',
    detail: { text: 'It was commissioned.', keyed: true },
    identity: null,
    keyVersion,
    maybeKeyed: null,
    place: null,
    attempted: true,
  };
};

describe('a host of a real device', () => {
  let bench: LinkBench;
  let folder: string;
  beforeEach(async () => {
    bench = await LinkBench.make();
    folder = await mkdtemp(join(tmpdir(), 'keyway-real-'));
    await chmod(folder, 0o700);
  });
  afterEach(async () => {
    await bench.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('that is killed at 100 random bytes, while the device goes on alone, gets every edge once and in order', async () => {
    await makeKeyFile(join(folder, 'key'));
    const keystore = await openKeystore({ source: { file: join(folder, 'key') } });
    const openPort = async () => createMemoryPair({ name: 'bus' }).host;
    const device = await openProvisioner({ folder: join(folder, 'store'), keystore, openPort, run });
    const { device: identity } = await testIdentities();
    const hub = new ProvisionerHub({ device, book: PeerBook.of([]), identity });
    const served = await listen(hub, parseProvisionerAddress(`unix:${join(folder, 's.sock')}`));
    bench.atEnd(async () => {
      await served.close();
      await hub.close();
      await device.close();
      keystore.close();
    });
    const line = await Faulty.between(bench, served.address);
    let session = '';
    const got: { seq: number; backfill: boolean; index: number; state: string }[] = [];
    const begin = (): ProvisionerHost => {
      const after: Cursor[] = got.length === 0 ? [] : [{ slot: 1, session, seq: got.at(-1)?.seq ?? 0 }];
      const host = ProvisionerHost.start(line.address, { name: 'killed', after, retryMs: [1, 5] });
      host.onEdge(({ seq, step }, { backfill }) => {
        got.push({ seq, backfill, index: step.index, state: step.state });
      });
      return host;
    };
    let host = begin();
    bench.atEnd(() => host.close());
    await until(() => host.state === 'attached');
    session = (await host.create(1, { ...TERMS, bus: 'multi', autonomous: true }, steps(126))).session ?? '';
    const summary = () => device.open(1).summary;
    let turn = 0;
    while (line.cuts < 100) {
      const before = line.cuts;
      line.left = 1 + ((turn++ * 7919) % 9000);
      await until(async () => {
        const step = device.open(1).steps.find(({ state }) => state !== 'attempting');
        // Whoever is there sends words; whether they arrived is not known when the link goes.
        await host.verb(1, step?.index ?? 0, 'reset').catch(() => undefined);
        await host.verb(1, step?.index ?? 0, 'try').catch(() => undefined);
        return line.cuts > before;
      });
      if (turn % 3 !== 0) continue;
      await host.close();
      host = begin();
    }
    await host.close();
    // Alone to the end, and one host that takes all of it.
    await until(() => summary().state === 'complete', 'it does not go on alone', 20_000);
    host = begin();
    await until(() => got.at(-1)?.seq === summary().seq, 'edges are missing');
    assert.equal(line.cuts, 100);
    assert.deepEqual(
      got.map(({ seq }) => seq),
      Array.from({ length: summary().seq }, (_, i) => i + 1),
    );
    assert.ok(got.filter(({ backfill }) => backfill).length > 100);
    // What the edges say is what the device says.
    const last = new Map(got.map(({ index, state }) => [index, state]));
    assert.deepEqual(
      [...last].sort(([a], [b]) => a - b),
      device.open(1).steps.map(({ index, state }) => [index, state]),
    );
    assert.equal(summary().provisioned, 126);
  }).timeout(90_000);
});
