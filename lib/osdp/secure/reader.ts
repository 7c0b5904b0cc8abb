import { randomBytes } from 'node:crypto';
import { sameSecret } from '../bytes.ts';
import { COMMANDS, REPLIES } from '../codec/index.ts';
import type { Check, Frame, Sequence } from '../frame/frame.ts';
import type { EndReason, HandshakeMessage, KeyKind } from './panel.ts';
import { open, type Sealed, SessionKeys, seal } from './session.ts';

/** The reader's half of a handshake (Annex D.3). A handshake is used once. */
export class ReaderHandshake {
  readonly kind: KeyKind;
  readonly #key: Uint8Array;
  readonly #uid: Uint8Array;
  readonly #rndB: Buffer;
  #keys: SessionKeys | undefined;
  #server: Buffer | undefined;

  /** @param options.uid 8 bytes. @param options.rndB 8 bytes, for tests; otherwise random. */
  constructor(key: Uint8Array, kind: KeyKind, options: { uid: Uint8Array; rndB?: Uint8Array }) {
    this.#key = key;
    this.kind = kind;
    this.#uid = options.uid;
    this.#rndB = Buffer.from(options.rndB ?? randomBytes(8));
  }

  /** The answer to a challenge; undefined when the frame is none. */
  answer(frame: Frame): HandshakeMessage | undefined {
    if (frame.security?.type !== 0x11 || frame.code !== COMMANDS.CHLNG || frame.data.length !== 8) return undefined;
    const rndA = frame.data;
    const keys = new SessionKeys(this.#key, rndA);
    this.#keys = keys;
    this.#server = keys.serverCryptogram(rndA, this.#rndB);
    return {
      security: { type: 0x12, data: Uint8Array.of(this.kind) },
      code: REPLIES.CCRYPT,
      data: Buffer.concat([this.#uid, this.#rndB, keys.clientCryptogram(rndA, this.#rndB)]),
    };
  }

  /** The confirmation of the panel's proof, and the session; undefined when the proof is wrong or out of turn. */
  confirm(frame: Frame): { message: HandshakeMessage; channel: ReaderChannel } | undefined {
    const [keys, server] = [this.#keys, this.#server];
    if (keys === undefined || server === undefined) return undefined;
    if (frame.security?.type !== 0x13 || frame.code !== COMMANDS.SCRYPT || frame.data.length !== 16) return undefined;
    if (!sameSecret(server, frame.data)) return undefined;
    const rmac = keys.initialRmac(server);
    return {
      message: { security: { type: 0x14, data: Uint8Array.of(1) }, code: REPLIES.RMAC_I, data: rmac },
      channel: new ReaderChannel(keys, rmac),
    };
  }
}

/** What a frame means to a reader inside a session. */
export type ReaderReceipt =
  | { readonly kind: 'command'; readonly code: number; readonly data: Uint8Array; readonly encrypted: boolean }
  | { readonly kind: 'ended'; readonly reason: EndReason };

/** A session as the reader holds it. The caller answers byte-identical repeats from its cache before asking here. */
export class ReaderChannel {
  readonly #keys: SessionKeys;
  #rmac: Buffer;
  #cmac: Buffer | undefined;
  #ended: EndReason | undefined;

  constructor(keys: SessionKeys, rmac: Buffer) {
    this.#keys = keys;
    this.#rmac = rmac;
  }

  get ended(): EndReason | undefined {
    return this.#ended;
  }

  receive(frame: Frame): ReaderReceipt {
    if (this.#ended !== undefined) return { kind: 'ended', reason: this.#ended };
    const opened = open(this.#keys, this.#rmac, frame);
    if (!opened.ok) {
      this.#ended = opened.why;
      return { kind: 'ended', reason: opened.why };
    }
    this.#cmac = opened.mac;
    return { kind: 'command', code: opened.code, data: opened.data, encrypted: frame.security?.type === 0x17 };
  }

  /** The bytes of the reply to the command just received. */
  seal(message: {
    address: number;
    sequence: Sequence;
    check: Check;
    code: number;
    data: Uint8Array;
    encryptEmpty?: boolean;
  }): Sealed {
    if (this.#cmac === undefined) throw new Error('There is no command to reply to.');
    const sealed = seal(this.#keys, this.#cmac, { ...message, reply: true });
    this.#cmac = undefined;
    this.#rmac = sealed.mac;
    return sealed;
  }

  /** The command just received was not carried out: the same one will come again. */
  forget(): void {
    this.#cmac = undefined;
  }

  close(): void {
    this.#ended ??= 'restarted';
  }
}
