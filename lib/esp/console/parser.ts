/** One line of a chip's console. */
export interface ConsoleLine {
  /** Error, warning, information, debug, verbose; null for lines that are no ESP-IDF log lines. */
  readonly level: 'E' | 'W' | 'I' | 'D' | 'V' | null;
  /** Milliseconds since boot; null where the line has none, or a time of day. */
  readonly ms: number | null;
  /** The time of day, where the chip prints it in place of milliseconds: "12:34:56.789". */
  readonly time?: string;
  readonly tag: string | null;
  /** Without colours and control characters; of a log line only what follows the tag. */
  readonly text: string;
  /** The line as it came, decoded. */
  readonly raw: string;
}

/** How lines are cut. */
export interface ConsoleOptions {
  /** Bytes after which a line without an end is cut; the rest follows as a line of its own. Default 4096. */
  readonly maxLine?: number;
}

const CR = 13;
const LF = 10;
const REPLACEMENT = '\ufffd';
const ESCAPE = String.fromCharCode(27);
/** CSI sequences (colours, cursor), and the two-character escapes. */
const ANSI = new RegExp(`${ESCAPE}(?:\\[[0-?]*[ -/]*[@-~]|[@-Z\\\\-_])`, 'g');
/** `I (123) tag: text`, with a time of day (and a date) in place of the milliseconds. */
const LOG = /^([EWIDV]) \((?:(\d{1,10})|((?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(?:\.\d{1,6})?))\) ([^:]{1,64}): ?(.*)$/u;

/**
 * Turns the bytes of a console into lines, in any chunks: ESP-IDF log lines taken apart, everything else (ROM
 * messages, printf) as text. Lines end with LF, CR or both; empty ones are left out. Bytes that are no UTF-8 become
 * U+FFFD. A line that has not ended is held until it has, or until `flush`.
 */
export class ConsoleParser {
  readonly #limit: number;
  #held: Uint8Array;
  #length = 0;

  constructor(options: ConsoleOptions = {}) {
    this.#limit = Math.max(16, options.maxLine ?? 4096);
    this.#held = new Uint8Array(256);
  }

  /** The lines that these bytes complete. */
  feed(bytes: Uint8Array): ConsoleLine[] {
    const lines: ConsoleLine[] = [];
    let from = 0;
    while (from < bytes.length) {
      let to = from;
      const room = from + this.#limit - this.#length;
      while (to < bytes.length && to < room && bytes[to] !== LF && bytes[to] !== CR) to++;
      this.#hold(bytes.subarray(from, to));
      from = to;
      if (to === bytes.length) break;
      const ended = bytes[to] === LF || bytes[to] === CR;
      if (ended) from++;
      this.#take(lines, ended ? this.#length : wholeCharacters(this.#held, this.#length));
    }
    return lines;
  }

  /**
   * The line that has not ended yet, as after a pause: a prompt, a half line. A character that is half there waits
   * for the rest of it, unless this is the end.
   */
  flush(end = false): ConsoleLine[] {
    const lines: ConsoleLine[] = [];
    this.#take(lines, end ? this.#length : wholeCharacters(this.#held, this.#length));
    return lines;
  }

  /** Bytes of the line that has not ended yet. */
  get pending(): number {
    return this.#length;
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, this.#held.length * 2));
      grown.set(this.#held.subarray(0, this.#length));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#length);
    this.#length = length;
  }

  #take(lines: ConsoleLine[], length: number): void {
    if (length > 0) {
      const line = parseConsoleLine(
        new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#held.subarray(0, length)),
      );
      if (line.text !== '' || line.tag !== null) lines.push(line);
    }
    this.#held.copyWithin(0, length, this.#length);
    this.#length -= length;
  }
}

/** How many of the bytes are whole characters: a UTF-8 sequence that is cut off at the end is not counted. */
function wholeCharacters(bytes: Uint8Array, length: number): number {
  for (let back = 1; back <= Math.min(3, length); back++) {
    const byte = bytes[length - back] as number;
    if (byte < 0x80) return length;
    if (byte < 0xc0) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needs > back ? length - back : length;
  }
  return length;
}

/** One decoded line, taken apart. */
export function parseConsoleLine(raw: string): ConsoleLine {
  const text = raw
    .replace(ANSI, '')
    .replace(/[^\P{Cc}\t]/gu, REPLACEMENT)
    .trimEnd();
  const match = LOG.exec(text);
  if (match === null) return { level: null, ms: null, tag: null, text, raw };
  const [, level, ms, time, tag = '', rest = ''] = match;
  return {
    level: level as 'E' | 'W' | 'I' | 'D' | 'V',
    ms: ms === undefined ? null : Number(ms),
    ...(time === undefined ? {} : { time }),
    tag: tag.trim(),
    text: rest,
    raw,
  };
}
