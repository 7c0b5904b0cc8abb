import { hex, sameSecret } from '../bytes.ts';
import { COMMANDS, commandName, decodeCommand, decodeReply, NAK_REASONS, REPLIES, replyName } from '../codec/index.ts';
import { carriesMac, decodeFrame, type Frame, MARK } from '../frame/frame.ts';
import { SCBK_D } from '../secure/keys.ts';
import { open, SessionKeys } from '../secure/session.ts';
import { isSecret } from './mask.ts';
import type { CaptureRecord } from './osdpcap.ts';

/** What one frame of a capture says. */
export interface TraceLine {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly io: CaptureRecord['io'];
  /** Undefined when the bytes are no frame. */
  readonly frame: Frame | undefined;
  /** POLL, PDID, … ; 0x99 for a code that has no name. */
  readonly name: string;
  /** Whether the MAC fits; `unknown` when the key is not known or the session was not seen from its start. */
  readonly mac: 'ok' | 'bad' | 'unknown' | 'none';
  /** A handshake's cryptogram or first MAC fits one of the keys. */
  readonly cryptogram: 'ok' | 'unknown' | 'none';
  /** One readable line, without what is secret unless it was asked for. */
  readonly text: string;
}

export interface TraceDecoderOptions {
  /** Keys that may have been used, 16 bytes each; the default key is always tried. */
  readonly keys?: readonly Uint8Array[];
  /** Show keys, cards and PINs. Default false. */
  readonly showSecrets?: boolean;
}

interface Conversation {
  rndA?: Uint8Array;
  rndB?: Uint8Array;
  keys?: SessionKeys;
  server?: Buffer;
  /** The last MAC of the panel, and of the reader. */
  cmac?: Buffer | undefined;
  rmac?: Buffer | undefined;
  /** The last sealed frame each way, so that a repeat is told from what is new. */
  lastCommand?: { raw: string; opened: Body };
  lastReply?: { raw: string; opened: Body };
}

interface Body {
  readonly mac: TraceLine['mac'];
  readonly cryptogram: TraceLine['cryptogram'];
  readonly data: Uint8Array | undefined;
}

/**
 * Follows a capture frame by frame and checks every cryptogram and MAC whose key it knows; keys that are set inside
 * a session it can follow are known from then on.
 */
export class TraceDecoder {
  readonly #keys: Uint8Array[];
  readonly #showSecrets: boolean;
  readonly #conversations = new Map<number, Conversation>();

  constructor(options: TraceDecoderOptions = {}) {
    this.#keys = [SCBK_D, ...(options.keys ?? [])];
    this.#showSecrets = options.showSecrets === true;
  }

  next(record: CaptureRecord): TraceLine {
    const { seconds, nanoseconds, io } = record;
    const frame = decodeFrame(record.data.subarray(record.data[0] === MARK ? 1 : 0));
    if (typeof frame === 'string') {
      const text = `${record.data.length} bytes that are no frame (${frame})`;
      return { seconds, nanoseconds, io, frame: undefined, name: '', mac: 'none', cryptogram: 'none', text };
    }
    const body = this.#follow(frame);
    const name =
      (frame.reply ? replyName(frame.code) : commandName(frame.code)) ?? `0x${hex(Uint8Array.of(frame.code))}`;
    const { mac, cryptogram } = body;
    return {
      seconds,
      nanoseconds,
      io,
      frame,
      name,
      mac,
      cryptogram,
      text: this.#text(frame, name, body, record.masked),
    };
  }

  #text(frame: Frame, name: string, body: Body, masked: boolean): string {
    const { security } = frame;
    const parts = [
      frame.reply ? '<' : '>',
      String(frame.address).padStart(3),
      `#${frame.sequence}`,
      ...(security === undefined ? [] : [`SCS_${hex(Uint8Array.of(security.type))}`]),
      name,
    ];
    if (masked || (isSecret(frame) && !this.#showSecrets)) parts.push(frame.data.length > 0 ? '(hidden)' : '');
    else if (body.data === undefined) parts.push(`${frame.data.length} bytes encrypted`);
    else parts.push(describe(frame, body.data));
    if (body.mac === 'bad') parts.push('MAC does not fit');
    return parts.filter((part) => part !== '').join(' ');
  }

  #follow(frame: Frame): Body {
    const talk = this.#conversations.get(frame.address) ?? {};
    this.#conversations.set(frame.address, talk);
    const type = frame.security?.type ?? 0;
    if (carriesMac(type)) return this.#sealed(talk, frame);
    if (type === 0x11 && frame.data.length === 8) {
      this.#conversations.set(frame.address, { rndA: frame.data });
    } else if (type === 0x12 && frame.data.length === 32) return this.#answer(talk, frame);
    else if (type === 0x13) return this.#compare(frame, talk.server);
    else if (type === 0x14) {
      if (talk.keys !== undefined && talk.server !== undefined) talk.rmac = talk.keys.initialRmac(talk.server);
      return this.#compare(frame, talk.rmac);
    } else this.#learn(frame.reply, frame.code, frame.data);
    return { mac: 'none', cryptogram: 'none', data: frame.data };
  }

  #answer(talk: Conversation, frame: Frame): Body {
    const { rndA } = talk;
    const rndB = frame.data.subarray(8, 16);
    if (rndA !== undefined) {
      for (const key of this.#keys) {
        const keys = new SessionKeys(key, rndA);
        if (!sameSecret(keys.clientCryptogram(rndA, rndB), frame.data.subarray(16))) continue;
        Object.assign(talk, { keys, rndB, server: keys.serverCryptogram(rndA, rndB) });
        return { mac: 'none', cryptogram: 'ok', data: frame.data };
      }
    }
    return { mac: 'none', cryptogram: 'unknown', data: frame.data };
  }

  #compare(frame: Frame, expected: Buffer | undefined): Body {
    const cryptogram = expected !== undefined && sameSecret(expected, frame.data) ? 'ok' : 'unknown';
    return { mac: 'none', cryptogram, data: frame.data };
  }

  #sealed(talk: Conversation, frame: Frame): Body {
    const raw = hex(frame.raw, '');
    const last = frame.reply ? talk.lastReply : talk.lastCommand;
    if (last?.raw === raw) return last.opened;
    const icv = frame.reply ? talk.cmac : talk.rmac;
    if (talk.keys === undefined || icv === undefined) return { mac: 'unknown', cryptogram: 'none', data: undefined };
    const opened = open(talk.keys, icv, frame);
    if (!opened.ok) return { mac: 'bad', cryptogram: 'none', data: undefined };
    const body: Body = { mac: 'ok', cryptogram: 'none', data: opened.data };
    if (frame.reply) {
      talk.rmac = opened.mac;
      talk.lastReply = { raw, opened: body };
      this.#moved(talk, frame.code, opened.data);
    } else {
      talk.cmac = opened.mac;
      talk.lastCommand = { raw, opened: body };
    }
    this.#learn(frame.reply, frame.code, opened.data);
    return body;
  }

  /** Some readers keep their session when they change their address. */
  #moved(talk: Conversation, code: number, data: Uint8Array): void {
    if (code === REPLIES.COM && data.length === 5) this.#conversations.set((data[0] as number) & 0x7f, talk);
  }

  #learn(reply: boolean, code: number, data: Uint8Array): void {
    if (reply || code !== COMMANDS.KEYSET || data.length !== 18) return;
    const key = data.slice(2);
    if (!this.#keys.some((known) => sameSecret(known, key))) this.#keys.push(key);
  }
}

function describe(frame: Frame, data: Uint8Array): string {
  try {
    const message = frame.reply ? decodeReply(frame.code, data) : decodeCommand(frame.code, data);
    const { name, ...fields } = message;
    if (message.name === 'NAK') return `${message.reason} (${NAK_REASONS[message.reason] ?? 'unknown reason'})`;
    return name === 'OPAQUE' ? hex(data) : show(fields);
  } catch {
    return `${hex(data)} (of a length that does not fit)`;
  }
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return hex(value, '');
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(
        ([name, one]) =>
          `${name}=${typeof one === 'object' && !(one instanceof Uint8Array) ? `{${show(one)}}` : show(one)}`,
      )
      .join(' ');
  }
  return String(value);
}
