import { hex, sameSecret } from '../bytes.ts';
import {
  COMMANDS,
  type Command,
  commandName,
  decodeReply,
  encodeCommand,
  featuresOf,
  type LedControl,
  type OutputControl,
  REPLIES,
  type Reply,
  type ReplyFields,
  type ReplyName,
} from '../codec/index.ts';
import { fail } from '../errors.ts';
import { checkKey, SCBK_D } from '../secure/keys.ts';
import { type KeyKind, PanelHandshake } from '../secure/panel.ts';
import { nakDetail, type Peer } from './peer.ts';
import type { Received, SendOptions } from './sending.ts';
import type { Capabilities, Identity } from './types.ts';

const EMPTY = new Uint8Array();
const BY_HAND: readonly number[] = [COMMANDS.KEYSET, COMMANDS.CHLNG, COMMANDS.SCRYPT];

/** One reader as the panel sees it: what can be asked of it, and what is known of it. */
export class PanelReader {
  /** @internal */
  readonly peer: Peer;
  identity: Identity | undefined;
  features: Capabilities | undefined;
  #key: Buffer | undefined;
  #useDefault = false;
  wakeWithPoll = false;

  /** @internal The panel makes them. */
  constructor(peer: Peer) {
    this.peer = peer;
  }

  get address(): number {
    return this.peer.address;
  }

  /** Whether a key of its own is known: then it is spoken to under it alone. */
  get isKeyed(): boolean {
    return this.#key !== undefined;
  }

  get hasSession(): boolean {
    return this.peer.hasSession;
  }

  /** Whether it may be spoken to in clear. */
  get mayTalkClear(): boolean {
    return this.#key === undefined && !this.#useDefault;
  }

  /** @internal */
  secure(key: Uint8Array | undefined, useDefault: boolean): void {
    const before = this.#key;
    this.#key = key === undefined ? undefined : checkKey(key);
    before?.fill(0);
    this.#useDefault = useDefault;
  }

  /** @internal Under which name of a list its key goes. */
  nameOfKey(keys: readonly { readonly name: string; readonly key: Uint8Array }[]): string | undefined {
    const own = this.#key;
    return own === undefined ? undefined : keys.find(({ key }) => sameSecret(key, own))?.name;
  }

  /** @internal Forgets the key. */
  wipe(): void {
    this.#key?.fill(0);
    this.#key = undefined;
    this.peer.restart();
  }

  /** @internal Takes over what is known of the same reader at another address. */
  inherit(other: PanelReader): void {
    this.peer.inherit(other.peer);
    this.identity = other.identity;
    this.features = other.features;
    this.#key = other.#key === undefined ? undefined : Buffer.from(other.#key);
    this.#useDefault = other.#useDefault;
    this.wakeWithPoll = other.wakeWithPoll;
  }

  /**
   * Opens a session with its key, or with `key`: 'default' for the default key of install mode. A key of its own that
   * it has proved to hold is known from then on.
   * @throws SC_WRONG_KEY, SC_REFUSED, SC_FAILED, NO_REPLY, GARBAGE_ONLY, READER_BUSY, SC_UNSUPPORTED,
   * SC_REQUIRED when no key is known
   */
  async openSession(options: SendOptions & { key?: Uint8Array | 'default' } = {}): Promise<void> {
    const { key = this.#key ?? (this.#useDefault ? 'default' : undefined) } = options;
    if (key === undefined) {
      throw fail('SC_REQUIRED', `No key is known for the reader at address ${this.address}.`, {
        detail: { address: this.address },
      });
    }
    if (this.features?.secureChannel === false) {
      throw fail('SC_UNSUPPORTED', `The reader at address ${this.address} says that it has no secure channel.`, {
        detail: { address: this.address },
      });
    }
    if (key === 'default') await this.#open(SCBK_D as Uint8Array, 0, options);
    else {
      await this.#open(checkKey(key), 1, options);
      if (key !== this.#key) this.secure(key, false);
    }
  }

  async #open(key: Uint8Array, kind: KeyKind, options: SendOptions): Promise<void> {
    await this.peer.turn.run(() => this.peer.handshake(key, kind, options));
  }

  /** Whether the reader still takes the default key. It ends any session. @throws NO_REPLY, GARBAGE_ONLY, … */
  async takesDefaultKey(options: SendOptions = {}): Promise<boolean> {
    return await this.holdsKey(SCBK_D as Uint8Array, 0, options);
  }

  /**
   * Whether the reader proves to hold the key; no proof of ours is given. It ends any session.
   * @throws NO_REPLY, GARBAGE_ONLY, READER_BUSY
   */
  async holdsKey(key: Uint8Array, kind: KeyKind = 1, options: SendOptions = {}): Promise<boolean> {
    return await this.peer.turn.run(async () => {
      try {
        return (await this.peer.challenge(new PanelHandshake(key, kind), options)) === 'match';
      } catch (error) {
        if ((error as { code?: string }).code === 'SC_REFUSED') return false;
        throw error;
      } finally {
        this.peer.restart();
      }
    });
  }

  /** Sends a POLL under the session and so proves that it lives; opens one first where there is none. */
  async verifySession(options: SendOptions = {}): Promise<void> {
    if (!this.peer.hasSession) await this.openSession(options);
    await this.#received({ name: 'POLL' }, options);
  }

  /**
   * Whether it answers at all: any valid frame, a refusal included. A reader whose key is known is asked under it.
   * @throws NO_REPLY, GARBAGE_ONLY, and what opening a session throws
   */
  async isThere(options: SendOptions = {}): Promise<Received> {
    return await this.#exchange(COMMANDS.POLL, EMPTY, options);
  }

  async identify(options: SendOptions = {}): Promise<Identity> {
    const id = await this.ask({ name: 'ID', extended: false }, 'PDID', options);
    this.identity = { ...id, oui: hex(id.vendor, ''), firmwareText: id.firmware.join('.') };
    return this.identity;
  }

  /** What it can do; from then on longer frames are sent where it takes them. */
  async capabilities(options: SendOptions = {}): Promise<Capabilities> {
    const { capabilities } = await this.ask({ name: 'CAP' }, 'PDCAP', options);
    this.features = { list: capabilities, ...featuresOf(capabilities) };
    this.peer.maxFrame = this.features.bufferSize;
    return this.features;
  }

  /** Tamper and power, inputs, outputs, and the readers it has. What it does not know of is left out. */
  async status(options: SendOptions = {}): Promise<{
    local?: ReplyFields['LSTATR'];
    inputs?: Uint8Array;
    outputs?: Uint8Array;
    readers?: Uint8Array;
  }> {
    const [local, inputs, outputs, readers] = [
      await this.#askIfKnown({ name: 'LSTAT' }, 'LSTATR', options),
      await this.#askIfKnown({ name: 'ISTAT' }, 'ISTATR', options),
      await this.#askIfKnown({ name: 'OSTAT' }, 'OSTATR', options),
      await this.#askIfKnown({ name: 'RSTAT' }, 'RSTATR', options),
    ];
    return {
      ...(local === undefined ? {} : { local: { tamper: local.tamper, powerFailure: local.powerFailure } }),
      ...(inputs === undefined ? {} : { inputs: inputs.inputs }),
      ...(outputs === undefined ? {} : { outputs: outputs.outputs }),
      ...(readers === undefined ? {} : { readers: readers.readers }),
    };
  }

  async led(leds: readonly LedControl[], options: SendOptions = {}): Promise<void> {
    await this.ask({ name: 'LED', leds }, 'ACK', options);
  }

  /** Times in units of 100 ms; count 0 = until told otherwise. */
  async buzzer(
    buzz: { reader?: number; tone?: number; onTime: number; offTime: number; count: number },
    options: SendOptions = {},
  ): Promise<void> {
    await this.ask({ name: 'BUZ', reader: 0, tone: 2, ...buzz }, 'ACK', options);
  }

  async text(
    text: string,
    options: SendOptions & { reader?: number; row?: number; column?: number; seconds?: number } = {},
  ): Promise<void> {
    const { reader = 0, row = 1, column = 1, seconds = 0 } = options;
    await this.ask({ name: 'TEXT', reader, command: seconds > 0 ? 3 : 1, seconds, row, column, text }, 'ACK', options);
  }

  async output(outputs: readonly OutputControl[], options: SendOptions = {}): Promise<void> {
    const reply = await this.#received({ name: 'OUT', outputs }, options);
    if (reply.code !== REPLIES.OSTATR && reply.code !== REPLIES.ACK) throw this.#unexpected('OUT', reply);
  }

  /**
   * Any command, its reply as it is; a NAK is a reply here.
   * @throws CODE_REFUSED for KEYSET, CHLNG and SCRYPT.
   */
  async raw(code: number, data: Uint8Array, options: SendOptions = {}): Promise<Reply> {
    if (!Number.isInteger(code) || code < 0 || code > 0xff) {
      throw fail('BAD_OSDP_OPTION', `${String(code)} is no command code.`, { detail: { field: 'code', value: code } });
    }
    const received = await this.#exchange(code, data, options);
    return decodeReply(received.code, received.data);
  }

  /**
   * One command whose reply must have the given name.
   * @throws CODE_REFUSED for KEYSET, CHLNG and SCRYPT; READER_NAK, UNEXPECTED_REPLY, BAD_OSDP_RECORD, and what sending throws
   */
  async ask<N extends ReplyName>(command: Command, wanted: N, options: SendOptions = {}): Promise<ReplyFields[N]> {
    const received = await this.#received(command, options);
    const reply = decodeReply(received.code, received.data);
    if (reply.name !== wanted) throw this.#unexpected(command.name, received);
    return reply as unknown as ReplyFields[N];
  }

  async #askIfKnown<N extends ReplyName>(command: Command, wanted: N, options: SendOptions) {
    try {
      return await this.ask(command, wanted, options);
    } catch (error) {
      const { code, detail } = error as { code?: string; detail?: { nak?: number } };
      if (code === 'READER_NAK' && (detail?.nak === 3 || detail?.nak === 9)) return undefined;
      throw error;
    }
  }

  /** @throws READER_NAK */
  async #received(command: Command, options: SendOptions): Promise<Received> {
    const { code, data } = encodeCommand(command);
    const received = await this.#exchange(code, data, options);
    if (received.code !== REPLIES.NAK) return received;
    const nak = nakDetail(received);
    throw fail('READER_NAK', `The reader at address ${this.address} refuses ${command.name}: ${nak.reason}.`, {
      detail: { address: this.address, command: command.name, ...nak },
    });
  }

  /** Under a session where there is to be one; when it breaks it is opened again, once. */
  async #exchange(code: number, data: Uint8Array, options: SendOptions): Promise<Received> {
    if (BY_HAND.includes(code)) {
      throw fail('CODE_REFUSED', `${commandName(code) ?? code} may not be sent by hand.`, {
        hint: 'Keys are set and sessions opened by the operations that prove them.',
        detail: { code },
      });
    }
    return await this.peer.turn.run(async () => {
      for (let again = false; ; again = true) {
        if (!this.mayTalkClear && !this.peer.hasSession) await this.#reopen(options);
        try {
          return await this.peer.send(code, data, options);
        } catch (error) {
          if (again || this.mayTalkClear || (error as { code?: string }).code !== 'SC_LOST') throw error;
        }
      }
    });
  }

  async #reopen(options: SendOptions): Promise<void> {
    if (this.#key !== undefined) await this.peer.handshake(this.#key, 1, options);
    else await this.peer.handshake(SCBK_D as Uint8Array, 0, options);
  }

  /** @internal The poll loop opens sessions without holding up the bus. */
  async reopenOnce(options: SendOptions): Promise<void> {
    if (this.wakeWithPoll) {
      this.peer.restart();
      await this.peer.sendOnce(COMMANDS.POLL, EMPTY, options);
    }
    await this.#reopen({ ...options, retries: 0 });
  }

  #unexpected(command: string, received: Received): Error {
    return fail(
      'UNEXPECTED_REPLY',
      `The reader at address ${this.address} answers ${command} with reply 0x${received.code.toString(16)}.`,
      { detail: { address: this.address, command, reply: received.code } },
    );
  }
}
