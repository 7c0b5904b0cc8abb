import { hex } from '../../bytes.ts';
import type { Clock } from '../../clock.ts';
import {
  type Capability,
  COMMANDS,
  decodeReply,
  encodeCommand,
  featuresOf,
  REPLIES,
  type Reply,
  type ReplyName,
} from '../../codec/index.ts';
import { type Check, CONFIGURATION_ADDRESS, encodeFrame, type Frame } from '../../frame/frame.ts';
import type { Place } from '../../panel/comset.ts';
import type { BusLine } from '../../panel/line.ts';
import { Peer } from '../../panel/peer.ts';
import type { Received, SendOptions, SendTally } from '../../panel/sending.ts';
import type { ReaderIdentity, Stage, StageState, StepDetail } from '../types.ts';
import { StepEnd } from './end.ts';
import type { StepRun } from './types.ts';

/** What came back to one POLL at number 0. */
export interface Probed {
  readonly frame: Frame | undefined;
  readonly delayMs: number;
  readonly bytes: number;
  readonly others: readonly number[];
}

const EMPTY = new Uint8Array();
/** A reader that answers nothing to this many polls in a row is not there. */
const POLLS = 4;

/** All that one attempt knows, and the few things that every stage does. */
export class Attempt {
  readonly line: BusLine;
  readonly run: StepRun;
  readonly clock: Clock;
  readonly tally: SendTally = { frames: 0, resends: 0, busies: 0 };
  /** Aborted with a `Halt`: nothing more is to be begun. */
  readonly halt: AbortSignal;
  readonly target: Place;
  stage: Stage = 'locate';
  stageState: StageState = 'in-flight';
  /** The reader, once it was found. */
  found: Peer | undefined;
  foundAt: Place | undefined;
  /** Where it is now, as far as is known. */
  place: Place | undefined;
  /** Where it is, when that is not where it should be. */
  nowAt: Place | undefined;
  identity: ReaderIdentity | null = null;
  capabilities: readonly Capability[] | undefined;
  comsetApplied: boolean | null = false;
  keyed: boolean | null = false;
  keyedBefore = false;
  keyVersion: number | null = null;
  maybeKeyed: number | null = null;
  readonly #garbage: number;
  #disturbances: number;

  constructor(line: BusLine, run: StepRun, halt: AbortSignal) {
    this.line = line;
    this.run = run;
    this.clock = run.clock ?? line.clock;
    this.halt = halt;
    this.target = { address: run.plan.address, baudRate: run.plan.baudRate };
    this.#garbage = line.counts.garbage;
    this.#disturbances = this.#heard();
  }

  get isAlone(): boolean {
    return this.run.terms.bus === 'single';
  }

  /** Whether, since this was asked last, something was heard that one reader alone does not say. */
  wasDisturbed(): boolean {
    const before = this.#disturbances;
    this.#disturbances = this.#heard();
    return this.#disturbances > before;
  }

  #heard(): number {
    return this.line.counts.garbage + this.line.unasked;
  }

  /** The reader; there is one after locate. */
  get peer(): Peer {
    if (this.found === undefined) throw new Error('No reader was found yet.');
    return this.found;
  }

  /** For what may be given up between two frames. */
  get sending(): SendOptions {
    return { stop: this.halt, tally: this.tally };
  }

  /** For what must be brought to its end. */
  get firmly(): SendOptions {
    return { tally: this.tally };
  }

  enter(stage: Stage): void {
    this.#tell(stage, 'in-flight');
  }

  reach(stage: Stage): void {
    this.#tell(stage, 'reached');
  }

  stall(stage: Stage, detail: StepDetail): void {
    this.#tell(stage, 'stalled', detail);
  }

  /** The same stage goes on, and there is something to say of it. */
  remark(text: string): void {
    this.run.onStage(this.stage, this.stageState, { text });
  }

  #tell(stage: Stage, state: StageState, detail?: Partial<StepDetail>): void {
    this.stage = stage;
    this.stageState = state;
    this.run.onStage(stage, state, detail);
  }

  checkHalt(): void {
    this.halt.throwIfAborted();
  }

  /** One POLL at number 0, sent once; any valid frame is somebody. */
  async probe(place: Place, options: { check?: Check; timeoutMs?: number; firmly?: boolean } = {}): Promise<Probed> {
    if (options.firmly !== true) this.checkHalt();
    const { check = this.found?.check ?? 'crc', timeoutMs } = options;
    const { address } = place;
    const raw = encodeFrame({ address, reply: false, sequence: 0, check, code: COMMANDS.POLL, data: EMPTY });
    this.tally.frames++;
    const answer = await this.line.turn.run(async () => {
      await this.line.setBaudRate(place.baudRate);
      return await this.line.exchange(raw, address, (frame) => frame, timeoutMs === undefined ? {} : { timeoutMs });
    });
    const { taken: frame, delayMs, bytes, others } = answer;
    return { frame, delayMs, bytes, others };
  }

  /** Whether the reader in hand answers at all. */
  async isThere(firmly = false): Promise<boolean> {
    const place = this.place ?? this.target;
    for (let tries = 0; tries < POLLS; tries++) {
      const { frame } = await this.probe(place, { firmly });
      this.found?.restart();
      if (frame !== undefined) return true;
    }
    return false;
  }

  /** Takes the reader that answered in hand. */
  take(place: Place, probed: Probed, check: Check): void {
    const peer = new Peer(this.line, place.address);
    const complains = probed.frame?.code === REPLIES.NAK && probed.frame.data[0] === 1;
    peer.check = complains ? 'checksum' : check;
    peer.slowestMs = probed.delayMs;
    this.found = peer;
    if (place.address !== CONFIGURATION_ADDRESS) this.foundAt ??= place;
    this.place = place;
  }

  /** The reader has another place now. */
  follow(place: Place): void {
    const peer = new Peer(this.line, place.address);
    peer.inherit(this.peer);
    this.peer.restart();
    this.found = peer;
    this.place = place;
  }

  /** Who the reader says it is; undefined when it does not say. */
  async identify(): Promise<ReaderIdentity | undefined> {
    const reply = await this.#ask({ name: 'ID', extended: false }, 'PDID');
    if (reply?.name !== 'PDID') return undefined;
    const { vendor, model, version, serial, firmware } = reply;
    return {
      vendor: hex(vendor, ''),
      model,
      version,
      serial: serial.toString(16).toUpperCase().padStart(8, '0'),
      firmware: firmware.join('.'),
    };
  }

  /** What the reader says it can do; undefined when it does not say. */
  async askCapabilities(): Promise<readonly Capability[] | undefined> {
    const reply = await this.#ask({ name: 'CAP' }, 'PDCAP');
    if (reply?.name !== 'PDCAP') return undefined;
    this.peer.maxFrame = featuresOf(reply.capabilities).bufferSize;
    return reply.capabilities;
  }

  /** One POLL under the session. */
  async poll(): Promise<void> {
    await this.peer.turn.run(() => this.peer.send(COMMANDS.POLL, EMPTY, this.sending));
  }

  /** Asked again once where something else comes: it may be a late answer to a poll. */
  async #ask(command: Parameters<typeof encodeCommand>[0], wanted: ReplyName): Promise<Reply | undefined> {
    const { code, data } = encodeCommand(command);
    const { peer } = this;
    for (let tries = 0; tries < 2; tries++) {
      const received = await peer.turn.run(() => peer.send(code, data, this.sending));
      const reply = read(received);
      if (reply?.name === wanted) return reply;
    }
    return undefined;
  }

  /** Calls `work` with a derived key, and overwrites it after. */
  async withKey<T>(version: number, work: (key: Uint8Array) => Promise<T>): Promise<T> {
    const key = this.run.key(version);
    try {
      return await work(key);
    } finally {
      key.fill(0);
    }
  }

  /** The reader no longer answers. */
  gone(): StepEnd {
    const { address, baudRate } = this.place ?? this.target;
    return new StepEnd('no_response', `The reader at address ${address} at ${baudRate} baud answers no more.`);
  }

  detail(text: string, more: Partial<StepDetail>): StepDetail {
    const { frames, resends, busies } = this.tally;
    const { foundAt, nowAt } = this;
    return {
      comsetApplied: this.comsetApplied,
      keyed: this.keyed,
      ...(this.keyedBefore ? { keyedBefore: true } : {}),
      ...(foundAt === undefined ? {} : { foundAt }),
      ...(nowAt === undefined ? {} : { nowAt }),
      ...more,
      text,
      frames,
      resends,
      busies,
      garbageBytes: this.line.counts.garbage - this.#garbage,
    };
  }
}

function read({ code, data }: Received): Reply | undefined {
  try {
    return decodeReply(code, data);
  } catch {
    return undefined;
  }
}

/** "address 5 at 9600 baud" */
export function spell({ address, baudRate }: Place): string {
  const who = address === CONFIGURATION_ADDRESS ? 'the configuration address' : `address ${address}`;
  return `${who} at ${baudRate} baud`;
}

export function isSame(one: Place, other: Place): boolean {
  return one.address === other.address && one.baudRate === other.baudRate;
}
