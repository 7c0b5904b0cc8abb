import type { Place } from '../../panel/comset.ts';
import { type Attempt, spell } from './attempt.ts';
import { StepEnd } from './end.ts';

/** How often is asked who answers, until one answer comes alone. */
const ROUNDS = 4;

/**
 * Two new readers that come at once have one address, and are moved together. When they take differently long to
 * reply, the faster one alone is heard, and the words of the other one disturb what is said next. So where something
 * was disturbed, each POLL is followed by as much silence as a reader may take: two answers to one are two readers.
 * Where nothing was, this costs nothing.
 *
 * @throws StepEnd
 */
export async function refuseTwin(a: Attempt): Promise<void> {
  if (!a.wasDisturbed()) return;
  const place = a.place ?? a.target;
  const { line } = a;
  let [answered, bytes] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    // A late answer to what was asked before is none to this.
    await line.listen(line.replyTimeoutMs);
    const probed = await a.probe(place);
    const after = await line.listen(line.replyTimeoutMs);
    bytes += probed.bytes;
    if (probed.frame === undefined) continue;
    answered++;
    if (after.replies > 0) throw collision(place);
    if (after.bytes === 0) break;
  }
  if (answered === 0) throw bytes > 0 ? collision(place) : a.gone();
  a.peer.restart();
  a.wasDisturbed();
}

function collision(place: Place): StepEnd {
  return new StepEnd(
    'bus_collision',
    `Two readers answer at ${spell(place)}: they were connected at once. Take one of them off, and set it back.`,
  );
}
