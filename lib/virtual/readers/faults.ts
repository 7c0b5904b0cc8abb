import { COMMANDS, decodeFrame, MARK, REPLIES } from '../../osdp/index.ts';

/** Something that goes wrong on a virtual bus, once or more often. */
export interface BusFault {
  /** `lose`: nobody hears the frame. `damage`: everybody hears it with a wrong byte. */
  readonly kind: 'lose' | 'damage';
  /** Which way. */
  readonly direction: 'command' | 'reply';
  /** Only frames of this address; default all. */
  readonly address?: number;
  /** Only this command or reply, by its name: 'POLL', 'ACK'. Default all. */
  readonly name?: string;
  /** How many matching frames pass before it strikes. Default 0. */
  readonly after?: number;
  /** How often it strikes. Default 1. */
  readonly times?: number;
}

/** The faults that are set on a bus. */
export class BusFaults {
  #set: { fault: BusFault; after: number; left: number }[] = [];
  /** How many have struck. */
  struck = 0;

  add(fault: BusFault): void {
    this.#set.push({ fault, after: fault.after ?? 0, left: fault.times ?? 1 });
  }

  /** Nothing goes wrong any more. */
  clear(): void {
    this.#set = [];
  }

  /** What becomes of the bytes of one talk; null when nobody is to hear them. */
  strike(bytes: Uint8Array): Uint8Array | null {
    if (this.#set.length === 0) return bytes;
    const frame = decodeFrame(bytes.subarray(bytes[0] === MARK ? 1 : 0));
    if (typeof frame === 'string') return bytes;
    const codes: Readonly<Record<string, number>> = frame.reply ? REPLIES : COMMANDS;
    for (const one of this.#set) {
      const { fault } = one;
      if ((fault.direction === 'reply') !== frame.reply) continue;
      if (fault.address !== undefined && fault.address !== frame.address) continue;
      if (fault.name !== undefined && codes[fault.name] !== frame.code) continue;
      if (one.after-- > 0) continue;
      if (--one.left <= 0) this.#set = this.#set.filter((other) => other !== one);
      this.struck++;
      if (fault.kind === 'lose') return null;
      const out = bytes.slice();
      out[out.length - 3] = (out[out.length - 3] as number) ^ 0x10;
      return out;
    }
    return bytes;
  }
}
