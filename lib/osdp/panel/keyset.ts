import { encodeCommand, REPLIES } from '../codec/index.ts';
import { fail } from '../errors.ts';
import { checkKey } from '../secure/keys.ts';
import { challengeLock } from './lock.ts';
import { nakDetail, type Peer } from './peer.ts';
import type { SendOptions } from './sending.ts';
import type { KeysetResult } from './types.ts';

export interface KeysetOptions extends SendOptions {
  /** Whether to see to it that the reader no longer takes the default key. One more exchange. Default true. */
  readonly lockCheck?: boolean;
  /** Allow the default key's session, which anybody can read, on a link beyond this computer. Default false. */
  readonly force?: boolean;
  /** @internal Called when the key leaves: from then on the reader may hold it, whatever is heard of it. */
  readonly onLeaving?: () => void;
}

/**
 * Sets the key under the session that is open, and proves by a fresh handshake that the reader holds it. However the
 * reader acknowledges, only the handshake counts. The session it leaves is under the new key.
 *
 * @throws BAD_OSDP_KEY, FORBIDDEN_KEY, SC_REQUIRED, KEYSET_IN_CLEAR, KEYSET_FAILED, NO_REPLY, GARBAGE_ONLY
 */
export async function setKey(peer: Peer, newKey: Uint8Array, options: KeysetOptions): Promise<KeysetResult> {
  const key = checkKey(newKey);
  try {
    const acknowledged = await sendKey(peer, key, options);
    const installMode = options.lockCheck === false ? 'unchecked' : await checkLock(peer, options);
    try {
      await peer.handshake(key, 1, options);
    } catch (error) {
      throw notProved(peer, acknowledged, error);
    }
    return { acknowledged, proved: true, installMode };
  } finally {
    key.fill(0);
  }
}

/**
 * Sends KEYSET under the session that is open. However it is acknowledged, only a handshake proves anything.
 * @throws SC_REQUIRED, KEYSET_IN_CLEAR, READER_BUSY; KEYSET_FAILED when the reader refuses under the session
 */
export async function sendKey(
  peer: Peer,
  key: Uint8Array,
  options: KeysetOptions,
): Promise<KeysetResult['acknowledged']> {
  checkWay(peer, options);
  const { code, data } = encodeCommand({ name: 'KEYSET', type: 1, key });
  try {
    options.onLeaving?.();
    const reply = await peer.send(code, data, options);
    if (reply.code === REPLIES.ACK) return 'sealed';
    const nak = nakDetail(reply);
    throw fail('KEYSET_FAILED', `The reader at address ${peer.address} does not take the key: ${nak.reason}.`, {
      detail: { address: peer.address, ...nak },
    });
  } catch (error) {
    const { code: what, detail } = error as { code?: string; detail?: { reason?: string } };
    // It may have dropped the session, or the reply was lost: the handshake will tell.
    if (what === 'SC_LOST') return detail?.reason === 'plain' ? 'clear' : 'none';
    if (what === 'NO_REPLY' || what === 'GARBAGE_ONLY') return 'none';
    throw error;
  } finally {
    data.fill(0);
  }
}

/** The key is to be proved and known, whatever comes of this question. */
async function checkLock(peer: Peer, options: SendOptions): Promise<KeysetResult['installMode']> {
  const lock = await challengeLock(peer, { ...options, retries: 1 });
  if (lock === 'refused') return 'closed';
  return lock === 'open' || lock === 'closed' ? lock : 'unchecked';
}

/** A key goes under a session, and under that of the default key only where nobody else can listen. */
function checkWay(peer: Peer, options: KeysetOptions): void {
  const { address, line } = peer;
  if (!peer.hasSession) {
    throw fail('SC_REQUIRED', `A key is set under a secure channel only, and address ${address} has none.`, {
      hint: 'Open a session first: with the default key for a reader in install mode.',
      detail: { address },
    });
  }
  if (peer.sessionKind !== 0 || line.link.info.isLocal || options.force === true) return;
  throw fail('KEYSET_IN_CLEAR', `The key would cross ${line.link.info.name} under the default key, readable by all.`, {
    hint: 'Key the reader at a local port, on the bench.',
    detail: { address },
  });
}

function notProved(peer: Peer, acknowledged: string, cause: unknown): unknown {
  const { code } = cause as { code?: string };
  if (code !== 'SC_WRONG_KEY' && code !== 'SC_REFUSED' && code !== 'SC_FAILED') return cause;
  return fail('KEYSET_FAILED', `The reader at address ${peer.address} does not hold the key that was set.`, {
    hint: 'Open a session with the key it had before, and try again.',
    detail: { address: peer.address, acknowledged, handshake: code },
    cause,
  });
}
