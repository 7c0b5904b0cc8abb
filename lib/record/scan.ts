import type { FileHandle } from 'node:fs/promises';

/** What is known of a file of rows after it was read once. */
export interface Scan {
  /** Bytes of the file. */
  readonly size: number;
  /** The first row without its line end; null while there is none. */
  readonly header: string | null;
  /** Where the last complete row ends: the rest was torn. */
  readonly end: number;
  /** The torn rest, without zeros that a power cut left at its end; blank when nothing is torn. */
  readonly torn: Uint8Array;
  /** Whether the rest ends inside quotes. */
  readonly quoted: boolean;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const CR = 0x0d;
const LF = 0x0a;
const CHUNK = 64 * 1024;
const BOM = '\uFEFF';

/**
 * Finds the complete rows of a file: those that a line feed outside of quotes ends. Reads it once, in pieces.
 * Quotes, commas and line ends are single bytes in UTF-8 and never part of another character.
 */
export async function scanRows(file: FileHandle): Promise<Scan> {
  const chunk = new Uint8Array(CHUNK);
  let header: string | null = null;
  let size = 0;
  let end = 0;
  let quoted = false;
  let tail: Uint8Array[] = [];
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, size);
    if (bytesRead === 0) break;
    let from = 0;
    for (let at = 0; at < bytesRead; at++) {
      const byte = chunk[at];
      if (byte === QUOTE) quoted = !quoted;
      else if (byte === LF && !quoted) {
        if (header === null) header = rowText(Buffer.concat([...tail, chunk.subarray(from, at)]));
        tail = [];
        from = at + 1;
        end = size + from;
      }
    }
    tail.push(chunk.slice(from, bytesRead));
    size += bytesRead;
  }
  const rest = Buffer.concat(tail);
  let length = rest.length;
  while (length > 0 && rest[length - 1] === 0) length -= 1;
  return { size, header, end, torn: rest.subarray(0, length), quoted };
}

/** A row as text: without its line end, and without the mark that some programs put before a file. */
export function rowText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8').replace(/\r$/, '');
  return text.startsWith(BOM) ? text.slice(1) : text;
}

/**
 * What makes a torn row whole: how much of it stays, and what follows then: its closing quote, its missing columns
 * left blank, and a line end. Only a character that was torn itself does not stay.
 */
export function completeRow(torn: Uint8Array, quoted: boolean, columns: number): { kept: number; rest: Uint8Array } {
  const whole = wholeCharacters(torn);
  const row = !quoted && whole.at(-1) === CR ? whole.subarray(0, -1) : whole;
  const missing = ','.repeat(Math.max(0, columns - countFields(row)));
  return { kept: row.length, rest: Buffer.from(`${quoted ? '"' : ''}${missing}\r\n`) };
}

/** Without the character at the end whose last bytes are missing. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const lead = bytes[bytes.length - back] ?? 0;
    if (lead < 0x80) break;
    if (lead < 0xc0) continue;
    const wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return back < wanted ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

function countFields(row: Uint8Array): number {
  let fields = 1;
  let quoted = false;
  for (const byte of row) {
    if (byte === QUOTE) quoted = !quoted;
    else if (byte === COMMA && !quoted) fields += 1;
  }
  return fields;
}
