import type { ChipFacts } from '../../lib/esp/index.ts';
import { acquirePort, type Lease } from './broker.ts';
import { choosePort, type PortTarget } from './deployed.ts';
import type { Job } from './jobs.ts';
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
  const target = choosePort(config.port, job.msg);
  const lease = await acquirePort(target, {
    owner: `${node.name || node.type} (${target.name})`,
    wait: config.whenBusy !== 'refuse',
    signal: job.signal,
    onWaiting: () => job.waiting(red._('keyway.status.queued')),
  });
  job.lastResort(() => lease.release());
  try {
    job.begin();
    return await work(lease, target);
  } finally {
    // The console that the result goes to may be about to open the port: it is to hear the chip start.
    await lease.release({ linger: true });
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
