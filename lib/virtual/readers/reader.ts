import {
  type Capability,
  COMMANDS,
  CONFIGURATION_ADDRESS,
  type Command,
  type DeviceId,
  decodeCommand,
  encodeFrame,
  encodeReply,
  type Frame,
  FrameParser,
  type HandshakeMessage,
  type ReaderChannel,
  ReaderHandshake,
  type Reply,
  withMark,
} from '../../osdp/index.ts';
import { ReaderFront } from './front.ts';
import { ReaderKeys } from './keys.ts';
import type { Medium, Station } from './medium.ts';
import { NORMAL, type Personality, spoilt } from './personality.ts';

export interface VirtualReaderOptions {
  /** 0 … 126. Default 0. */
  readonly address?: number;
  /** Default 9600. */
  readonly baudRate?: number;
  /** Its own key, 16 bytes; null = none yet: it is in install mode and takes the default key. Default null. */
  readonly key?: Uint8Array | null;
  readonly id?: Partial<DeviceId>;
  readonly capabilities?: readonly Capability[];
  /** From the last byte of a command to the first of the reply, in ms. Default 3. */
  readonly replyMs?: number;
  /** How long it is deaf after a change of address or rate, in ms. Default 20. */
  readonly switchMs?: number;
  readonly personality?: Partial<Personality>;
}

/** A session, and the order of numbers, end after this long without a valid command (5.7), in ms. */
const OFFLINE_MS = 8000;
const RATES = [9600, 19200, 38400, 57600, 115200, 230400];
const EMPTY = new Uint8Array();

/** A reader on the virtual bus: the whole of a peripheral device, with the quirks of its personality. */
export class VirtualReader extends ReaderFront implements Station {
  readonly inPieces = false;
  readonly replyMs: number;
  readonly switchMs: number;
  personality: Personality;
  /** How many commands from now on are answered with BUSY. */
  busy = 0;
  #address: number;
  #baudRate: number;
  readonly #keys: ReaderKeys;
  #medium: Medium | undefined;
  #parser: FrameParser | undefined;
  #stopReply: (() => void) | undefined;
  #deafUntil = 0;
  /** When the last byte it heard had passed. */
  #heardAt = 0;
  #polled = false;
  #lastHeard = Number.NEGATIVE_INFINITY;
  /** The number the next command must have; null after power-up: any start will do, if it is one. */
  #expected: number | null = null;
  #cache: { command: Frame; reply: Uint8Array } | undefined;
  #handshake: ReaderHandshake | undefined;
  #handshakeIsOwn = false;
  #channel: ReaderChannel | undefined;
  /** What it does when it is switched on the next time. */
  #atPowerUp: (() => void) | undefined;
  /** What is to be done when the reply that waits has left. */
  #afterReply: (() => void) | undefined;

  constructor(options: VirtualReaderOptions = {}) {
    const { address = 0, id, capabilities } = options;
    super({ id: { serial: 0x10000000 + address, ...id }, ...(capabilities === undefined ? {} : { capabilities }) });
    this.#address = address;
    this.#baudRate = options.baudRate ?? 9600;
    this.#keys = new ReaderKeys(options.key ?? null);
    this.replyMs = options.replyMs ?? 3;
    this.switchMs = options.switchMs ?? 20;
    this.personality = { ...NORMAL, ...options.personality };
  }

  get address(): number {
    return this.#address;
  }

  get baudRate(): number {
    return this.#baudRate;
  }

  /** Whether it has a key of its own. */
  get isKeyed(): boolean {
    return this.#keys.isKeyed;
  }

  /** Whether it refuses the default key: for tests, which may know it. */
  get isLocked(): boolean {
    return this.#keys.isLocked(this.personality);
  }

  get hasSession(): boolean {
    return this.#channel !== undefined && this.#channel.ended === undefined;
  }

  get isConnected(): boolean {
    return this.#medium !== undefined;
  }

  /** Whether this is its key: for tests, which may know it. */
  holdsKey(key: Uint8Array): boolean {
    return this.#keys.holds(key);
  }

  /** @internal The bus wires it up. */
  connect(medium: Medium): void {
    this.disconnect();
    this.#medium = medium;
    this.#parser = new FrameParser({
      clock: medium.clock,
      only: 'commands',
      stallMs: 20,
      onFrame: (frame) => this.#receive(frame),
      onDamaged: (fault) => {
        if (fault === 'check') this.#damaged();
      },
    });
    medium.join(this);
    this.#powerUp();
  }

  /** @internal */
  disconnect(): void {
    this.#medium?.leave(this);
    this.#stopReply?.();
    this.#parser?.reset();
    this.#medium = undefined;
    this.#endSession();
  }

  /** Off and on again: session, order and what waits to be told are gone; address, rate and key are kept. */
  powerCycle(): void {
    const medium = this.#medium;
    if (medium !== undefined) this.connect(medium);
  }

  /** Back to the state of delivery: no key, install mode. */
  factoryReset(): void {
    this.#keys.set(null);
    this.powerCycle();
  }

  /** @internal */
  hear(bytes: Uint8Array, at: number): void {
    if (at < this.#deafUntil) return;
    this.#heardAt = at;
    this.#parser?.push(bytes);
  }

  #powerUp(): void {
    this.#endSession();
    this.#atPowerUp?.();
    this.#atPowerUp = undefined;
    this.#expected = null;
    this.#cache = undefined;
    this.#polled = false;
    this.#deafUntil = 0;
    this.#lastHeard = Number.NEGATIVE_INFINITY;
    this.forget();
    if (this.personality.statusAtPowerUp) this.tell(this.status());
  }

  #endSession(): void {
    const had = this.hasSession;
    this.#channel?.close();
    this.#channel = undefined;
    this.#handshake = undefined;
    if (had) this.emit('session', false);
  }

  #damaged(): void {
    // Who sent it, and to whom, cannot be known: only a reader that is alone dares to answer.
    if (this.personality.badCheck === 'nak') this.#sendPlain(this.#address, { name: 'NAK', reason: 1, data: EMPTY }, 0);
  }

  #receive(frame: Frame): void {
    if (frame.address !== this.#address && frame.address !== CONFIGURATION_ADDRESS) return;
    const { personality } = this;
    if (frame.check === 'crc' && personality.noCrc) {
      this.#damaged();
      return;
    }
    if (personality.silentUntilPolled && !this.#polled && frame.code !== COMMANDS.POLL) return;
    const now = (this.#medium as Medium).clock.now();
    if (now - this.#lastHeard > OFFLINE_MS) {
      this.#endSession();
      this.#expected = null;
      this.#cache = undefined;
    }
    this.#lastHeard = now;
    if (this.busy > 0) {
      this.busy--;
      this.#sendPlain(frame.address, { name: 'BUSY' }, 0, frame);
      return;
    }
    if (this.#cache !== undefined && Buffer.compare(this.#cache.command.raw, frame.raw) === 0) {
      this.#transmit(this.#cache.reply);
      return;
    }
    if (frame.sequence !== 0 && frame.sequence !== this.#expected && !personality.anySequence) {
      this.#endSession();
      this.#answerPlain(frame, { name: 'NAK', reason: 4, data: EMPTY });
      return;
    }
    this.#expected = (frame.sequence % 3) + 1;
    if (frame.code === COMMANDS.POLL) this.#polled = true;
    this.#secure(frame);
  }

  /** What the frame's security block asks for. */
  #secure(frame: Frame): void {
    const type = frame.security?.type;
    if (type === undefined) this.#clear(frame);
    else if (type === 0x11) this.#challenge(frame);
    else if (type === 0x13) this.#proof(frame);
    else this.#sealed(frame);
  }

  #clear(frame: Frame): void {
    if (this.#channel !== undefined) {
      this.#endSession();
      if (frame.sequence !== 0) {
        this.#nak(frame, 6);
        return;
      }
    }
    const { secureOnly, plainKeyset } = this.personality;
    const always = frame.code === COMMANDS.ID || frame.code === COMMANDS.CAP;
    const refused =
      secureOnly === 'always'
        ? !always
        : this.isKeyed && (secureOnly === 'all' ? !always : secureOnly === 'poll' && frame.code === COMMANDS.POLL);
    if (refused || (frame.code === COMMANDS.KEYSET && !plainKeyset)) this.#nak(frame, 6);
    else this.#execute(frame, frame.code, frame.data, (reply) => this.#answerPlain(frame, reply));
  }

  #challenge(frame: Frame): void {
    this.#endSession();
    const { muteToChallenges, defaultChallenge } = this.personality;
    if (muteToChallenges) return;
    const asked = frame.security?.data[0] ?? 0;
    const [key, kind] = this.#keys.answering(asked, this.personality);
    if (key === undefined) {
      if (asked === 0 && this.isKeyed && defaultChallenge === 'silence') return;
      this.#nak(frame, 5);
      return;
    }
    const { vendor, serial } = this.id;
    const uid = Buffer.alloc(8);
    uid.set(vendor);
    uid.writeUInt32LE(serial, 3);
    const handshake = new ReaderHandshake(key, kind, { uid });
    const answer = handshake.answer(frame);
    if (answer === undefined) {
      this.#nak(frame, 2);
      return;
    }
    this.#handshake = handshake;
    this.#handshakeIsOwn = kind === 1;
    this.#answerHandshake(frame, answer);
  }

  #proof(frame: Frame): void {
    const confirmed = this.#handshake?.confirm(frame);
    const isOwn = this.#handshakeIsOwn;
    this.#handshake = undefined;
    if (confirmed !== undefined) {
      this.#answerHandshake(frame, spoilt(confirmed.message, this.personality, isOwn));
      this.#channel = confirmed.channel;
      if (isOwn) this.#keys.opened();
      this.emit('session', true);
    } else if (this.personality.wrongProof === 'nak') this.#nak(frame, 5);
    else {
      const security = { type: 0x14, data: Uint8Array.of(0xff) };
      this.#answerHandshake(frame, { security, code: 0x78, data: new Uint8Array(16) });
    }
  }

  #sealed(frame: Frame): void {
    const channel = this.#channel;
    const receipt = channel?.receive(frame);
    if (channel === undefined || receipt?.kind !== 'command') {
      this.#endSession();
      if (receipt === undefined || this.personality.badMac === 'nak') this.#nak(frame, 6);
      return;
    }
    this.#execute(frame, receipt.code, receipt.data, (reply) => {
      const { code, data } = encodeReply(reply);
      const { address, sequence, check } = frame;
      const encryptEmpty = this.personality.encryptsEmpty;
      this.#finish(frame, channel.seal({ address, sequence, check, code, data, encryptEmpty }).raw);
    });
  }

  /** Carries a command out and gives its reply. */
  #execute(frame: Frame, code: number, data: Uint8Array, answer: (reply: Reply) => void): void {
    let command: Command;
    try {
      command = decodeCommand(code, data);
    } catch {
      answer({ name: 'NAK', reason: 2, data: EMPTY });
      return;
    }
    if (command.name === 'KEYSET') this.#keyset(frame, command, answer);
    else if (command.name === 'COMSET') this.#comset(command, answer);
    else answer(this.perform(command, this.personality));
  }

  #keyset(frame: Frame, command: { type: number; key: Uint8Array }, answer: (reply: Reply) => void): void {
    const { keysetNak, keysetAck, forgetsKey } = this.personality;
    const refusal = keysetNak ?? (command.type !== 1 ? 9 : command.key.length !== 16 ? 2 : null);
    if (refusal !== null) {
      answer({ name: 'NAK', reason: refusal, data: EMPTY });
      return;
    }
    if (keysetAck === 'plain') this.#answerPlain(frame, { name: 'ACK' });
    else if (keysetAck === 'sealed') answer({ name: 'ACK' });
    this.#endSession();
    if (forgetsKey) return;
    this.#keys.set(command.key);
    this.emit('keyed');
  }

  #comset(command: { address: number; baudRate: number }, answer: (reply: Reply) => void): void {
    const { losesCom, comAddress, comBaudRate, comsetNak, movesLater } = this.personality;
    const refusal = comsetNak ?? (command.address > 126 ? 2 : null);
    if (refusal !== null) {
      answer({ name: 'NAK', reason: refusal, data: EMPTY });
      return;
    }
    const address = comAddress ?? command.address;
    const baudRate = comBaudRate ?? (RATES.includes(command.baudRate) ? command.baudRate : this.#baudRate);
    if (!losesCom) answer({ name: 'COM', address, baudRate });
    const medium = this.#medium as Medium;
    // It changes over when the reply has gone, and is deaf until it has.
    const move = (): void => {
      const moved = this.#address !== address || this.#baudRate !== baudRate;
      this.#address = address;
      this.#baudRate = baudRate;
      const switchMs = medium.mode === 'free' || !moved ? 0 : this.switchMs;
      this.#deafUntil = medium.clock.now() + switchMs;
      medium.stats.switchMs += switchMs;
      if (moved) this.emit('moved', { address, baudRate });
    };
    if (movesLater) this.#atPowerUp = move;
    else if (losesCom) medium.clock.at(medium.clock.now() + (medium.mode === 'free' ? 0 : this.replyMs), move);
    else this.#afterReply = move;
  }

  #nak(frame: Frame, reason: number): void {
    this.#answerPlain(frame, { name: 'NAK', reason, data: EMPTY });
  }

  #answerHandshake(frame: Frame, message: HandshakeMessage): void {
    const { address, sequence, check } = frame;
    this.#finish(frame, encodeFrame({ address, reply: true, sequence, check, ...message }));
  }

  #answerPlain(frame: Frame, reply: Reply): void {
    const { address, sequence, check } = frame;
    this.#finish(frame, encodeFrame({ address, reply: true, sequence, check, ...encodeReply(reply) }));
  }

  #sendPlain(address: number, reply: Reply, sequence: 0, frame?: Frame): void {
    const check = frame?.check ?? (this.personality.noCrc ? 'checksum' : 'crc');
    this.#transmit(encodeFrame({ address, reply: true, sequence, check, ...encodeReply(reply) }));
  }

  #finish(frame: Frame, reply: Uint8Array): void {
    this.#cache = { command: frame, reply };
    this.#transmit(reply);
  }

  #transmit(raw: Uint8Array): void {
    const medium = this.#medium as Medium;
    const delay = medium.mode === 'free' ? 0 : this.replyMs;
    this.#stopReply?.();
    medium.stats.replyMs += delay;
    const at = this.#heardAt + delay;
    this.#stopReply = medium.clock.at(at, () => {
      this.#stopReply = undefined;
      if (this.#medium !== medium) return;
      const after = this.#afterReply;
      this.#afterReply = undefined;
      medium.send(this, this.personality.noMark ? raw : withMark(raw), { after, at });
    });
  }
}
