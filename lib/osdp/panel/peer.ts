import { waitUntil } from '../clock.ts';
import { COMMANDS, NAK_REASONS, REPLIES } from '../codec/index.ts';
import { fail } from '../errors.ts';
import { type Check, encodeFrame, type Frame, MIN_BUFFER, type Sequence } from '../frame/frame.ts';
import {
  type EndReason,
  type HandshakeMessage,
  type KeyKind,
  type PanelChannel,
  PanelHandshake,
} from '../secure/panel.ts';
import type { Answer, BusLine } from './line.ts';
import { Mutex } from './mutex.ts';
import type { Received, SendOptions } from './sending.ts';

/** How often a busy reader is asked again, and after how long, in ms. */
const BUSY_LIMIT = 20;
const BUSY_MS = 25;

/** What one frame of a reader means, before it is acted upon. */
type Verdict =
  | { readonly kind: 'reply'; readonly received: Received; readonly frame: Frame }
  | { readonly kind: 'busy' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'ended'; readonly reason: EndReason; readonly nak?: number; readonly frame: Frame };

interface Pending {
  readonly raw: Uint8Array;
  readonly sequence: Sequence;
  readonly code: number;
  readonly sealed: boolean;
  sent: number;
  /** How many of them met a busy reader. */
  busies: number;
}

/**
 * The panel's side of one address: its numbers, its kind of check, its session. A frame that was not answered stays
 * pending: it is sent again, byte by byte the same, before anything else is.
 */
export class Peer {
  readonly address: number;
  readonly line: BusLine;
  /** Who works with this reader for more than one exchange holds it. */
  readonly turn = new Mutex();
  /** Takes replies to a frame that was still pending when something else was to be sent. */
  onLate: ((received: Received) => void) | undefined;
  check: Check = 'crc';
  /** Longest frame the reader takes. */
  maxFrame = MIN_BUFFER;
  /** When the last valid reply came; undefined before any. */
  lastValidAt: number | undefined;
  /** Longest time it took to begin a reply, in ms. */
  slowestMs = 0;
  #sequence: Sequence = 0;
  #channel: PanelChannel | undefined;
  #pending: Pending | undefined;
  #checkProved = false;
  sessionKind: KeyKind | undefined;

  constructor(line: BusLine, address: number) {
    this.line = line;
    this.address = address;
  }

  get hasSession(): boolean {
    return this.#channel !== undefined && this.#channel.ended === undefined;
  }

  /** Takes over what is known of a reader that has another address now. */
  inherit(other: Peer): void {
    this.check = other.check;
    this.#checkProved = other.#checkProved;
    this.maxFrame = other.maxFrame;
    this.slowestMs = other.slowestMs;
  }

  /** Begins again at number 0, without a session. */
  restart(): void {
    this.#channel?.close();
    this.#channel = undefined;
    this.sessionKind = undefined;
    this.#sequence = 0;
    this.#pending = undefined;
  }

  /**
   * One command and its reply; a NAK is a reply. The session is over when it throws SC_LOST or NO_REPLY.
   *
   * @throws NO_REPLY, GARBAGE_ONLY, READER_BUSY, SC_LOST, FRAME_TOO_LONG
   */
  async send(code: number, data: Uint8Array, options: SendOptions = {}): Promise<Received> {
    await this.#finishPending(options);
    this.#prepare(code, data);
    return await this.#settle(options);
  }

  /**
   * Sends a frame once, or the pending one once more. @returns undefined when no reply came: then it stays pending.
   * After the third time in vain it gives up and begins again at 0.
   */
  async sendOnce(code: number, data: Uint8Array, options: SendOptions = {}): Promise<Received | undefined> {
    if (this.#pending === undefined) this.#prepare(code, data);
    const pending = this.#pending as Pending;
    const answer = await this.#exchange(pending, options);
    if (answer.taken !== undefined) {
      const verdict = answer.taken;
      if (verdict.kind === 'reply') return this.#accept(verdict);
      if (verdict.kind === 'ended') throw this.#lost(verdict);
      if (verdict.kind === 'restart') this.restart();
      if (verdict.kind === 'busy') {
        pending.sent--;
        this.lastValidAt = this.line.clock.now();
      }
    }
    if (pending.sent > 3) {
      this.restart();
      if (!this.#checkProved) this.check = this.check === 'crc' ? 'checksum' : 'crc';
    }
    return undefined;
  }

  /**
   * Opens a session. @param kind 0 for the default key, 1 for the reader's own.
   * @throws SC_REFUSED, SC_WRONG_KEY, SC_FAILED, NO_REPLY, GARBAGE_ONLY, READER_BUSY
   */
  async handshake(key: Uint8Array, kind: KeyKind, options: SendOptions = {}): Promise<void> {
    const handshake = new PanelHandshake(key, kind);
    const answer = await this.challenge(handshake, options);
    if (answer === 'wrong-key') {
      throw fail('SC_WRONG_KEY', `The reader at address ${this.address} holds another key.`, {
        hint: 'Give the key that the reader was given, or set the reader back to install mode.',
        detail: this.#where(),
      });
    }
    const frame = await this.#handshakeStep(handshake.proof(), options);
    const channel = handshake.confirm(frame);
    if (channel === undefined) {
      this.restart();
      throw fail('SC_FAILED', `The reader at address ${this.address} does not confirm the secure channel.`, {
        detail: { ...this.#where(), code: frame.code, ...nakDetail(frame) },
      });
    }
    this.#channel = channel;
    this.sessionKind = kind;
  }

  /**
   * The first half of a handshake: tells whether the reader holds the key, and ends any session it has.
   * @throws SC_REFUSED when it answers with a NAK; SC_FAILED, NO_REPLY, GARBAGE_ONLY, READER_BUSY
   */
  async challenge(handshake: PanelHandshake, options: SendOptions = {}): Promise<'match' | 'wrong-key'> {
    this.restart();
    const frame = await this.#handshakeStep(handshake.challenge(), options);
    if (frame.code === REPLIES.NAK) {
      const nak = nakDetail(frame);
      throw fail(
        'SC_REFUSED',
        `The reader at address ${this.address} refuses a secure channel with ${handshake.kind === 0 ? 'the default key' : 'a key of its own'}: ${nak.reason}.`,
        { detail: { ...this.#where(), ...nak } },
      );
    }
    const answer = handshake.answer(frame);
    if (answer === 'malformed') {
      throw fail('SC_FAILED', `The reader at address ${this.address} answers a challenge with something else.`, {
        detail: { ...this.#where(), code: frame.code },
      });
    }
    return answer;
  }

  async #handshakeStep(message: HandshakeMessage, options: SendOptions): Promise<Frame> {
    const { address, check } = this;
    const sequence = this.#sequence;
    const raw = encodeFrame({ address, reply: false, sequence, check, ...message });
    this.#pending = { raw, sequence, code: message.code, sealed: false, sent: 0, busies: 0 };
    const taken: Frame[] = [];
    await this.#settle(options, (frame) => taken.push(frame));
    return taken[0] as Frame;
  }

  #prepare(code: number, data: Uint8Array): void {
    if (code === COMMANDS.KEYSET && !this.hasSession) {
      throw fail('KEYSET_IN_CLEAR', `The reader at address ${this.address} has no session: its key stays here.`, {
        hint: 'Open a secure channel first.',
        detail: this.#where(),
      });
    }
    const sequence = this.#sequence;
    const { address, check } = this;
    const message = { address, sequence, check, code, data };
    const length = 8 + data.length + (this.hasSession ? 6 + (data.length > 0 ? 16 - (data.length % 16) : 0) : 0);
    if (length > this.maxFrame) {
      throw fail(
        'FRAME_TOO_LONG',
        `The command takes ${length} bytes; the reader at address ${address} takes ${this.maxFrame}.`,
        {
          hint: 'Ask the reader for its capabilities first: without them 128 bytes are reckoned with.',
          detail: { address, length, limit: this.maxFrame },
        },
      );
    }
    const sealed = this.hasSession;
    const raw = sealed ? (this.#channel as PanelChannel).seal(message).raw : encodeFrame({ ...message, reply: false });
    this.#pending = { raw, sequence, code, sealed, sent: 0, busies: 0 };
  }

  /** What is still to be answered is answered first: the reader may have carried it out. */
  async #finishPending(options: SendOptions): Promise<void> {
    if (this.#pending === undefined) return;
    try {
      const received = await this.#settle(options);
      this.onLate?.(received);
    } catch (error) {
      this.restart();
      throw error;
    }
  }

  async #settle(options: SendOptions, onFrame?: (frame: Frame) => void): Promise<Received> {
    const retries = options.retries ?? 3;
    let busy = 0;
    let bytes = 0;
    let frames = 0;
    const others = new Set<number>();
    for (let tries = 0; tries <= retries; ) {
      if (options.stop?.aborted === true) throw this.#stopped(options.stop);
      const pending = this.#pending as Pending;
      const answer = await this.#exchange(pending, options);
      bytes += answer.bytes;
      frames += answer.frames;
      for (const other of answer.others) others.add(other);
      const verdict = answer.taken;
      if (verdict === undefined || verdict.kind === 'damaged') tries += 1;
      else if (verdict.kind === 'reply') {
        onFrame?.(verdict.frame);
        return this.#accept(verdict);
      } else if (verdict.kind === 'ended') throw this.#lost(verdict);
      else if (verdict.kind === 'restart') {
        tries += 1;
        this.#renumber(pending);
      } else {
        pending.busies++;
        if (options.tally !== undefined) options.tally.busies++;
        if (++busy > BUSY_LIMIT) throw this.#busy();
        const at = this.line.clock.now() + BUSY_MS;
        await waitUntil(this.line.clock, at, options.signal === undefined ? {} : { signal: options.signal });
      }
      if (tries > retries && this.#tryChecksum(pending, verdict)) tries = retries;
    }
    this.restart();
    throw this.#silent({ bytes, frames, others: [...others], tries: retries + 1 });
  }

  async #exchange(pending: Pending, options: SendOptions): Promise<Answer<Verdict>> {
    pending.sent++;
    if (options.tally !== undefined) {
      options.tally.frames++;
      if (pending.sent > 1 + pending.busies) options.tally.resends++;
    }
    const answer = await this.line.turn.run(() =>
      this.line.exchange(pending.raw, this.address, (frame) => this.#judge(frame, pending), options),
    );
    if (answer.taken !== undefined) this.slowestMs = Math.max(this.slowestMs, answer.delayMs);
    return answer;
  }

  #judge(frame: Frame, pending: Pending): Verdict | undefined {
    const { address } = frame;
    if (pending.sealed) {
      const receipt = (this.#channel as PanelChannel).receive(frame);
      if (receipt.kind === 'stray') return undefined;
      if (receipt.kind === 'ended') return { ...receipt, frame };
      if (receipt.kind !== 'reply') return receipt;
      const { code, data } = receipt;
      return { kind: 'reply', received: { code, data, sealed: true, address }, frame };
    }
    // A sealed frame where none was asked for is a late one, of a session that is over.
    if ((frame.security?.type ?? 0) >= 0x15) return undefined;
    if (frame.code === REPLIES.BUSY) return { kind: 'busy' };
    const nak = frame.code === REPLIES.NAK ? frame.data[0] : undefined;
    if (nak === 1) return { kind: 'damaged' };
    if (frame.sequence !== pending.sequence) return undefined;
    if (nak === 4 && pending.sequence !== 0 && !isHandshake(pending)) return { kind: 'restart' };
    return { kind: 'reply', received: { code: frame.code, data: frame.data, sealed: false, address }, frame };
  }

  #accept(verdict: { received: Received; frame: Frame }): Received {
    const pending = this.#pending as Pending;
    this.#pending = undefined;
    this.#sequence = ((pending.sequence % 3) + 1) as Sequence;
    this.#checkProved = true;
    this.lastValidAt = this.line.clock.now();
    return verdict.received;
  }

  /** The same command once more, as the first of a new count. */
  #renumber(pending: Pending): void {
    this.#sequence = 0;
    const frame = pending.raw.slice();
    const { address, check } = this;
    const data = frame.subarray(6, frame.length - (check === 'crc' ? 2 : 1));
    const raw = encodeFrame({ address, reply: false, sequence: 0, check, code: pending.code, data });
    this.#pending = { raw, sequence: 0, code: pending.code, sealed: false, sent: 0, busies: 0 };
  }

  /** A reader that was never understood may know the checksum only: one try with that. */
  #tryChecksum(pending: Pending, verdict: Verdict | undefined): boolean {
    if (this.#checkProved || this.check === 'checksum' || pending.sealed) return false;
    if (verdict !== undefined && verdict.kind !== 'damaged') return false;
    if (isHandshake(pending)) return false;
    const data = pending.raw.subarray(6, pending.raw.length - 2);
    this.check = 'checksum';
    const { address } = this;
    const raw = encodeFrame({ address, reply: false, sequence: 0, check: 'checksum', code: pending.code, data });
    this.#sequence = 0;
    this.#pending = { raw, sequence: 0, code: pending.code, sealed: false, sent: 0, busies: 0 };
    return true;
  }

  #where(): { address: number; baudRate: number } {
    return { address: this.address, baudRate: this.line.baudRate };
  }

  #stopped(stop: AbortSignal): unknown {
    this.restart();
    return stop.reason;
  }

  #busy(): Error {
    this.restart();
    return fail(
      'READER_BUSY',
      `The reader at address ${this.address} answered ${BUSY_LIMIT + 1} times that it is busy.`,
      {
        hint: 'Try again later, or switch the reader off and on.',
        detail: this.#where(),
      },
    );
  }

  #lost(verdict: { reason: EndReason; nak?: number }): Error {
    this.restart();
    const { reason, nak } = verdict;
    return fail(
      'SC_LOST',
      `The secure channel to the reader at address ${this.address} broke: ${END_REASONS[reason]}.`,
      {
        hint: 'Open it again. If it breaks time and again, look for a second panel or for noise on the bus.',
        detail: { ...this.#where(), reason, ...(nak === undefined ? {} : { nak }) },
      },
    );
  }

  #silent(seen: { bytes: number; frames: number; others: number[]; tries: number }): Error {
    if (this.check === 'checksum' && !this.#checkProved) this.check = 'crc';
    const { address, baudRate } = this.#where();
    const at = `address ${address} at ${baudRate} baud`;
    const detail = { address, baudRate, ...seen };
    if (seen.bytes === 0) {
      return fail('NO_REPLY', `Nothing came back from ${at} in ${seen.tries} tries (0 bytes, 0 frames).`, {
        hint: 'Check power, wiring (A and B swapped?), address and rate, or run a discovery.',
        detail,
      });
    }
    const others = seen.others.length > 0 ? ` Frames came from address ${seen.others.join(', ')}.` : '';
    return fail(
      'GARBAGE_ONLY',
      `From ${at} came ${seen.bytes} bytes with ${seen.frames} frames, and no reply, in ${seen.tries} tries.${others}`,
      { hint: 'Two readers may share the address, the rate may be another, or the line is disturbed.', detail },
    );
  }
}

const isHandshake = ({ raw }: Pending): boolean => ((raw[4] as number) & 8) !== 0;

const END_REASONS: Readonly<Record<EndReason, string>> = {
  plain: 'it answered in clear',
  mac: 'the MAC of its reply does not fit',
  padding: 'what it encrypted cannot be read',
  sequence: 'its reply has another number than the command',
  refused: 'it no longer takes part in it',
  restarted: 'it asked for a new start',
};

/** The reason of a NAK, in words and as a number. */
export function nakDetail(frame: { code: number; data: Uint8Array }): { nak?: number; reason: string } {
  const nak = frame.code === REPLIES.NAK ? frame.data[0] : undefined;
  if (nak === undefined) return { reason: 'no reason was given' };
  return { nak, reason: NAK_REASONS[nak] ?? `reason ${nak}` };
}
