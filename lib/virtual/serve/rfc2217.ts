import type { Socket } from 'node:net';
import { type ControlLines, rfc2217 } from '../../link/index.ts';
import type { Cable } from './cable.ts';
import { type ListenOptions, listen, type Service } from './listen.ts';
import { RemoteEnd } from './remote-end.ts';
import { LineShaper } from './shaper.ts';

const { comPort, control, telnetOption } = rfc2217;

const SUPPORTED: ReadonlySet<number> = new Set([
  telnetOption.BINARY,
  telnetOption.SUPPRESS_GO_AHEAD,
  telnetOption.COM_PORT,
]);
const SIGNATURE = new TextEncoder().encode('Keyway virtual bench');
const DEFAULT_BAUD = 115200;
/** What a server tells of the modem lines of a bench without a modem: CTS and DSR on. */
const MODEM_STATE = 0x30;

/**
 * Serves a socket's cable as an RFC 2217 port: rate and both control lines reach the chip. One client at a time; a
 * second one is hung up on.
 *
 * @throws LISTEN_FAILED
 */
export function serveRfc2217(cable: Cable, options: ListenOptions): Promise<Service> {
  return listen(cable, 'rfc2217', options, (connection) => {
    const session = new Session(connection);
    connection.on('close', () => session.end.ended());
    cable.attach(session.end);
  });
}

/** One client of an RFC 2217 server. */
class Session {
  readonly end: RemoteEnd;
  readonly #connection: Socket;
  readonly #parser = new rfc2217.TelnetParser();
  readonly #shaper: LineShaper;
  readonly #agreed = new Map<string, boolean>();
  /** As the client last set them, whether or not the chip sees them yet. */
  #lines: ControlLines = { dtr: false, rts: false };
  /** Settings of 8N1 that nobody on the bench looks at, by command. */
  readonly #settings = new Map<number, number>([
    [comPort.SET_DATASIZE, 8],
    [comPort.SET_PARITY, rfc2217.parity.NONE],
    [comPort.SET_STOPSIZE, rfc2217.stopSize.ONE],
  ]);
  #flow: number = control.FLOW_NONE;
  #break: number = control.BREAK_OFF;

  constructor(connection: Socket) {
    this.#connection = connection;
    this.end = new RemoteEnd({
      send: (bytes) => connection.write(rfc2217.escapeIac(bytes)),
      hangUp: () => connection.destroy(),
      baudRate: DEFAULT_BAUD,
    });
    this.#shaper = new LineShaper((lines) => this.end.setLines(lines));
    this.end.onClose(() => this.#shaper.close());
    connection.on('data', (chunk) => this.#received(chunk));
  }

  #received(chunk: Uint8Array): void {
    const before = this.#lines;
    for (const event of this.#parser.push(chunk)) {
      if (event.type === 'negotiation') this.#negotiate(event.verb, event.option);
      else if (event.type === 'suboption' && event.option === telnetOption.COM_PORT) this.#comPort(event.body);
      else if (event.type === 'data') {
        this.#shape(before);
        this.end.received(event.bytes);
      }
    }
    this.#shape(before);
  }

  /** Lines that were set in one segment change in one step. */
  #shape(before: ControlLines): void {
    if (before !== this.#lines) this.#shaper.set(this.#lines);
  }

  #negotiate(verb: rfc2217.NegotiationVerb, option: number): void {
    const asked = verb === 'do' || verb === 'will';
    const yes = asked && SUPPORTED.has(option);
    const side = verb === 'do' || verb === 'dont' ? 'we' : 'they';
    const key = `${side} ${option}`;
    if (this.#agreed.get(key) === yes || (!asked && this.#agreed.get(key) === undefined)) return;
    this.#agreed.set(key, yes);
    const answer = side === 'we' ? (yes ? 'will' : 'wont') : yes ? 'do' : 'dont';
    this.#connection.write(rfc2217.encodeNegotiation(answer, option));
  }

  #comPort(body: Uint8Array): void {
    const message = rfc2217.decodeComPort(body);
    if (message === undefined || message.fromServer) return;
    const { command, value } = message;
    switch (command) {
      case comPort.SIGNATURE:
        if (value.length === 0) this.#answer(command, SIGNATURE);
        return;
      case comPort.SET_BAUDRATE: {
        const baud = rfc2217.readUint32(value) ?? 0;
        if (baud > 0) this.end.setBaudRate(baud);
        this.#answer(command, rfc2217.uint32(this.end.baudRate ?? DEFAULT_BAUD));
        return;
      }
      case comPort.SET_DATASIZE:
      case comPort.SET_PARITY:
      case comPort.SET_STOPSIZE:
        if ((value[0] ?? 0) !== 0) this.#settings.set(command, value[0] as number);
        this.#answer(command, this.#settings.get(command) ?? 0);
        return;
      case comPort.SET_CONTROL:
        this.#answer(command, this.#control(value[0] ?? 0));
        return;
      case comPort.NOTIFY_MODEMSTATE:
        this.#answer(command, MODEM_STATE);
        return;
      case comPort.NOTIFY_LINESTATE:
        this.#answer(command, 0);
        return;
      case comPort.FLOWCONTROL_SUSPEND:
      case comPort.FLOWCONTROL_RESUME:
        return;
      default:
        // PURGE_DATA and the masks: nothing is kept back here, so there is nothing to purge or to mask.
        this.#answer(command, value);
    }
  }

  #control(value: number): number {
    switch (value) {
      case control.DTR_ON:
      case control.DTR_OFF:
        this.#lines = { ...this.#lines, dtr: value === control.DTR_ON };
        return value;
      case control.RTS_ON:
      case control.RTS_OFF:
        this.#lines = { ...this.#lines, rts: value === control.RTS_ON };
        return value;
      case control.ASK_DTR:
        return this.#lines.dtr ? control.DTR_ON : control.DTR_OFF;
      case control.ASK_RTS:
        return this.#lines.rts ? control.RTS_ON : control.RTS_OFF;
      case control.BREAK_ON:
      case control.BREAK_OFF:
        this.#break = value;
        return value;
      case control.ASK_BREAK:
        return this.#break;
      case control.ASK_FLOW:
        return this.#flow;
      case control.FLOW_NONE:
      case control.FLOW_XON_XOFF:
      case control.FLOW_HARDWARE:
        this.#flow = value;
        return value;
      default:
        return value;
    }
  }

  #answer(command: number, value: number | Uint8Array): void {
    this.#connection.write(rfc2217.encodeComPort(command, value, { fromServer: true }));
  }
}
