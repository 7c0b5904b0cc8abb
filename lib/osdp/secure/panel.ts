import { randomBytes } from 'node:crypto';
import { sameBytes, sameSecret } from '../bytes.ts';
import { COMMANDS, decodeReply, REPLIES } from '../codec/index.ts';
import type { Check, Frame, SecurityBlock, Sequence } from '../frame/frame.ts';
import { open, type Sealed, SessionKeys, seal } from './session.ts';

/** Which key a challenge asks for: 0 the default key, 1 the reader's own. */
export type KeyKind = 0 | 1;

/** One message of a handshake, to be framed by the caller. */
export interface HandshakeMessage {
  readonly security: SecurityBlock;
  readonly code: number;
  readonly data: Uint8Array;
}

/** The panel's half of a handshake (Annex D.3). A handshake is used once. */
export class PanelHandshake {
  readonly kind: KeyKind;
  readonly #rndA: Buffer;
  readonly #keys: SessionKeys;
  #server: Buffer | undefined;

  /** @param options.rndA 8 bytes, for tests; otherwise random. */
  constructor(key: Uint8Array, kind: KeyKind, options: { rndA?: Uint8Array } = {}) {
    this.kind = kind;
    this.#rndA = Buffer.from(options.rndA ?? randomBytes(8));
    this.#keys = new SessionKeys(key, this.#rndA);
  }

  challenge(): HandshakeMessage {
    return { security: block(0x11, this.kind), code: COMMANDS.CHLNG, data: this.#rndA };
  }

  /**
   * Judges the reader's answer by its cryptogram; the flag of SCS_12 and the reader's identifier are not believed.
   * @returns 'malformed' when the frame is no CCRYPT at all.
   */
  answer(frame: Frame): 'match' | 'wrong-key' | 'malformed' {
    if (frame.security?.type !== 0x12 || frame.code !== REPLIES.CCRYPT || frame.data.length !== 32) return 'malformed';
    const rndB = frame.data.subarray(8, 16);
    if (!sameSecret(this.#keys.clientCryptogram(this.#rndA, rndB), frame.data.subarray(16))) return 'wrong-key';
    this.#server = this.#keys.serverCryptogram(this.#rndA, rndB);
    return 'match';
  }

  /** To be sent only after a match: a reader that sees a wrong cryptogram may lock itself. */
  proof(): HandshakeMessage {
    if (this.#server === undefined) throw new Error('The reader has not proved its key.');
    return { security: block(0x13, this.kind), code: COMMANDS.SCRYPT, data: this.#server };
  }

  /** The session, when the reader confirms it with the right value. */
  confirm(frame: Frame): PanelChannel | undefined {
    if (this.#server === undefined || frame.security?.type !== 0x14 || frame.code !== REPLIES.RMAC_I) return undefined;
    const accepted = frame.security.data.length === 0 || frame.security.data[0] === 1;
    const rmac = this.#keys.initialRmac(this.#server);
    if (!accepted || frame.data.length !== 16 || !sameSecret(rmac, frame.data)) return undefined;
    return new PanelChannel(this.#keys, rmac);
  }
}

const block = (type: number, kind: number): SecurityBlock => ({ type, data: Uint8Array.of(kind) });

/** Why a session is over. */
export type EndReason = 'plain' | 'mac' | 'padding' | 'sequence' | 'refused' | 'restarted';

/** What a frame means to a panel inside a session. */
export type PanelReceipt =
  | { readonly kind: 'reply'; readonly code: number; readonly data: Uint8Array }
  /** Send the same frame again, later. */
  | { readonly kind: 'busy' }
  /** The reader could not read the frame: send it again. */
  | { readonly kind: 'damaged' }
  /** The last reply once more: nothing to do. */
  | { readonly kind: 'stray' }
  /** The session is over and nothing of the frame is to be believed. `nak` is the reader's reason, where it gave one. */
  | { readonly kind: 'ended'; readonly reason: EndReason; readonly nak?: number };

/** A session as the panel holds it. After it has ended it accepts nothing. */
export class PanelChannel {
  readonly #keys: SessionKeys;
  #rmac: Buffer;
  #pending: { sequence: Sequence; mac: Buffer } | undefined;
  #lastReply: Uint8Array | undefined;
  #ended: EndReason | undefined;

  constructor(keys: SessionKeys, rmac: Buffer) {
    this.#keys = keys;
    this.#rmac = rmac;
  }

  get ended(): EndReason | undefined {
    return this.#ended;
  }

  /** The bytes of a command. To send it again, send the same bytes. */
  seal(message: { address: number; sequence: Sequence; check: Check; code: number; data: Uint8Array }): Sealed {
    if (this.#ended !== undefined) throw new Error('The session is over.');
    const sealed = seal(this.#keys, this.#rmac, { ...message, reply: false });
    this.#pending = { sequence: message.sequence, mac: sealed.mac };
    return sealed;
  }

  /** Takes a reply of this reader. Anything but what the norm allows ends the session (D.1.4). */
  receive(frame: Frame): PanelReceipt {
    if (this.#ended !== undefined) return { kind: 'ended', reason: this.#ended };
    if (this.#lastReply !== undefined && sameBytes(this.#lastReply, frame.raw)) return { kind: 'stray' };
    if (frame.security === undefined) return this.#plain(frame);
    const pending = this.#pending;
    if (pending === undefined) return this.#end('mac');
    const opened = open(this.#keys, pending.mac, frame);
    if (!opened.ok) return this.#end(opened.why);
    if (frame.sequence !== pending.sequence) return this.#end(frame.sequence === 0 ? 'restarted' : 'sequence');
    this.#rmac = opened.mac;
    this.#pending = undefined;
    this.#lastReply = frame.raw;
    return { kind: 'reply', code: opened.code, data: opened.data };
  }

  /** Ends it from this side. */
  close(): void {
    this.#ended ??= 'restarted';
  }

  #plain(frame: Frame): PanelReceipt {
    if (frame.code === REPLIES.BUSY && frame.data.length === 0) return { kind: 'busy' };
    if (frame.code !== REPLIES.NAK) return this.#end('plain');
    const nak = frame.data[0];
    if (nak === 1) return { kind: 'damaged' };
    return nak === undefined ? this.#end('plain') : this.#end('refused', nak);
  }

  #end(reason: EndReason, nak?: number): PanelReceipt {
    this.#ended = reason;
    return { kind: 'ended', reason, ...(nak === undefined ? {} : { nak }) };
  }
}

/** The identifier of a CCRYPT, only to be recorded: three stacks fill it in three ways. */
export function uidOf(frame: Frame): Uint8Array | undefined {
  const reply = frame.data.length === 32 && frame.code === REPLIES.CCRYPT ? decodeReply(frame.code, frame.data) : null;
  return reply?.name === 'CCRYPT' ? reply.uid : undefined;
}
