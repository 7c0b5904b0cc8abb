import { encodeCommand, REPLIES } from '../codec/index.ts';
import { fail } from '../errors.ts';
import { checkKey, SCBK_D } from '../secure/keys.ts';
import { PanelHandshake } from '../secure/panel.ts';
import { nakDetail, type Peer, type SendOptions } from './peer.ts';
import type { KeysetResult } from './types.ts';

export interface KeysetOptions extends SendOptions {
  /** Whether to see to it that the reader no longer takes the default key. One more exchange. Default true. */
  readonly lockCheck?: boolean;
  /** Allow the default key's session, which anybody can read, on a link beyond this computer. Default false. */
  readonly force?: boolean;
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
    if (!peer.hasSession) {
      throw fail('SC_REQUIRED', `A key is set under a secure channel only, and address ${peer.address} has none.`, {
        hint: 'Open a session first: with the default key for a reader in install mode.',
        detail: { address: peer.address },
      });
    }
    if (peer.sessionKind === 0 && !peer.line.link.info.isLocal && options.force !== true) {
      throw fail(
        'KEYSET_IN_CLEAR',
        `The key would cross ${peer.line.link.info.name} under the default key, readable by all.`,
        {
          hint: 'Key the reader at a local port, on the bench.',
          detail: { address: peer.address },
        },
      );
    }
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

async function sendKey(peer: Peer, key: Uint8Array, options: SendOptions): Promise<KeysetResult['acknowledged']> {
  const { code, data } = encodeCommand({ name: 'KEYSET', type: 1, key });
  try {
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

/** A reader in install mode would take any key from anybody. */
async function checkLock(peer: Peer, options: SendOptions): Promise<KeysetResult['installMode']> {
  try {
    const answer = await peer.challenge(new PanelHandshake(SCBK_D as Uint8Array, 0), { ...options, retries: 1 });
    return answer === 'match' ? 'open' : 'closed';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'SC_REFUSED' || code === 'NO_REPLY') return 'closed';
    // It has its key by now, and that is to be proved and known, whatever came of this question.
    if (code === 'GARBAGE_ONLY' || code === 'READER_BUSY' || code === 'SC_FAILED') return 'unchecked';
    throw error;
  } finally {
    peer.restart();
  }
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
