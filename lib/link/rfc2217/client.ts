import type net from 'node:net';
import { isKeywayError } from '../../errors/index.ts';
import { fail } from '../errors.ts';
import type { ControlLines, Link, LinkInfo } from '../link.ts';
import { cancelledError, type OpenRequest } from '../opening.ts';
import { connectSocket, SocketLink, unreachable } from '../socket.ts';
import {
  type ComPortMessage,
  comPort,
  concat,
  control,
  decodeComPort,
  encodeComPort,
  encodeNegotiation,
  escapeIac,
  type NegotiationVerb,
  parity,
  purge,
  readUint32,
  stopSize,
  TelnetParser,
  telnetOption,
  uint32,
} from './codec.ts';

/** How long a server may take to acknowledge a change once the port is open. */
const ACKNOWLEDGE_MS = 3000;
/** A server answers SET_BAUDRATE with the rate it got: a divider rounds, a refusal is far off. */
const BAUD_TOLERANCE = 0.03;

/**
 * Opens a port of an RFC 2217 server: 8N1, no flow control, both lines released, old bytes purged.
 *
 * @throws PORT_UNREACHABLE when nobody answers or the server does not do RFC 2217; PORT_FAILED when it refuses a
 * setting; CANCELLED.
 */
export async function openRfc2217(host: string, port: number, isLocal: boolean, request: OpenRequest): Promise<Link> {
  const started = performance.now();
  const socket = await connectSocket(host, port, request);
  const link = new Rfc2217Link(socket, request, isLocal);
  const left = Math.max(1, request.timeoutMs - (performance.now() - started));
  try {
    await link.negotiate(left, request);
    return link;
  } catch (error) {
    await link.close();
    if (!isKeywayError(error, 'PORT_GONE')) throw error;
    throw unreachable(
      request,
      'closed the connection before it agreed: it serves somebody else, or is no RFC 2217 server',
      error,
    );
  }
}

/** Who waits for the server's answer to which command. `judge`: true = done, false = refused, undefined = not mine. */
interface Waiter {
  readonly command: number;
  readonly judge: (value: Uint8Array) => boolean | undefined;
  readonly settle: (error: Error | undefined) => void;
}

interface Change {
  readonly command: number;
  readonly value: number | Uint8Array;
  /** For the message of a refusal: "921600 baud". */
  readonly what: string;
  readonly judge: Waiter['judge'];
}

class Rfc2217Link extends SocketLink {
  readonly info: LinkInfo;
  readonly #acknowledgeMs: number;
  readonly #parser = new TelnetParser();
  readonly #waiters = new Set<Waiter>();
  /** Options that were refused once: a refusal is not repeated, or two stubborn sides would argue for ever. */
  readonly #refused = new Set<string>();
  #onNegotiation: ((verb: NegotiationVerb, option: number) => void) | undefined;
  #suspended: { readonly over: Promise<void>; readonly resume: () => void } | undefined;

  constructor(socket: net.Socket, request: OpenRequest, isLocal: boolean) {
    super(socket, request.baudRate);
    this.#acknowledgeMs = Math.min(ACKNOWLEDGE_MS, request.timeoutMs);
    this.info = {
      address: request.address,
      kind: 'rfc2217',
      name: request.name,
      hasControlLines: true,
      hasBaudControl: true,
      isLocal,
    };
  }

  /** Agrees on the options and sets the port up. */
  async negotiate(timeoutMs: number, request: OpenRequest): Promise<void> {
    const agreed = this.#agree(request);
    const hello = concat([
      encodeNegotiation('will', telnetOption.BINARY),
      encodeNegotiation('do', telnetOption.BINARY),
      encodeNegotiation('will', telnetOption.SUPPRESS_GO_AHEAD),
      encodeNegotiation('do', telnetOption.SUPPRESS_GO_AHEAD),
      encodeNegotiation('will', telnetOption.COM_PORT),
    ]);
    const setUp = async (): Promise<void> => {
      await Promise.all([this.send(hello), agreed]);
      await this.#change(
        [
          baudChange(request.baudRate),
          exactChange(comPort.SET_DATASIZE, 8, '8 data bits'),
          exactChange(comPort.SET_PARITY, parity.NONE, 'no parity'),
          exactChange(comPort.SET_STOPSIZE, stopSize.ONE, 'one stop bit'),
          ...lineChanges({ dtr: false, rts: false }),
        ],
        timeoutMs,
        // Not every server answers these: they are sent along, and nobody waits.
        [
          encodeComPort(comPort.SET_LINESTATE_MASK, 0),
          encodeComPort(comPort.SET_MODEMSTATE_MASK, 0),
          encodeComPort(comPort.SET_CONTROL, control.FLOW_NONE),
          encodeComPort(comPort.PURGE_DATA, purge.BOTH),
        ],
      );
    };
    try {
      await within(setUp(), timeoutMs, request);
    } finally {
      this.#onNegotiation = undefined;
    }
  }

  protected received(chunk: Uint8Array): void {
    for (const event of this.#parser.push(chunk)) {
      if (event.type === 'data') this.emitData(event.bytes);
      else if (event.type === 'negotiation') this.#negotiated(event.verb, event.option);
      else if (event.type === 'suboption' && event.option === telnetOption.COM_PORT) {
        const message = decodeComPort(event.body);
        if (message !== undefined) this.#told(message);
      }
    }
  }

  protected async doWrite(bytes: Uint8Array): Promise<void> {
    while (this.#suspended !== undefined) await this.untilEnd(this.#suspended.over);
    await this.send(escapeIac(bytes));
  }

  protected doSetLines(lines: ControlLines): Promise<void> {
    return this.#change(lineChanges(lines), this.#acknowledgeMs);
  }

  protected doSetBaudRate(baudRate: number): Promise<void> {
    return this.#change([baudChange(baudRate)], this.#acknowledgeMs);
  }

  /** Resolves once the server does the Com Port option; rejects when it declines that or 8-bit data. */
  #agree(request: OpenRequest): Promise<void> {
    const agreed = new Promise<void>((resolve, reject) => {
      this.#onNegotiation = (verb, option) => {
        if (option === telnetOption.COM_PORT && verb === 'do') resolve();
        if (option === telnetOption.COM_PORT && verb === 'dont') {
          reject(unreachable(request, 'is no RFC 2217 server: it declines the Com Port option'));
        }
        if (option === telnetOption.BINARY && (verb === 'dont' || verb === 'wont')) {
          reject(unreachable(request, 'declines to carry 8-bit data (telnet option BINARY)'));
        }
      };
    });
    return this.untilEnd(agreed);
  }

  #negotiated(verb: NegotiationVerb, option: number): void {
    this.#onNegotiation?.(verb, option);
    if (verb !== 'do' && verb !== 'will') return;
    const asked = option === telnetOption.BINARY || option === telnetOption.SUPPRESS_GO_AHEAD;
    // These were offered by us: the server's word is the answer, and gets none.
    if (asked || option === telnetOption.COM_PORT) return;
    const answer = verb === 'do' ? 'wont' : 'dont';
    const key = `${answer} ${option}`;
    if (this.#refused.has(key)) return;
    this.#refused.add(key);
    this.send(encodeNegotiation(answer, option)).catch(() => undefined);
  }

  #told({ command, fromServer, value }: ComPortMessage): void {
    if (command === comPort.FLOWCONTROL_SUSPEND) this.#suspend();
    else if (command === comPort.FLOWCONTROL_RESUME) this.#resume();
    if (!fromServer) return;
    for (const waiter of this.#waiters) {
      if (waiter.command !== command) continue;
      const verdict = waiter.judge(value);
      if (verdict === undefined) continue;
      this.#waiters.delete(waiter);
      waiter.settle(verdict ? undefined : new Error(`answered ${[...value].join(' ')}`));
      return;
    }
  }

  #suspend(): void {
    if (this.#suspended !== undefined) return;
    let resume = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      resume = resolve;
    });
    this.#suspended = { over, resume };
  }

  #resume(): void {
    this.#suspended?.resume();
    this.#suspended = undefined;
  }

  /** Sends all changes in one segment and waits until the server has acknowledged each. */
  async #change(changes: readonly Change[], timeoutMs: number, along: readonly Uint8Array[] = []): Promise<void> {
    const waiters: Waiter[] = [];
    const acknowledged = changes.map(
      (change) =>
        new Promise<void>((resolve, reject) => {
          const waiter: Waiter = {
            command: change.command,
            judge: change.judge,
            settle: (error) => {
              if (error === undefined) resolve();
              else reject(this.#refusal(change, error));
            },
          };
          waiters.push(waiter);
          this.#waiters.add(waiter);
        }),
    );
    const timer = setTimeout(() => {
      for (const waiter of waiters) waiter.settle(new Error(`no acknowledgement within ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
    try {
      const frames = changes.map((change) => encodeComPort(change.command, change.value));
      await this.untilEnd(Promise.all([this.send(concat([...along, ...frames])), ...acknowledged]));
    } finally {
      clearTimeout(timer);
      for (const waiter of waiters) this.#waiters.delete(waiter);
    }
  }

  #refusal(change: Change, cause: Error): Error {
    return fail(
      'PORT_FAILED',
      `The port server at ${this.info.address} did not set ${change.what}: ${cause.message}.`,
      {
        hint: 'Check the settings and the log of the port server.',
        detail: { address: this.info.address, command: change.command },
        cause,
      },
    );
  }
}

function baudChange(baudRate: number): Change {
  return {
    command: comPort.SET_BAUDRATE,
    value: uint32(baudRate),
    what: `${baudRate} baud`,
    judge: (value) => {
      const actual = readUint32(value);
      return actual !== undefined && Math.abs(actual - baudRate) <= baudRate * BAUD_TOLERANCE;
    },
  };
}

function exactChange(command: number, wanted: number, what: string): Change {
  return { command, value: wanted, what, judge: (value) => value[0] === wanted };
}

/**
 * Both lines, in the order that never passes through "RTS without DTR": on a board with the usual reset circuit
 * that would be a reset.
 */
function lineChanges(lines: ControlLines): Change[] {
  const dtr = lineChange(lines.dtr, control.DTR_ON, control.DTR_OFF, 'DTR');
  const rts = lineChange(lines.rts, control.RTS_ON, control.RTS_OFF, 'RTS');
  return lines.dtr ? [dtr, rts] : [rts, dtr];
}

function lineChange(on: boolean, onValue: number, offValue: number, line: string): Change {
  const wanted = on ? onValue : offValue;
  return {
    command: comPort.SET_CONTROL,
    value: wanted,
    what: `${line} ${on ? 'on' : 'off'}`,
    judge: ([value]) => (value === wanted ? true : value === onValue || value === offValue ? false : undefined),
  };
}

/** @throws PORT_UNREACHABLE when the time is over, CANCELLED. */
function within(work: Promise<void>, timeoutMs: number, request: OpenRequest): Promise<void> {
  const { signal } = request;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      if (signal !== undefined) reject(cancelledError(request.address, signal));
    };
    const timer = setTimeout(
      () => reject(unreachable(request, `does not answer as an RFC 2217 server within ${request.timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) onAbort();
    void work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    });
  });
}
