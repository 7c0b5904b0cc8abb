import { hex } from '../bytes.ts';
import { fail } from '../errors.ts';

/** One line of a capture. */
export interface CaptureRecord {
  /** Seconds since 1970, and nanoseconds on top of them. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** `out` = sent by who recorded, `in` = received by them, `trace` = listened to. */
  readonly io: 'in' | 'out' | 'trace';
  /** As on the wire, a mark included where one was seen. */
  readonly data: Uint8Array;
  /** Who recorded it. */
  readonly source: string;
  /** What was secret in it has been overwritten. */
  readonly masked: boolean;
}

/** Longest line taken, in characters: several times what the longest frame needs. */
const MAX_LINE = 1 << 16;
const IO: Readonly<Record<string, CaptureRecord['io']>> = {
  in: 'in',
  input: 'in',
  out: 'out',
  output: 'out',
  trace: 'trace',
};

/** The text of a capture: a JSON object a line, as other OSDP tools write and read it. */
export function formatOsdpcap(records: readonly CaptureRecord[]): string {
  return records.map((record) => `${JSON.stringify(lineOf(record))}\n`).join('');
}

function lineOf(record: CaptureRecord): Record<string, unknown> {
  return {
    timeSec: String(record.seconds),
    timeNano: String(record.nanoseconds).padStart(9, '0'),
    io: record.io,
    data: hex(record.data),
    osdpTraceVersion: '1',
    osdpSource: record.source,
    ...(record.masked ? { masked: true } : {}),
  };
}

/** @throws BAD_OSDPCAP naming the line. */
export function parseOsdpcap(text: string): CaptureRecord[] {
  const records: CaptureRecord[] = [];
  let number = 0;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    number++;
    if (line.trim() !== '') records.push(recordOf(line, number));
  }
  return records;
}

function recordOf(line: string, number: number): CaptureRecord {
  const bad = (what: string, cause?: unknown): Error =>
    fail('BAD_OSDPCAP', `Line ${number} of the capture ${what}.`, {
      hint: 'A capture has one JSON object a line with timeSec, timeNano, io and data.',
      detail: { line: number },
      cause,
    });
  if (line.length > MAX_LINE) throw bad(`has more than ${MAX_LINE} characters`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw bad('is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('is no JSON object');
  const fields = value as Record<string, unknown>;
  const io = typeof fields.io === 'string' ? IO[fields.io.toLowerCase()] : undefined;
  if (io === undefined) throw bad('does not say in "io" which way the bytes went');
  const seconds = numberOf(fields.timeSec, Number.MAX_SAFE_INTEGER);
  if (seconds === undefined) throw bad('has no number of seconds in "timeSec"');
  const nanoseconds = fields.timeNano === undefined ? 0 : numberOf(fields.timeNano, 999_999_999);
  if (nanoseconds === undefined) throw bad('has no number of nanoseconds in "timeNano"');
  if (typeof fields.data !== 'string') throw bad('has no text in "data"');
  const digits = fields.data.replace(/[\s:-]/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) throw bad('has something else than bytes in "data"');
  return {
    seconds,
    nanoseconds,
    io,
    data: Uint8Array.from(Buffer.from(digits, 'hex')),
    source: typeof fields.osdpSource === 'string' ? fields.osdpSource : '',
    masked: fields.masked === true,
  };
}

function numberOf(value: unknown, most: number): number | undefined {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= most ? number : undefined;
}
