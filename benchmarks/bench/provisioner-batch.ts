import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openLink } from '../../lib/link/index.ts';
import { KDF } from '../../lib/osdp/index.ts';
import { openProvisioner, type Provisioner, type ProvisionerOptions } from '../../lib/osdp/provisioner/device/index.ts';
import type { StepResult } from '../../lib/osdp/provisioner/engine/index.ts';
import { ProvisionerHost } from '../../lib/osdp/provisioner/host/index.ts';
import {
  listen,
  makeLinkIdentity,
  PeerBook,
  ProvisionerHub,
  parseProvisionerAddress,
} from '../../lib/osdp/provisioner/link/index.ts';
import type { PlanTerms } from '../../lib/osdp/provisioner/types.ts';
import { makeKeyFile, openKeystore } from '../../lib/vault/index.ts';
import { ReaderBus, VirtualReader } from '../../lib/virtual/readers/index.ts';
import { floorOf, REPLY_MS, terms } from './provisioner-step.ts';

const HOST = { id: 'aa'.repeat(32), name: 'benchmark' };

/** A provisioner on a store of its own on this disk. */
async function withProvisioner<T>(
  options: Pick<ProvisionerOptions, 'openPort' | 'run'>,
  use: (device: Provisioner, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'keyway-benchmark-'));
  const ends: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    await makeKeyFile(join(folder, 'key'));
    const keystore = await openKeystore({ source: { file: join(folder, 'key') } });
    ends.push(() => keystore.close());
    const device = await openProvisioner({ folder: join(folder, 'store'), keystore, ...options });
    ends.push(() => device.close());
    return await use(device, folder);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function seal(device: Provisioner, plan: PlanTerms, count: number, baudRate: number): Promise<void> {
  const key = { seed: randomBytes(16), session: randomBytes(16).toString('hex'), kdf: KDF };
  await device.begin(1, plan, key, HOST);
  await device.addSteps(
    1,
    Array.from({ length: count }, (_, i) => ({ address: i + 1, baudRate })),
    HOST,
  );
  await device.seal(1, HOST);
}

/** What 126 readers took, and what was held in memory for it. */
export interface BatchFigures {
  /** From the first byte to the last, by what the wire and the readers took. */
  readonly ratio: number;
  /** Memory at the end above that after the first eighth, MiB. */
  readonly grownMiB: number;
}

/**
 * Readers one after the other at a bench: each is put on the wire when the one before has ended, and tried by a host
 * that is told by the edge. The journal is on this disk, with all its syncs.
 */
export async function batch(count: number, baudRate: number): Promise<BatchFigures> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };
  const bus = new ReaderBus({ name: 'benchmark-batch' });
  try {
    const openPort = () => openLink(`virtual:${bus.name}`, { owner: 'benchmark', baudRate });
    return await withProvisioner({ openPort }, async (device) => {
      await seal(device, terms(baudRate), count, baudRate);
      let reader = bus.add(new VirtualReader({ baudRate, replyMs: REPLY_MS }));
      let early = 0;
      await new Promise<void>((resolve, reject) => {
        device.attach(HOST, ({ seq, step, cause }) => {
          void device.acknowledge(1, seq);
          if (cause !== 'attempt' || step.state === 'attempting') return;
          if (step.outcome !== 'ok') reject(new Error(`Step ${step.index} ended with ${step.outcome}.`));
          const next = step.index + 1;
          if (next === count) resolve();
          else {
            const stranger = new VirtualReader({ baudRate, replyMs: REPLY_MS, id: { serial: next } });
            bus.swap(reader, stranger);
            reader = stranger;
            if (next === count >> 3) early = used();
            device.verb(1, next, 'try').catch(reject);
          }
        });
        device.verb(1, 0, 'try').catch(reject);
      });
      const ratio = (bus.stats.to - (bus.stats.from ?? 0)) / floorOf(bus.stats);
      return { ratio, grownMiB: used() - early };
    });
  } finally {
    bus.close();
  }
}

/** Seconds from the moment when a host begins to connect until it has every edge and the picture of a whole slot. */
export async function reattach(count: number): Promise<number> {
  const bus = new ReaderBus({ name: 'benchmark-reattach' });
  try {
    const openPort = () => openLink(`virtual:${bus.name}`, { owner: 'benchmark', baudRate: 9600 });
    return await withProvisioner({ openPort, run: fullStep }, async (device, folder) => {
      await seal(device, { ...terms(9600), autonomous: true }, count, 9600);
      while (device.open(1).summary.state !== 'complete') await new Promise((resolve) => setTimeout(resolve, 5));
      const edges = device.edges(1, 0).length;
      const [identity, book] = await Promise.all([makeLinkIdentity('benchmark'), PeerBook.open(null)]);
      const hub = new ProvisionerHub({ device, book, identity });
      const listening = await listen(hub, parseProvisionerAddress(`unix:${join(folder, 'link.sock')}`));
      try {
        const start = performance.now();
        const host = ProvisionerHost.start(listening.address, { name: 'benchmark' });
        try {
          let got = 0;
          await new Promise<void>((resolve) => {
            host.onEdge(() => {
              if (++got === edges) resolve();
            });
          });
          const picture = await host.open(1);
          if (picture.summary.provisioned !== count) throw new Error('The picture is not whole.');
          return (performance.now() - start) / 1000;
        } finally {
          await host.close();
        }
      } finally {
        await listening.close();
        await hub.close();
      }
    });
  } finally {
    bus.close();
  }
}

/** Tells what a real attempt tells, at once. */
const fullStep: NonNullable<ProvisionerOptions['run']> = async (_, run) => {
  await run.onFound?.();
  const stages = ['locate', 'comset', 'confirm', 'challenge', 'keyset', 'lock-check', 'verify', 'auto-verify'] as const;
  for (const stage of stages) {
    if (stage === 'keyset') await run.beforeKeyset();
    run.onStage(stage, 'in-flight');
    run.onStage(stage, 'reached');
  }
  return {
    outcome: 'ok',
    stage: 'done',
    stageState: 'reached',
    detail: { text: 'The reader has its key and is locked.', keyed: true, frames: 24 },
    identity: { vendor: '4B5759', model: 1, version: 1, serial: '10000001', firmware: '1.0.0' },
    keyVersion: run.keyVersion,
    maybeKeyed: null,
    place: null,
    attempted: true,
  } satisfies StepResult;
};
