import { SCBK_D } from '../secure/keys.ts';
import { PanelHandshake } from '../secure/panel.ts';
import type { Peer } from './peer.ts';
import type { SendOptions } from './sending.ts';

/** Refusals that speak of the frame, not of the key: its check, its length, its number. */
const OF_THE_FRAME: readonly unknown[] = [1, 2, 4];
/** The refusal of a key. */
const OF_THE_KEY = 5;

/**
 * Whether the reader takes the default key, as it does in install mode: then anybody may give it a key. It ends any
 * session, and gives no proof to the reader.
 *
 * @returns open: it does. closed: it refuses the key, or brings another one. refused: for another reason; this may be
 * a late answer to something else. silent: nothing came, which proves nothing. unclear: what came says nothing.
 */
export async function challengeLock(
  peer: Peer,
  options: SendOptions = {},
): Promise<'open' | 'closed' | 'refused' | 'silent' | 'unclear'> {
  try {
    const answer = await peer.challenge(new PanelHandshake(SCBK_D as Uint8Array, 0), options);
    return answer === 'match' ? 'open' : 'closed';
  } catch (error) {
    const { code, detail } = error as { code?: string; detail?: { nak?: number } };
    if (code === 'SC_REFUSED') {
      if (detail?.nak === OF_THE_KEY) return 'closed';
      return OF_THE_FRAME.includes(detail?.nak) ? 'unclear' : 'refused';
    }
    if (code === 'NO_REPLY') return 'silent';
    if (code === 'GARBAGE_ONLY' || code === 'SC_FAILED' || code === 'READER_BUSY') return 'unclear';
    throw error;
  } finally {
    peer.restart();
  }
}
