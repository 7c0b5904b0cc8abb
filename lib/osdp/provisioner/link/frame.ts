import { wipe } from '../../../vault/index.ts';
import { fail } from './errors.ts';

/** The most bytes of a frame, its length not counted. */
export const FRAME_MOST = 65_536;
/** The bytes of a secret that follow the text of a frame. */
export const SECRET_BYTES = 16;

const HEAD = 4;
const NUL = 0;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** One frame: a JSON object and, for the few that carry one, a secret, which its reader overwrites. */
export interface Frame {
  readonly message: Readonly<Record<string, unknown>>;
  readonly secret: Buffer | null;
}

/**
 * The bytes of a frame: length (u32, big endian), JSON in UTF-8, and behind a NUL the bytes of a secret. JSON has no
 * NUL, and a secret that is no text can be overwritten.
 * @throws BAD_FRAME longer than FRAME_MOST, or a secret of another length than 16 bytes
 */
export function encodeFrame(message: object, secret?: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify(message), 'utf8');
  const length = text.length + (secret === undefined ? 0 : 1 + secret.length);
  if (length > FRAME_MOST) throw tooLong(length);
  if (secret !== undefined && secret.length !== SECRET_BYTES) throw bad(`a secret of ${secret.length} bytes`);
  const frame = Buffer.alloc(HEAD + length);
  frame.writeUInt32BE(length);
  frame.set(text, HEAD);
  if (secret !== undefined) frame.set(secret, frame.length - SECRET_BYTES);
  return frame;
}

/** Puts frames together. It never holds more than one, and after an error it reads no more. */
export class FrameReader {
  readonly #head = Buffer.alloc(HEAD);
  #have = 0;
  #body: Buffer | undefined;
  #dead = false;

  /** Whether the beginning of a frame waits for its rest. */
  get isPartial(): boolean {
    return this.#have > 0;
  }

  /** The frames that end within `chunk`. The chunk is overwritten where it held a secret. @throws BAD_FRAME */
  *push(chunk: Uint8Array): Generator<Frame, void, void> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#dead) throw bad('more after a bad frame');
      at += this.#fill(chunk.subarray(at));
      if (this.#body === undefined || this.#have < HEAD + this.#body.length) continue;
      const body = this.#body;
      this.#body = undefined;
      this.#have = 0;
      try {
        const frame = decode(body);
        if (frame.secret !== null) wipe(chunk.subarray(Math.max(0, at - SECRET_BYTES), at));
        yield frame;
      } catch (error) {
        this.#dead = true;
        throw error;
      }
    }
  }

  /** Forgets what was begun, overwriting it. */
  clear(): void {
    if (this.#body !== undefined) wipe(this.#body);
    this.#body = undefined;
    this.#have = 0;
  }

  /** @returns how many bytes were taken */
  #fill(bytes: Uint8Array): number {
    if (this.#body === undefined) {
      const part = bytes.subarray(0, HEAD - this.#have);
      this.#head.set(part, this.#have);
      this.#have += part.length;
      if (this.#have === HEAD) {
        const length = this.#head.readUInt32BE();
        if (length === 0 || length > FRAME_MOST) {
          this.#dead = true;
          throw tooLong(length);
        }
        this.#body = Buffer.alloc(length);
      }
      return part.length;
    }
    const part = bytes.subarray(0, HEAD + this.#body.length - this.#have);
    this.#body.set(part, this.#have - HEAD);
    this.#have += part.length;
    return part.length;
  }
}

function decode(body: Buffer): Frame {
  const nul = body.indexOf(NUL);
  const text = nul < 0 ? body : body.subarray(0, nul);
  let secret: Buffer | null = null;
  if (nul >= 0) {
    const tail = body.subarray(nul + 1);
    if (tail.length === SECRET_BYTES) secret = Buffer.from(tail);
    wipe(tail);
    if (secret === null) throw bad(`${tail.length} bytes behind its text`);
  }
  try {
    return { message: parse(text), secret };
  } catch (error) {
    if (secret !== null) wipe(secret);
    throw error;
  }
}

function parse(text: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(text));
  } catch (cause) {
    // The text of the cause may repeat what arrived.
    throw bad(cause instanceof SyntaxError ? 'no JSON' : 'no UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('no JSON object');
  return value as Readonly<Record<string, unknown>>;
}

function tooLong(length: number): Error {
  return fail('BAD_FRAME', `A frame says that it has ${length} bytes; 1 to ${FRAME_MOST} are allowed.`, {
    hint: 'The other side is no provisioner or host, or speaks another protocol.',
    detail: { field: 'length', value: length },
  });
}

function bad(what: string): Error {
  return fail('BAD_FRAME', `A frame cannot be read: ${what}.`, {
    hint: 'The other side is no provisioner or host, or speaks another protocol.',
  });
}
