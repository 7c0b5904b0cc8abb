import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { IConnackPacket, IConnectPacket, Packet } from 'mqtt-packet';
import { connectProblem, REASON } from './checks.ts';
import type { EndpointCode } from './errors.ts';
import { disconnect, encode } from './packets.ts';
import { Session } from './session.ts';
import { prefixOf } from './topics.ts';
import type {
  Admitted,
  CutBy,
  CutOrder,
  DeviceMessage,
  DeviceName,
  EndpointLimits,
  EndReason,
  NotAdmitted,
  Refusal,
  SessionInfo,
} from './types.ts';
import { Wire } from './wire.ts';

/** What a connection needs of its endpoint. */
export interface Host {
  readonly limits: EndpointLimits;
  readonly topicPrefix: string;
  readonly cutAtExpiry: boolean;
  readonly cadenceMs: number;
  /** For waits. */
  now(): number;
  /** ms since 1970. */
  time(): number;
  judged(der: Uint8Array | undefined): Promise<Admitted | NotAdmitted | Failed>;
  isRevoked(serial: string): boolean;
  used(verdict: Admitted): Promise<Failed | undefined>;
  /** Its certificate was read, and it may be cut from now on. */
  known(connection: Connection): void;
  /** It has a session: others of the device may have to go. */
  entered(connection: Connection): void;
  refused(refusal: Refusal): void;
  message(message: DeviceMessage): void;
  cut(connection: Connection, by: CutBy, code: string, reason: string): void;
  /** It is over; `reason` where it had a session. */
  left(connection: Connection, reason: EndReason | undefined): void;
  /** Its socket is closed. */
  gone(connection: Connection): void;
}

/** The judge could not say. */
export interface Failed {
  readonly ok: false;
  readonly code: 'JUDGE_FAILED';
  readonly text: string;
}

/** How long what was told to end may take to send its last bytes. */
const GOODBYE_MS = 2_000;

/**
 * One connection, from the handshake on. A certificate that does not hold is answered with nothing: the connection
 * closes. Once it held, and does not when CONNECT comes, the answer is "not authorized".
 */
export class Connection {
  readonly #host: Host;
  readonly #wire: Wire;
  readonly #der: Uint8Array | undefined;
  readonly #resumed: boolean;
  readonly #startedAt: number;
  readonly address: string;
  /** What the judge said last. */
  #admitted: Admitted | undefined;
  #session: Session | undefined;
  #state: 'judging' | 'connect' | 'connecting' | 'session' | 'over' = 'judging';
  #keepAliveMs = 0;
  #judgedAt = 0;
  #rejudging = false;
  #since = 0;
  #version: 4 | 5 = 4;
  clientId = '';

  constructor(host: Host, socket: TLSSocket, address: string) {
    this.#host = host;
    this.address = address;
    this.#startedAt = host.now();
    this.#resumed = socket.isSessionReused();
    this.#der = socket.getPeerX509Certificate()?.raw;
    this.#wire = new Wire(socket, {
      limits: host.limits,
      now: () => host.now(),
      onPacket: (packet) => this.#packet(packet),
      onProblem: ({ code, message }) => this.#broken(code, message, reasonOf(code)),
      onClose: () => {
        this.#end('connection lost', { will: true });
        host.gone(this);
      },
    });
  }

  /** The device, once its certificate was found good. */
  get device(): DeviceName | undefined {
    return this.#admitted;
  }

  get serial(): string {
    return this.#admitted?.serial ?? '';
  }

  get session(): Session | undefined {
    return this.#state === 'session' ? this.#session : undefined;
  }

  get info(): SessionInfo | undefined {
    const [admitted, session] = [this.#admitted, this.session];
    if (admitted === undefined || session === undefined) return undefined;
    const { namespace, mac, serial, notAfter } = admitted;
    const { filters: subscriptions, received, sent, version } = session;
    return {
      ...{ namespace, mac, serial, notAfter, subscriptions, received, sent, version },
      ...{ clientId: this.clientId, address: this.address, since: this.#since, resumed: this.#resumed },
    };
  }

  async start(): Promise<void> {
    const verdict = await this.#host.judged(this.#der);
    if (this.#state === 'over') return;
    if (!this.#holds(verdict)) {
      this.#refuse('handshake', verdict);
      this.#end('refused');
      return;
    }
    this.#admitted = verdict;
    this.#state = 'connect';
    this.#host.known(this);
    this.#wire.start();
  }

  /** What was said a moment ago may be no longer true. */
  #holds(verdict: Admitted | NotAdmitted | Failed): verdict is Admitted {
    return verdict.ok && !this.#host.isRevoked(verdict.serial);
  }

  #packet(packet: Packet): void {
    if (this.#state === 'session') this.#session?.packet(packet);
    else if (this.#state === 'connect') {
      if (packet.cmd !== 'connect') {
        this.#broken('CONNECT_EXPECTED', `The first packet was a ${packet.cmd.toUpperCase()}.`, 0);
        return;
      }
      this.#state = 'connecting';
      this.#wire.hold();
      void this.#connect(packet);
    }
  }

  async #connect(connect: IConnectPacket): Promise<void> {
    const known = this.#admitted as Admitted;
    this.#version = connect.protocolVersion === 5 ? 5 : 4;
    const prefix = prefixOf(this.#host.topicPrefix, known);
    const problem = connectProblem(connect, prefix);
    if (problem !== undefined) {
      this.#refuse('connect', { ok: false, code: problem.code, text: problem.message });
      this.#end('refused', { last: this.#connack(connect, problem.code311, problem.reason) });
      return;
    }
    const verdict = await this.#host.judged(this.#der);
    if (this.#state !== 'connecting') return;
    if (!this.#holds(verdict)) {
      this.#refuse('connect', verdict);
      this.#end('refused', { last: this.#connack(connect, 5, REASON.notAuthorized) });
      return;
    }
    this.#enter(connect, verdict, prefix);
    if (verdict.renewal) await this.#tellUsed(verdict);
  }

  /** Once it is in: what it was renewed from is cut then, and the device has been online all the time. */
  async #tellUsed(verdict: Admitted): Promise<void> {
    const problem = await this.#host.used(verdict);
    if (problem === undefined || this.#state !== 'session') return;
    this.#refuse('session', problem);
    this.#end('refused', this.#last(REASON.notAuthorized));
  }

  #enter(connect: IConnectPacket, verdict: Admitted, prefix: string): void {
    const host = this.#host;
    const assigned = connect.clientId === '' ? `auto-${randomBytes(8).toString('hex')}` : undefined;
    this.clientId = assigned ?? connect.clientId;
    this.#admitted = verdict;
    this.#judgedAt = host.now();
    this.#since = host.time();
    this.#keepAliveMs = (connect.keepalive ?? 0) * 1500;
    const { namespace, mac, serial } = verdict;
    this.#session = new Session({
      ...{ wire: this.#wire, connect, device: { namespace, mac }, serial, clientId: this.clientId, prefix },
      limits: host.limits,
      now: () => host.now(),
      onMessage: (message) => host.message(message),
      onRefused: (code, text) => this.#refuse('session', { ok: false, code, text }),
      onBroken: (code, message, reason) => this.#broken(code, message, reason),
      onDisconnect: () => this.#end('disconnected', { will: true }),
    });
    this.#state = 'session';
    host.entered(this);
    this.#wire.send(this.#connack(connect, 0, 0, assigned));
    this.#wire.release();
  }

  #connack(connect: IConnectPacket, code311: number, reason: number, assigned?: string): Buffer {
    if (this.#version === 4) return encode({ cmd: 'connack', sessionPresent: false, returnCode: code311 }, 4);
    const packet: IConnackPacket = { cmd: 'connack', sessionPresent: false, reasonCode: reason };
    if (reason === 0) {
      const { receiveMaximum, packetBytes } = this.#host.limits;
      packet.properties = {
        ...{ receiveMaximum, maximumPacketSize: packetBytes, retainAvailable: false },
        ...{ subscriptionIdentifiersAvailable: false, sharedSubscriptionAvailable: false },
        ...((connect.properties?.sessionExpiryInterval ?? 0) > 0 ? { sessionExpiryInterval: 0 } : {}),
        ...(assigned === undefined ? {} : { assignedClientIdentifier: assigned }),
      };
    }
    return encode(packet, 5);
  }

  #refuse(at: Refusal['at'], what: Admitted | NotAdmitted | Failed): void {
    const said: NotAdmitted = what.ok
      ? { ...what, ok: false, code: 'CERT_REVOKED', text: 'The certificate is revoked.' }
      : what;
    const known = this.#admitted;
    this.#host.refused({
      code: said.code,
      message: said.text,
      address: this.address,
      at,
      namespace: known?.namespace ?? said.namespace ?? null,
      mac: known?.mac ?? said.mac ?? null,
      serial: known?.serial ?? said.serial ?? null,
    });
  }

  /** What the peer sent cannot be gone on with. */
  #broken(code: EndpointCode, message: string, reason: number): void {
    if (this.#state === 'over') return;
    const inSession = this.#state === 'session';
    this.#refuse(inSession ? 'session' : 'connect', { ok: false, code, text: message });
    this.#end('refused', { will: true, ...(inSession ? this.#last(reason) : {}) });
  }

  /** The DISCONNECT of MQTT 5. */
  #last(reason: number): { last?: Buffer } {
    return this.#version === 5 ? { last: disconnect(reason) } : {};
  }

  takenOver(): void {
    this.#end('taken over', { will: true, ...this.#last(REASON.takenOver) });
  }

  endpointClosed(): void {
    this.#end('endpoint closed', this.#state === 'session' ? this.#last(REASON.shuttingDown) : {});
  }

  /** Its certificate holds no longer. The will of a device that is no longer trusted is not believed either. */
  cut(by: CutBy, code: string, reason: string): void {
    if (this.#state === 'over' || this.#admitted === undefined) return;
    this.#host.cut(this, by, code, reason);
    const will = (by === 'expiry' || by === 'request') && !this.#host.isRevoked(this.serial);
    const last = this.#state === 'session' ? this.#last(REASON.notAuthorized) : {};
    this.#end(by === 'expiry' ? 'expired' : 'cut', { will, ...last });
  }

  /** Whether an order of the judge means this connection. */
  isMeant({ serials }: CutOrder): boolean {
    return serials === null || serials.includes(this.serial);
  }

  #end(reason: EndReason, how: { will?: boolean; last?: Buffer } = {}): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const session = this.#session;
    this.#wire.end(how.last);
    session?.close(how.will === true);
    this.#host.left(this, session === undefined ? undefined : reason);
  }

  /** Looks what is due. @returns whether its certificate is to be judged again */
  sweep(now: number, time: number): boolean {
    const { limits, cutAtExpiry, cadenceMs } = this.#host;
    const wire = this.#wire;
    if (this.#state === 'over') {
      if (now - (wire.endedAt ?? 0) > GOODBYE_MS) wire.destroy();
      return false;
    }
    if (this.#state !== 'session') {
      if (now - this.#startedAt > limits.connectMs) this.#broken('CONNECT_TIMEOUT', 'No CONNECT came in time.', 0);
      return false;
    }
    if (cutAtExpiry && time >= (this.#admitted?.notAfter ?? 0)) {
      this.cut('expiry', 'CERT_EXPIRED', 'The time of the certificate is over.');
    } else if (wire.stalledSince !== undefined && now - wire.stalledSince > limits.stallMs) {
      this.#lost('NOT_READING', `${wire.backlog} bytes wait for the device.`, 'not reading');
    } else if (this.#keepAliveMs > 0 && now - wire.heardAt > this.#keepAliveMs) {
      this.#lost('KEEP_ALIVE', `Nothing came for ${this.#keepAliveMs / 1000} s.`, 'keep alive');
    } else {
      this.#session?.sweep();
      return !this.#rejudging && now - this.#judgedAt >= cadenceMs;
    }
    return false;
  }

  #lost(code: EndpointCode, text: string, reason: EndReason): void {
    this.#refuse('session', { ok: false, code, text });
    this.#end(reason, { will: true, ...(reason === 'keep alive' ? this.#last(REASON.keepAlive) : {}) });
  }

  /** Once a cadence. Where the judge cannot say, the session stays. */
  async judgeAgain(): Promise<void> {
    this.#rejudging = true;
    const verdict = await this.#host.judged(this.#der);
    this.#rejudging = false;
    this.#judgedAt = this.#host.now();
    if (this.#state !== 'session') return;
    if (verdict.ok) this.#admitted = verdict;
    else if (verdict.code !== 'JUDGE_FAILED' && !(verdict.code === 'CERT_EXPIRED' && !this.#host.cutAtExpiry)) {
      this.cut(verdict.code === 'CERT_EXPIRED' ? 'expiry' : 'cadence', verdict.code, verdict.text);
    }
  }
}

function reasonOf(code: EndpointCode): number {
  if (code === 'PACKET_TOO_LARGE') return REASON.packetTooLarge;
  return code === 'MALFORMED_PACKET' ? REASON.malformed : REASON.protocolError;
}
