/**
 * Telnet framing (RFC 854, 855) and the Com Port Control Option (RFC 2217), both directions, without any I/O.
 * The stream is taken to be BINARY (RFC 856) both ways: CR is data like any other byte.
 */

/** Telnet command bytes (RFC 854 "TELNET command structure"). */
export const telnet = {
  SE: 240,
  NOP: 241,
  BREAK: 243,
  ARE_YOU_THERE: 246,
  SB: 250,
  WILL: 251,
  WONT: 252,
  DO: 253,
  DONT: 254,
  IAC: 255,
} as const;

/** Telnet options that a serial port server uses. */
export const telnetOption = {
  /** RFC 856 */
  BINARY: 0,
  /** RFC 857 */
  ECHO: 1,
  /** RFC 858 */
  SUPPRESS_GO_AHEAD: 3,
  /** RFC 2217 */
  COM_PORT: 44,
} as const;

/** Commands of the Com Port option as the client sends them; the server answers with `+ SERVER_OFFSET`. */
export const comPort = {
  SIGNATURE: 0,
  SET_BAUDRATE: 1,
  SET_DATASIZE: 2,
  SET_PARITY: 3,
  SET_STOPSIZE: 4,
  SET_CONTROL: 5,
  NOTIFY_LINESTATE: 6,
  NOTIFY_MODEMSTATE: 7,
  FLOWCONTROL_SUSPEND: 8,
  FLOWCONTROL_RESUME: 9,
  SET_LINESTATE_MASK: 10,
  SET_MODEMSTATE_MASK: 11,
  PURGE_DATA: 12,
} as const;

/** What a server adds to the number of the command that it answers or of which it tells. */
export const SERVER_OFFSET = 100;

/** Values of SET_CONTROL. The `ASK_` values request the present setting. */
export const control = {
  ASK_FLOW: 0,
  FLOW_NONE: 1,
  FLOW_XON_XOFF: 2,
  FLOW_HARDWARE: 3,
  ASK_BREAK: 4,
  BREAK_ON: 5,
  BREAK_OFF: 6,
  ASK_DTR: 7,
  DTR_ON: 8,
  DTR_OFF: 9,
  ASK_RTS: 10,
  RTS_ON: 11,
  RTS_OFF: 12,
} as const;

/** Values of SET_PARITY; 0 asks for the present one. */
export const parity = { NONE: 1, ODD: 2, EVEN: 3, MARK: 4, SPACE: 5 } as const;
/** Values of SET_STOPSIZE; 0 asks for the present one. */
export const stopSize = { ONE: 1, TWO: 2, ONE_AND_HALF: 3 } as const;
/** Values of PURGE_DATA. `RECEIVE` is what the server has received from the device and not yet sent on. */
export const purge = { RECEIVE: 1, TRANSMIT: 2, BOTH: 3 } as const;

export type NegotiationVerb = 'will' | 'wont' | 'do' | 'dont';

/** What a telnet stream is made of, in order. `data` never holds an empty array. */
export type TelnetEvent =
  /** Bytes of the device, unescaped. May be a view of the chunk given to `push`. */
  | { type: 'data'; bytes: Uint8Array }
  | { type: 'negotiation'; verb: NegotiationVerb; option: number }
  /** IAC SB option body IAC SE, the body unescaped. */
  | { type: 'suboption'; option: number; body: Uint8Array }
  /** Any other command byte, for instance NOP. */
  | { type: 'command'; code: number };

/** Longest suboption body that is kept. RFC 2217 needs 5 bytes and a signature text. */
export const MAX_SUBOPTION = 1024;

const verbs: Readonly<Record<number, NegotiationVerb>> = {
  [telnet.WILL]: 'will',
  [telnet.WONT]: 'wont',
  [telnet.DO]: 'do',
  [telnet.DONT]: 'dont',
};
const verbCodes: Readonly<Record<NegotiationVerb, number>> = {
  will: telnet.WILL,
  wont: telnet.WONT,
  do: telnet.DO,
  dont: telnet.DONT,
};

type State = 'data' | 'iac' | 'verb' | 'suboption' | 'suboption-iac';

/**
 * Takes a telnet stream apart, in whatever chunks it arrives. Never throws: a suboption that is too long, is cut off
 * by another command, or names no option is counted in `discarded` and left out.
 */
export class TelnetParser {
  #state: State = 'data';
  #verb: NegotiationVerb = 'will';
  #suboption: number[] = [];
  #overlong = false;
  #discarded = 0;

  /** How many malformed suboptions were left out so far. */
  get discarded(): number {
    return this.#discarded;
  }

  push(chunk: Uint8Array): TelnetEvent[] {
    const events: TelnetEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'data') {
        const iac = chunk.indexOf(telnet.IAC, at);
        const end = iac < 0 ? chunk.length : iac;
        if (end > at) events.push({ type: 'data', bytes: chunk.subarray(at, end) });
        if (iac >= 0) this.#state = 'iac';
        at = end + 1;
      } else {
        this.#step(chunk[at] as number, events);
        at += 1;
      }
    }
    return joinData(events);
  }

  #step(byte: number, events: TelnetEvent[]): void {
    switch (this.#state) {
      case 'verb':
        this.#state = 'data';
        events.push({ type: 'negotiation', verb: this.#verb, option: byte });
        break;
      case 'suboption':
        if (byte === telnet.IAC) this.#state = 'suboption-iac';
        else this.#keep(byte);
        break;
      case 'suboption-iac':
        this.#inSuboptionAfterIac(byte, events);
        break;
      default:
        this.#afterIac(byte, events);
    }
  }

  #afterIac(byte: number, events: TelnetEvent[]): void {
    const verb = verbs[byte];
    this.#state = 'data';
    if (byte === telnet.IAC) {
      events.push({ type: 'data', bytes: Uint8Array.of(telnet.IAC) });
    } else if (verb !== undefined) {
      this.#verb = verb;
      this.#state = 'verb';
    } else if (byte === telnet.SB) {
      this.#suboption = [];
      this.#overlong = false;
      this.#state = 'suboption';
    } else {
      events.push({ type: 'command', code: byte });
    }
  }

  #inSuboptionAfterIac(byte: number, events: TelnetEvent[]): void {
    if (byte === telnet.IAC) {
      this.#state = 'suboption';
      this.#keep(byte);
      return;
    }
    if (byte !== telnet.SE) {
      // The sender lost its end mark: what follows is a command, read as one, so that the stream recovers.
      this.#discarded += 1;
      this.#afterIac(byte, events);
      return;
    }
    this.#state = 'data';
    const option = this.#suboption[0];
    if (option === undefined || this.#overlong) this.#discarded += 1;
    else events.push({ type: 'suboption', option, body: Uint8Array.from(this.#suboption.slice(1)) });
  }

  #keep(byte: number): void {
    if (this.#suboption.length <= MAX_SUBOPTION) this.#suboption.push(byte);
    else this.#overlong = true;
  }
}

/** An escaped 0xFF splits a run of data in three; the reader gets it whole. */
function joinData(events: TelnetEvent[]): TelnetEvent[] {
  const joined: TelnetEvent[] = [];
  let run: Uint8Array[] = [];
  const flush = (): void => {
    const first = run[0];
    if (first !== undefined) joined.push({ type: 'data', bytes: run.length === 1 ? first : concat(run) });
    run = [];
  };
  for (const event of events) {
    if (event.type === 'data') run.push(event.bytes);
    else {
      flush();
      joined.push(event);
    }
  }
  flush();
  return joined;
}

/** One array of all parts. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Doubles every 0xFF, for data and for suboption bodies. Gives the same array back when there is none. */
export function escapeIac(bytes: Uint8Array): Uint8Array {
  let at = bytes.indexOf(telnet.IAC);
  if (at < 0) return bytes;
  const parts: Uint8Array[] = [];
  let from = 0;
  while (at >= 0) {
    parts.push(bytes.subarray(from, at + 1));
    from = at;
    at = bytes.indexOf(telnet.IAC, at + 1);
  }
  parts.push(bytes.subarray(from));
  return concat(parts);
}

/** IAC WILL | WONT | DO | DONT option. */
export function encodeNegotiation(verb: NegotiationVerb, option: number): Uint8Array {
  return Uint8Array.of(telnet.IAC, verbCodes[verb], option);
}

/** IAC SB option body IAC SE. The body is escaped here. */
export function encodeSuboption(option: number, body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(telnet.IAC, telnet.SB, option), escapeIac(body), Uint8Array.of(telnet.IAC, telnet.SE)]);
}

/** A message of the Com Port option. */
export interface ComPortMessage {
  /** One of `comPort`, without the server's offset; unknown numbers are handed through. */
  command: number;
  /** Whether the number carried the server's offset. */
  fromServer: boolean;
  value: Uint8Array;
}

/**
 * A Com Port message, ready for the wire.
 *
 * @param value a byte, or the bytes. SET_BAUDRATE takes four, see `uint32`.
 * @example encodeComPort(comPort.SET_CONTROL, control.DTR_ON)
 * @example encodeComPort(comPort.SET_BAUDRATE, uint32(115200), { fromServer: true })
 */
export function encodeComPort(
  command: number,
  value: number | Uint8Array,
  options: { fromServer?: boolean } = {},
): Uint8Array {
  const code = command + (options.fromServer === true ? SERVER_OFFSET : 0);
  const bytes = typeof value === 'number' ? Uint8Array.of(value) : value;
  return encodeSuboption(telnetOption.COM_PORT, concat([Uint8Array.of(code), bytes]));
}

/** Reads the body of a suboption of COM_PORT; undefined when it is empty. */
export function decodeComPort(body: Uint8Array): ComPortMessage | undefined {
  const code = body[0];
  if (code === undefined) return undefined;
  const fromServer = code >= SERVER_OFFSET;
  return { command: fromServer ? code - SERVER_OFFSET : code, fromServer, value: body.subarray(1) };
}

/** Four bytes, most significant first, as SET_BAUDRATE carries them. */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The number in four bytes, most significant first; undefined when there are fewer. */
export function readUint32(bytes: Uint8Array): number | undefined {
  if (bytes.length < 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}
