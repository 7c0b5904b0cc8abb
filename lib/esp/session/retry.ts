import { isKeywayError } from '../../errors/index.ts';
import type { LoaderContext } from './loader.ts';
import { recover } from './recover.ts';

/** How often work is tried at one rate of the line when that may be lowered. */
const TRIES = 3;

/**
 * Does work again after a fault of the line, once the chip answers in step. Lowering the rate begins the count anew.
 * @param tries how often in all, where the rate stays as it is.
 * @param codes which errors are faults of the line.
 * @throws the last error; BOARD_RESET, CHIP_STOPPED when the chip is beyond reach.
 */
export async function retrying<T>(
  context: LoaderContext,
  { tries, codes, signal }: { tries: number; codes: readonly string[]; signal: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  const { link } = context.channel;
  const limit = context.afterFault === undefined ? tries : Math.max(tries, TRIES);
  let tried = 0;
  for (;;) {
    const rate = link.baudRate;
    try {
      return await work();
    } catch (error) {
      if (++tried >= limit || !isKeywayError(error, ...codes)) throw error;
      await recover(context, error, signal);
      if (link.baudRate !== rate) tried = 0;
    }
  }
}
