import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';

/** Where a chain stands: the number of its last entry, and that one's MAC. */
export interface Place {
  readonly n: number;
  readonly mac: Buffer;
}

/** What the first entry is chained to. */
export const GENESIS: Place = { n: 0, mac: Buffer.alloc(32) };

/**
 * How an entry does not fit.
 * - `altered`: its text is not the one that was written
 * - `missing`: another one stands in its place
 * - `moved`: another one stands in its place, and it comes later
 * - `cut-off`: the log ends before it
 * - `appended`: it stands behind the last one that was written, and was not written here
 * - `before`: what stood in the file when the chain began is not what stands there
 * - `head`: the file that tells where the log ends is missing, damaged, or that of another log
 * - `head-old`: that file tells of an entry long before the last one
 * - `noted`: the provisioner found the log damaged when it opened it, and says so in this entry
 */
export type LogProblem = {
  readonly entry: number;
  readonly what: 'altered' | 'missing' | 'moved' | 'cut-off' | 'appended' | 'before' | 'head' | 'head-old' | 'noted';
};

/** The file that tells where the log ends, as it was found. */
export interface Head {
  /** The newest that is whole. */
  readonly place?: Place;
  /** One of its two places is not whole. */
  readonly torn: boolean;
}

export interface Reading {
  /** The first entry that does not fit. */
  readonly problem?: LogProblem;
  /** The first one that no entry of the log tells of yet. */
  readonly untold?: LogProblem;
  /** Where the chain goes on. */
  readonly place: Place;
  /** Bytes up to the end of the last line that is whole. */
  readonly end: number;
  /** What stood there before the chain: bytes, and their SHA-256 in hex. */
  readonly before: Before;
  /** Milliseconds since 1970, of the last entry that fits; 0 when there is none. */
  readonly newest: number;
}

export interface Before {
  readonly bytes: number;
  readonly sha256: string;
}

/** The entries that the chain itself makes. */
export const BEGUN = 'chain-begun';
export const DAMAGED = 'log-damaged';

/** `,"mac":"`, 64 hex digits, `"}` */
const END_BYTES = 74;
const END = /^,"mac":"([0-9a-f]{64})"\}$/;
const NEWLINE = 0x0a;

/** An entry as a line of JSON whose last member is the MAC over everything before that member. */
export function encodeEntry(key: KeyObject, before: Place, fields: object): { bytes: Buffer; place: Place } {
  const n = before.n + 1;
  const body = Buffer.from(JSON.stringify({ n, ...fields }).slice(0, -1));
  const mac = macOf(key, before.mac, body);
  return { bytes: Buffer.concat([body, Buffer.from(`,"mac":"${mac.toString('hex')}"}\n`)]), place: { n, mac } };
}

/** HMAC-SHA-256 (RFC 2104) over the entry and the MAC of the one before. */
function macOf(key: KeyObject, before: Buffer, body: Buffer): Buffer {
  return createHmac('sha256', key).update('entry\0').update(before).update(body).digest();
}

/** Whether lines of a chain are in a log. */
export function isChained(log: Buffer): boolean {
  return linesOf(log).some(({ bytes }) => split(bytes) !== undefined);
}

/** Reads a log from its beginning, and judges it by its head. */
export function readChain(key: KeyObject, log: Buffer, head: Head): Reading {
  const lines = linesOf(log);
  const first = lines.findIndex(({ bytes }) => split(bytes) !== undefined);
  const plain = lines.slice(0, first < 0 ? lines.length : first);
  const walk = new Walk(key, head, digest(log.subarray(0, plain.at(-1)?.end ?? 0)));
  const rest = lines.slice(plain.length).map(({ bytes, end }) => ({ end, entry: parse(bytes), bytes }));
  const numbers = rest.map(({ entry }) => entry?.n ?? 0);
  let { end } = lines.at(-1) ?? { end: 0 };
  for (const [i, { entry, bytes }] of rest.entries()) {
    if (i === rest.length - 1 && walk.isTorn(bytes)) {
      end -= bytes.length + 1;
      break;
    }
    walk.add(entry, (n) => numbers.indexOf(n, i + 1) > 0);
  }
  return { ...walk.end(), end };
}

interface Entry {
  readonly n: number;
  readonly at: number;
  readonly event: string;
  readonly before?: Before;
  /** Of DAMAGED: what it is chained to. */
  readonly from?: string;
  readonly body: Buffer;
  readonly mac: Buffer;
}

/** Goes along the lines of a chain; beyond one that does not fit, to the entry that tells of it. */
class Walk {
  readonly #key: KeyObject;
  readonly #head: Head;
  readonly #before: Before;
  #place = GENESIS;
  /** The MAC of the entry that the head tells of. */
  #atHead: Buffer | undefined;
  #newest = 0;
  #problem: LogProblem | undefined;
  #untold: LogProblem | undefined;

  constructor(key: KeyObject, head: Head, before: Before) {
    this.#key = key;
    this.#head = head;
    this.#before = before;
    if (head.place?.n === 0) this.#atHead = GENESIS.mac;
  }

  /**
   * Whether the last line was being written when the power went: there is no NUL in JSON, but in a file that grew and
   * whose new bytes did not reach the disk. One that the head tells of was there in whole.
   */
  isTorn(line: Buffer): boolean {
    return line.includes(0) && this.#place.n >= (this.#head.place?.n ?? Number.POSITIVE_INFINITY);
  }

  add(entry: Entry | undefined, comesLater: (n: number) => boolean): void {
    const next = this.#place.n + 1;
    const fits = entry?.n === next && this.#chained(entry, this.#place.mac);
    if (!fits) this.#found({ entry: next, what: this.#how(entry, next, comesLater) });
    if (entry === undefined) return;
    const tells = entry.event === DAMAGED;
    if (fits || (entry.n > this.#place.n && this.#follows(entry))) {
      this.#place = { n: entry.n, mac: entry.mac };
      if (entry.n === this.#head.place?.n) this.#atHead = entry.mac;
      if (fits) this.#newest = entry.at;
      if (fits && tells) this.#found({ entry: entry.n, what: 'noted' });
      if (fits && entry.n === 1 && !this.#beganAfter(entry)) this.#found({ entry: 1, what: 'before' });
      if (tells) this.#untold = undefined;
    }
  }

  end(): Omit<Reading, 'end'> {
    const { place } = this.#head;
    const { n } = this.#place;
    if (place === undefined || (this.#head.torn && n !== place.n + 1)) this.#found({ entry: n + 1, what: 'head' });
    else if (place.n > n) this.#found({ entry: n + 1, what: 'cut-off' });
    else if (n > place.n + 1) this.#found({ entry: place.n + 2, what: 'head-old' });
    else if (this.#atHead === undefined || !timingSafeEqual(place.mac, this.#atHead)) {
      this.#found({ entry: place.n, what: 'head' });
    }
    return {
      ...(this.#problem && { problem: this.#problem }),
      ...(this.#untold && { untold: this.#untold }),
      place: place !== undefined && place.n >= n ? place : this.#place,
      before: this.#before,
      newest: this.#newest,
    };
  }

  #how(entry: Entry | undefined, next: number, comesLater: (n: number) => boolean): LogProblem['what'] {
    if (comesLater(next)) return 'moved';
    if (next > (this.#head.place?.n ?? 0)) return 'appended';
    return entry === undefined || entry.n === next ? 'altered' : 'missing';
  }

  /** Behind a line that does not fit: written here, after what it says itself. */
  #follows(entry: Entry): boolean {
    return entry.from !== undefined && this.#chained(entry, Buffer.from(entry.from, 'hex'));
  }

  #chained({ body, mac }: Entry, before: Buffer): boolean {
    return timingSafeEqual(macOf(this.#key, before, body), mac);
  }

  #beganAfter({ event, before }: Entry): boolean {
    return event === BEGUN && before?.bytes === this.#before.bytes && before.sha256 === this.#before.sha256;
  }

  #found(problem: LogProblem): void {
    this.#problem ??= problem;
    this.#untold ??= problem;
  }
}

/** The lines that have an end. */
function linesOf(log: Buffer): { bytes: Buffer; end: number }[] {
  const lines: { bytes: Buffer; end: number }[] = [];
  for (let at = 0; ; ) {
    const end = log.indexOf(NEWLINE, at) + 1;
    if (end === 0) return lines;
    lines.push({ bytes: log.subarray(at, end - 1), end });
    at = end;
  }
}

function split(line: Buffer): { body: Buffer; mac: Buffer } | undefined {
  const mac = END.exec(line.subarray(-END_BYTES).toString('latin1'))?.[1];
  return mac === undefined ? undefined : { body: line.subarray(0, -END_BYTES), mac: Buffer.from(mac, 'hex') };
}

function parse(line: Buffer): Entry | undefined {
  const parts = split(line);
  if (parts === undefined) return undefined;
  try {
    const fields = JSON.parse(line.toString()) as { readonly [name: string]: unknown };
    const { n, at, event } = fields;
    if (!Number.isSafeInteger(n) || typeof at !== 'number' || typeof event !== 'string') return undefined;
    return { ...(fields as unknown as Entry), ...parts };
  } catch {
    return undefined;
  }
}

function digest(bytes: Buffer): Before {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
