import { COMMANDS, REPLIES } from '../codec/index.ts';
import { decodeFrame, type Frame, MARK, putCheck } from '../frame/frame.ts';
import type { CaptureRecord } from './osdpcap.ts';

/** Commands and replies whose data is a key, a card, a PIN, or what a session's keys could be found with. */
const SECRET_COMMANDS = new Set([
  COMMANDS.KEYSET,
  COMMANDS.CHLNG,
  COMMANDS.SCRYPT,
  COMMANDS.BIOMATCH,
  COMMANDS.XWR,
  COMMANDS.GENAUTH,
  COMMANDS.CRAUTH,
]);
const SECRET_REPLIES = new Set([
  REPLIES.RAW,
  REPLIES.FMT,
  REPLIES.KEYPAD,
  REPLIES.BIOREADR,
  REPLIES.CCRYPT,
  REPLIES.RMAC_I,
  REPLIES.PIVDATAR,
  REPLIES.GENAUTHR,
  REPLIES.CRAUTHR,
  REPLIES.XRD,
]);

/** Whether the frame's data must not be shown to everybody. */
export function isSecret(frame: Pick<Frame, 'reply' | 'code'>): boolean {
  return (frame.reply ? SECRET_REPLIES : SECRET_COMMANDS).has(frame.code);
}

/**
 * A copy of the bytes of a frame in which what is secret is overwritten with zeros, with a check that fits. Length,
 * address, sequence, kind and code stay. The handshake's numbers go too: with the default key anyone could follow the
 * session with them, and a MAC over a PIN would give it away to trial. What is no frame is overwritten whole.
 */
export function maskBytes(data: Uint8Array): { data: Uint8Array; masked: boolean } {
  const start = data[0] === MARK ? 1 : 0;
  const copy = data.slice();
  const frame = decodeFrame(copy.subarray(start));
  if (typeof frame === 'string') {
    copy.fill(0);
    return { data: copy, masked: true };
  }
  if (!isSecret(frame)) return { data: copy, masked: false };
  frame.data.fill(0);
  frame.mac?.fill(0);
  putCheck(frame.raw, frame.check);
  return { data: copy, masked: true };
}

/** A capture that may be shown to others: keys, cards and PINs are overwritten. */
export function maskCapture(records: readonly CaptureRecord[]): CaptureRecord[] {
  return records.map((record) => {
    const { data, masked } = maskBytes(record.data);
    return { ...record, data, masked: masked || record.masked };
  });
}
