import type { ChipFacts, FlashTarget } from '../../lib/esp/index.ts';
import { acquirePort, type Lease } from './broker.ts';
import { choosePort, type PortTarget } from './deployed.ts';
import type { Job } from './jobs.ts';
import { poolSlot } from './pools.ts';
import type { Device, PortConfig, Red, RedNode } from './types.ts';

/**
 * Does a job's work on the port its node or message names, and gives the port back on every path.
 * Waiting for the port shows as such and does not count against the timeout.
 */
export async function withPort<T>(
  red: Red,
  node: RedNode,
  config: PortConfig,
  job: Job,
  work: (lease: Lease, target: PortTarget) => Promise<T>,
): Promise<T> {
  return await withPortTarget(red, node, config, job, async (port) => {
    await port.open(null, job.signal);
    return await work(port.lease as Lease, port.target);
  });
}

/** A port that is taken when it is first opened, and kept for the job from there on, also while its board is away. */
export interface PortOnDemand extends FlashTarget {
  readonly target: PortTarget;
  /** Nothing until the port was opened. */
  readonly lease: Lease | undefined;
}

/**
 * As `withPort`, for work that looks at what it was given before the port is opened, and that waits for a board whose
 * cable was pulled. `patienceMs` is how long one wait may take.
 */
export async function withPortTarget<T>(
  red: Red,
  node: RedNode,
  config: PortConfig,
  job: Job,
  work: (port: PortOnDemand) => Promise<T>,
  patienceMs = 0,
): Promise<T> {
  const target = await choosePort(config.port, job.msg);
  let lease: Lease | undefined;
  let leave = (): void => undefined;
  const queued = (): void => job.waiting(red._('keyway.status.queued'));
  const take = async (): Promise<Lease> => {
    const turn = { signal: job.signal, wait: config.whenBusy !== 'refuse', onWaiting: queued };
    leave = await poolSlot(target, turn);
    const taken = await acquirePort(target, { owner: `${node.name || node.type} (${target.name})`, ...turn });
    lease = taken;
    job.lastResort(async () => {
      await taken.release();
      leave();
    });
    job.begin();
    return taken;
  };
  try {
    return await work({
      target,
      get lease() {
        return lease;
      },
      open: async (lost, signal = job.signal) => {
        const held = lease ?? (await take());
        return lost === null ? held.link : await held.reopen(lost, { signal, timeoutMs: patienceMs });
      },
    });
  } finally {
    // The console that the result goes to may be about to open the port: it is to hear the chip start.
    try {
      await lease?.release({ linger: true });
    } finally {
      leave();
    }
  }
}

/** Adds what a chip said of itself to the work piece. */
export function addChip(device: Device | undefined, facts: ChipFacts, port: string): Device {
  const added: Device = { ...device, port, chip: facts.name };
  if (facts.mac !== null) added.mac = facts.mac;
  if (facts.revision !== null) added.revision = facts.revision;
  if (facts.flash?.size) added.flashSize = facts.flash.size;
  return added;
}
