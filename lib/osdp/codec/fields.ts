import { fail } from '../errors.ts';

/** Puts numbers and bytes together, little-endian, and refuses what does not fit. */
export class Writer {
  readonly #message: string;
  readonly #bytes: number[] = [];

  constructor(message: string) {
    this.#message = message;
  }

  u8(value: number, field: string): this {
    return this.#number(value, field, 1, 0xff);
  }

  u16(value: number, field: string): this {
    return this.#number(value, field, 2, 0xffff);
  }

  u32(value: number, field: string): this {
    return this.#number(value, field, 4, 0xffffffff);
  }

  i16(value: number, field: string): this {
    if (!Number.isInteger(value) || value < -0x8000 || value > 0x7fff) {
      throw bad(this.#message, field, value, 'a whole number from -32768 to 32767');
    }
    return this.#number(value & 0xffff, field, 2, 0xffff);
  }

  bytes(value: Uint8Array, field: string, length?: number): this {
    if (length !== undefined && value.length !== length) {
      throw fail('BAD_OSDP_RECORD', `${this.#message}: ${field} has ${value.length} bytes; it must have ${length}.`, {
        detail: { message: this.#message, field, length: value.length },
      });
    }
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #number(value: number, field: string, size: number, most: number): this {
    if (!Number.isInteger(value) || value < 0 || value > most) {
      throw bad(this.#message, field, value, `a whole number from 0 to ${most}`);
    }
    for (let i = 0; i < size; i++) this.#bytes.push(Math.floor(value / 2 ** (8 * i)) & 0xff);
    return this;
  }
}

/** Takes numbers and bytes apart; running out of bytes, or having some left, is an error. */
export class Cursor {
  readonly #message: string;
  readonly #data: Uint8Array;
  #at = 0;

  constructor(message: string, data: Uint8Array) {
    this.#message = message;
    this.#data = data;
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  u8(): number {
    this.#need(1);
    return this.#data[this.#at++] as number;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  u32(): number {
    return this.u16() + this.u16() * 0x10000;
  }

  i16(): number {
    const value = this.u16();
    return value >= 0x8000 ? value - 0x10000 : value;
  }

  bytes(length: number): Uint8Array {
    this.#need(length);
    this.#at += length;
    return this.#data.slice(this.#at - length, this.#at);
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** Calls `one` until nothing is left. */
  all<T>(one: () => T): T[] {
    const out: T[] = [];
    while (this.left > 0) out.push(one());
    return out;
  }

  end(): void {
    if (this.left > 0) throw wrongLength(this.#message, this.#data.length);
  }

  #need(length: number): void {
    if (this.left < length) throw wrongLength(this.#message, this.#data.length);
  }
}

function bad(message: string, field: string, value: unknown, wanted: string): Error {
  return fail('BAD_OSDP_RECORD', `${message}: ${field} is ${String(value)}; it must be ${wanted}.`, {
    detail: { message, field, value },
  });
}

function wrongLength(message: string, length: number): Error {
  return fail('BAD_OSDP_RECORD', `${message} does not have ${length} bytes of data.`, {
    detail: { message, length },
  });
}

/** How the fields of one command or reply become bytes and come back. `Fields` is {} where it has none. */
export interface Layout<Fields> {
  readonly code: number;
  readonly write: (w: Writer, fields: Fields) => Writer;
  /** What is left over after it is an error. */
  readonly read: (c: Cursor) => Fields;
}

/** For messages without data. */
export const nothing = (code: number): Layout<object> => ({ code, write: (w) => w, read: () => ({}) });

/** For messages whose data this project does not look into. */
export const opaque = (code: number): Layout<{ readonly data: Uint8Array }> => ({
  code,
  write: (w, { data }) => w.bytes(data, 'data'),
  read: (c) => ({ data: c.rest() }),
});

/** One piece of a message that is longer than a frame. */
export interface Fragment {
  /** Bytes in the whole message. */
  readonly total: number;
  /** Where this piece lies in it. */
  readonly offset: number;
  readonly data: Uint8Array;
}

export const fragment = (code: number): Layout<Fragment> => ({
  code,
  write: (w, f) => w.u16(f.total, 'total').u16(f.offset, 'offset').u16(f.data.length, 'length').bytes(f.data, 'data'),
  read: (c) => ({ total: c.u16(), offset: c.u16(), data: c.bytes(c.u16()) }),
});
