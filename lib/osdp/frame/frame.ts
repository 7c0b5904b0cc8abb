import { fail } from '../errors.ts';
import { checksum, crc16 } from './check.ts';

/** First byte of a frame. */
export const SOM = 0x53;
/** The byte sent before a frame, which belongs to no frame. */
export const MARK = 0xff;
/** Longest frame, in bytes (5.6). */
export const MAX_FRAME = 1440;
/** What a reader takes at least, and what a panel reckons with until the reader says more (5.6). */
export const MIN_BUFFER = 128;
/** The address that every reader obeys and that none has. */
export const CONFIGURATION_ADDRESS = 0x7f;

export type Sequence = 0 | 1 | 2 | 3;
export type Check = 'crc' | 'checksum';

/** The block before the code that says what of the secure channel the frame is part of (Annex D). */
export interface SecurityBlock {
  /** 0x11 … 0x18. */
  readonly type: number;
  readonly data: Uint8Array;
}

/** What goes into a frame. */
export interface FrameFields {
  /** 0 … 126, or 127 for the configuration address. */
  readonly address: number;
  /** From a reader to the panel. */
  readonly reply: boolean;
  readonly sequence: Sequence;
  readonly check: Check;
  readonly security?: SecurityBlock;
  /** The command or reply. */
  readonly code: number;
  /** What follows the code, as on the wire: under SCS_17 and SCS_18 encrypted. */
  readonly data: Uint8Array;
  /** The four bytes of a MAC on the wire, under SCS_15 … SCS_18. */
  readonly mac?: Uint8Array;
}

/** A frame as it was received. */
export interface Frame extends FrameFields {
  /** All its bytes from SOM to the check, without a mark. */
  readonly raw: Uint8Array;
}

/** Why bytes are no frame. */
export type FrameFault = 'short' | 'length' | 'control' | 'check' | 'security';

/** Whether a MAC ends the frame. */
export const carriesMac = (type: number): boolean => type >= 0x15 && type <= 0x18;

/**
 * Length of the frame that holds `fields`, in bytes, without the mark.
 */
export function frameLength(fields: Pick<FrameFields, 'check' | 'security' | 'data'>): number {
  const { security } = fields;
  const block = security === undefined ? 0 : 2 + security.data.length + (carriesMac(security.type) ? 4 : 0);
  return 5 + block + 1 + fields.data.length + (fields.check === 'crc' ? 2 : 1);
}

/**
 * The bytes of a frame, without the mark. A frame under SCS_15 … SCS_18 whose `mac` is not given yet gets four zero
 * bytes there and a check over them.
 *
 * @throws FRAME_TOO_LONG
 */
export function encodeFrame(fields: FrameFields): Uint8Array {
  const length = frameLength(fields);
  if (length > MAX_FRAME) {
    throw fail('FRAME_TOO_LONG', `The frame would be ${length} bytes long; at most ${MAX_FRAME} are allowed.`, {
      detail: { length, limit: MAX_FRAME },
    });
  }
  const { security, data } = fields;
  const out = new Uint8Array(length);
  out[0] = SOM;
  out[1] = fields.address | (fields.reply ? 0x80 : 0);
  out[2] = length & 0xff;
  out[3] = length >> 8;
  out[4] = fields.sequence | (fields.check === 'crc' ? 4 : 0) | (security === undefined ? 0 : 8);
  let at = 5;
  if (security !== undefined) {
    out[at++] = 2 + security.data.length;
    out[at++] = security.type;
    out.set(security.data, at);
    at += security.data.length;
  }
  out[at++] = fields.code;
  out.set(data, at);
  at += data.length;
  if (security !== undefined && carriesMac(security.type)) {
    if (fields.mac !== undefined) out.set(fields.mac, at);
    at += 4;
  }
  putCheck(out, fields.check);
  return out;
}

/** Writes the check over a finished frame. */
export function putCheck(frame: Uint8Array, check: Check): void {
  const end = frame.length;
  if (check === 'crc') {
    const crc = crc16(frame, 0, end - 2);
    frame[end - 2] = crc & 0xff;
    frame[end - 1] = crc >> 8;
  } else frame[end - 1] = checksum(frame, 0, end - 1);
}

/** Whether the first five bytes can begin a frame. */
export function headerFits(bytes: Uint8Array, at: number, maxLength: number): boolean {
  const control = bytes[at + 4] as number;
  if ((control & 0xf0) !== 0) return false;
  const length = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
  return length <= maxLength && length >= 6 + (control & 4 ? 2 : 1) + (control & 8 ? 2 : 0);
}

/**
 * Reads one whole frame. `bytes` begins with SOM and ends with the check; the result keeps views into it.
 */
export function decodeFrame(bytes: Uint8Array): Frame | FrameFault {
  if (bytes.length < 7 || bytes[0] !== SOM) return 'short';
  const length = (bytes[2] as number) | ((bytes[3] as number) << 8);
  if (length !== bytes.length || length > MAX_FRAME) return 'length';
  const control = bytes[4] as number;
  if ((control & 0xf0) !== 0) return 'control';
  const check: Check = control & 4 ? 'crc' : 'checksum';
  const checkAt = length - (check === 'crc' ? 2 : 1);
  if (checkAt < 6) return 'short';
  if (check === 'crc') {
    const crc = crc16(bytes, 0, checkAt);
    if (bytes[checkAt] !== (crc & 0xff) || bytes[checkAt + 1] !== crc >> 8) return 'check';
  } else if (bytes[checkAt] !== checksum(bytes, 0, checkAt)) return 'check';

  let at = 5;
  let end = checkAt;
  let security: SecurityBlock | undefined;
  let mac: Uint8Array | undefined;
  if (control & 8) {
    const size = bytes[5] as number;
    if (size < 2 || at + size >= checkAt) return 'security';
    const type = bytes[6] as number;
    security = { type, data: bytes.subarray(7, 5 + size) };
    at += size;
    if (carriesMac(type)) {
      end -= 4;
      if (at >= end) return 'security';
      mac = bytes.subarray(end, checkAt);
    }
  }
  return {
    address: (bytes[1] as number) & 0x7f,
    reply: ((bytes[1] as number) & 0x80) !== 0,
    sequence: (control & 3) as Sequence,
    check,
    ...(security === undefined ? {} : { security }),
    code: bytes[at] as number,
    data: bytes.subarray(at + 1, end),
    ...(mac === undefined ? {} : { mac }),
    raw: bytes,
  };
}

/** The frame with its mark, as it goes on the wire. */
export function withMark(frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(frame.length + 1);
  out[0] = MARK;
  out.set(frame, 1);
  return out;
}
