import { challengeLock } from '../../panel/lock.ts';
import type { Attempt } from './attempt.ts';

/** So many challenges in a row must be passed over, or refused for another reason, each between two answered polls. */
const SILENT = 4;
/** How many are asked in all before it counts as unclear. */
const ROUNDS = 10;

/**
 * Whether the reader takes the default key. Silence alone proves nothing: the challenge is repeated, with a valid
 * answer to POLL (a refusal is one) on either side of each. It ends any session.
 *
 * @returns unclear when nothing is known.
 */
export async function checkLock(a: Attempt): Promise<'open' | 'closed' | 'unclear'> {
  const ask = (retries: number) => a.peer.turn.run(() => challengeLock(a.peer, { ...a.sending, retries }));
  const first = await ask(1);
  if (first === 'open' || first === 'closed') return first;
  let silent = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if ((await a.probe(a.place ?? a.target)).frame === undefined) silent = 0;
    else if (silent === SILENT) return 'closed';
    else {
      const answer = await ask(0);
      if (answer === 'open' || answer === 'closed') return answer;
      silent = answer === 'unclear' ? 0 : silent + 1;
    }
  }
  return 'unclear';
}
