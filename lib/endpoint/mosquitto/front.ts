import { MosquittoControl, type MosquittoControlOptions } from './control.ts';
import { type MosquittoReload, reloadMosquitto } from './reload.ts';

/** What makes a mosquitto in front of the flow forget revoked devices. */
export interface MosquittoFront {
  readonly reload: MosquittoReload;
  /** Without it open sessions stay until they end by themselves. */
  readonly control?: MosquittoControlOptions;
}

export interface MosquittoCut {
  /** Writes the file with the new revocation list; left out when that is done. */
  readonly write?: () => Promise<unknown>;
  /** Common names of the revoked devices: `<namespace>:<mac>`. */
  readonly usernames: readonly string[];
}

/**
 * After a revocation, in the only order that holds: the new list is written, mosquitto reads it, then the sessions are
 * ended. A device that is kicked first comes back in before the list is read, and stays.
 * @returns the users whose sessions were ended
 * @throws what `write` throws, MOSQUITTO_NOT_THERE, MOSQUITTO_REFUSED; what came before is done
 */
export async function cutAtMosquitto(front: MosquittoFront, cut: MosquittoCut): Promise<readonly string[]> {
  await cut.write?.();
  await reloadMosquitto(front.reload);
  if (front.control === undefined || cut.usernames.length === 0) return [];
  const control = await MosquittoControl.open(front.control);
  try {
    await control.kick(cut.usernames);
  } finally {
    await control.close();
  }
  return cut.usernames;
}
