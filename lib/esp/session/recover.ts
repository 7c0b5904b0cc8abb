import { isKeywayError } from '../../errors/index.ts';
import { boardReset, type Channel } from './channel.ts';
import { fail } from './errors.ts';
import type { LoaderContext } from './loader.ts';
import { Op, syncPayload } from './protocol.ts';
import type { Timing } from './timing.ts';

const END = Uint8Array.of(0xc0);

/**
 * Finds the step again after a fault: the value of the first SYNC that is answered, undefined when none is.
 *
 * A lost or added END leaves the far side taking the gaps between frames for frames, and a SYNC with its two ENDs
 * does not change that; so every other SYNC is led by one END more.
 */
export async function resync(channel: Channel, timing: Timing, signal?: AbortSignal): Promise<number | undefined> {
  for (let i = 0; i < timing.syncsPerAttempt * 2; i++) {
    if (i % 2 === 1) channel.sendRaw(END);
    try {
      return (await channel.command(Op.SYNC, syncPayload(), { timeoutMs: timing.syncMs, signal })).value;
    } catch (error) {
      if (!isKeywayError(error, 'CHIP_STOPPED', 'CHIP_REFUSED')) throw error;
    }
  }
  return undefined;
}

/**
 * After a fault in the middle of an operation.
 * @throws BOARD_RESET when the board restarted, CHIP_STOPPED when nobody answers any more.
 */
export async function recover(context: LoaderContext, cause: Error, signal?: AbortSignal): Promise<void> {
  const { channel, timing } = context;
  const { heardRubbish } = channel;
  const value = await resync(channel, timing, signal);
  if (value === undefined) {
    if (heardRubbish || channel.heardRubbish) throw boardReset('');
    if (isKeywayError(cause, 'CHIP_STOPPED')) throw cause;
    throw fail('CHIP_STOPPED', `The chip answers no more. Before: ${cause.message}`, {
      hint: 'Check the cable and the supply, try a lower baud rate, and start again.',
      cause,
    });
  }
  // The ROM in place of the stub: the board restarted, even if its banner was lost.
  if (context.stub && value !== 0) throw boardReset(channel.printed);
  channel.forget();
  await context.afterFault?.(signal);
}
