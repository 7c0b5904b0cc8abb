import { isKeywayError } from '../../errors/index.ts';
import type { Link } from '../../link/index.ts';
import { checkPlan } from '../plan/index.ts';
import type { FlashPlan, FlashResult } from '../types.ts';
import { throwIfCancelled } from './errors.ts';
import { FlashJob } from './job.ts';
import type { FlashOptions } from './options.ts';
import type { FlashTarget } from './target.ts';

/**
 * Flashes a plan: connects, detects, checks the guards, starts the stub, speeds the line up, carries out the steps in
 * their order, each verified, and restarts the chip. What the flash holds already is skipped. Refused by a guard, the
 * chip is restarted into the firmware it has; cancelled or failed later, it stays in its loader with the line at rest.
 *
 * When the board restarts or the line fails beyond repair, the job connects again; when the port of a `FlashTarget` is
 * lost, it waits for the same board, refuses any other, and goes on with what is missing. Links stay open, but for
 * lost ones.
 * @throws the codes of sessionErrors, planErrors, nvsErrors and linkErrors.
 */
export async function flash(target: Link | FlashTarget, plan: FlashPlan, options: FlashOptions): Promise<FlashResult> {
  checkPlan(plan, options.force);
  throwIfCancelled(options.signal);
  const job = new FlashJob(target, plan, options);
  try {
    for (;;) {
      try {
        return await job.run();
      } catch (error) {
        if (!isKeywayError(error)) throw error;
        await job.goOn(error);
      }
    }
  } finally {
    job.wipe();
  }
}
