import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { codeOf } from '../errors/index.ts';
import { normaliseMac } from '../pki/index.ts';
import { checkOutgoing } from './checks.ts';
import { type Clock, realClock } from './clock.ts';
import { Connection, type Failed, type Host } from './connection.ts';
import { fail } from './errors.ts';
import { FoldedAudit } from './fold.ts';
import { Listener } from './listener.ts';
import { readSettings, type Settings } from './settings.ts';
import { prefixOf, TOPIC_MOST } from './topics.ts';
import type {
  Admitted,
  CutBy,
  CutOrder,
  DeviceName,
  EndpointEvents,
  EndpointOptions,
  EndpointTls,
  EndReason,
  Judge,
  OutgoingMessage,
  Presence,
  Refusal,
  SessionInfo,
} from './types.ts';

/** How often connections are looked at. */
const SWEEP_MS = 1_000;
/** Sessions that are judged again at a time. */
const JUDGED_AT_ONCE = 16;
/** The same trouble is told again after so long. */
const TROUBLE_MS = 10_000;
const TROUBLES_MOST = 100;

/**
 * An MQTT endpoint (3.1.1 and 5) for devices over mutual TLS. Each device speaks under topics of its own with whoever
 * listens to `message`, and gets what is published to it; devices do not hear each other, nothing is retained and no
 * session outlives its connection. `judge` decides on every connection, resumed TLS sessions too, again at CONNECT, and
 * once a cadence while a session lasts; what it tells to cut is cut at once.
 *
 * A refused client learns nothing: where the certificate does not hold its connection closes without a byte, later it
 * gets "not authorized". Codes and reasons are in `refused`, in `cut` and in the audit log.
 */
export class DeviceEndpoint extends EventEmitter<EndpointEvents> {
  readonly #settings: Settings;
  readonly #judge: Judge;
  readonly #clock: Clock;
  readonly #time: () => number;
  readonly #audit: FoldedAudit;
  readonly #presence: Presence | undefined;
  readonly #listener: Listener;
  readonly #host: Host;
  readonly #connections = new Set<Connection>();
  /** Those whose device is known, oldest first. */
  readonly #ofDevice = new Map<string, Set<Connection>>();
  readonly #troubleAt = new Map<string, number>();
  readonly #toJudge = new Set<Connection>();
  #judging = 0;
  #stopSweep: (() => void) | undefined;
  #stopCuts: (() => void) | undefined;
  #state: 'new' | 'open' | 'closed' = 'new';

  /** @throws BAD_SETTINGS, BAD_TLS */
  constructor(options: EndpointOptions) {
    super();
    const settings = readSettings(options);
    this.#settings = settings;
    this.#judge = options.judge;
    this.#clock = options.clock ?? realClock;
    this.#time = options.time ?? Date.now;
    this.#presence = options.presence;
    this.#audit = new FoldedAudit(options.audit, this.#clock, (error) => this.#trouble(error));
    this.#listener = new Listener({
      ...{ host: settings.host, port: settings.port, limits: settings.limits, tls: options.tls },
      onSecure: (socket, address) => this.#secure(socket, address),
      onRefused: (at, code, message, address) =>
        this.#refused({ at, code, message, address, namespace: null, mac: null, serial: null }),
      onTrouble: (error) => this.#trouble(error),
    });
    this.#host = this.#hostFor(settings, options.namespace);
  }

  #hostFor({ limits, topicPrefix, cutAtExpiry, cadenceMs }: Settings, namespace: string | undefined): Host {
    const request = { use: 'endpoint', ...(namespace === undefined ? {} : { namespace }) } as const;
    return {
      ...{ limits, topicPrefix, cutAtExpiry },
      // They are looked at once in so long: nobody is to live longer than a cadence.
      cadenceMs: cadenceMs - SWEEP_MS,
      now: () => this.#clock.now(),
      time: this.#time,
      judged: async (der) => {
        try {
          return await this.#judge.certificate(der, request);
        } catch (error) {
          return this.#judgeFailed(error);
        }
      },
      isRevoked: (serial) => this.#judge.isRevoked(serial),
      used: (verdict) => this.#used(verdict),
      known: (connection) => this.#known(connection),
      entered: (connection) => this.#entered(connection),
      refused: (refusal) => this.#refused(refusal),
      message: (message) => this.#tell('message', message),
      cut: (connection, by, code, reason) => this.#wasCut(connection, by, code, reason),
      left: (connection, reason) => this.#left(connection, reason),
      gone: (connection) => this.#connections.delete(connection),
    };
  }

  /** @throws PORT_IN_USE, PORT_DENIED, LISTEN_FAILED, ENDPOINT_CLOSED */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    if (this.#state !== 'new') throw closed('It cannot listen again.');
    this.#state = 'open';
    const where = await this.#listener.listen().catch((error: unknown) => {
      this.#state = 'new';
      throw error;
    });
    if (this.#settings.cutNow) this.#stopCuts = this.#judge.onCut((order) => this.#cutNow(order));
    this.#sweepLater();
    this.#audit.write({ action: 'endpoint.listening', detail: { ...where } });
    return where;
  }

  /** Ends every session; resolves when all is closed and written. */
  async close(): Promise<void> {
    const was = this.#state;
    this.#state = 'closed';
    this.#listener.stop();
    this.#stopCuts?.();
    this.#stopSweep?.();
    this.#toJudge.clear();
    for (const connection of this.#connections) connection.endpointClosed();
    await this.#listener.close();
    await this.#presence?.close();
    if (was === 'open') this.#audit.write({ action: 'endpoint.closed' });
    await this.#audit.close();
  }

  /** Another certificate for handshakes from now on; open sessions stay. @throws BAD_TLS */
  setSecureContext(tls: EndpointTls): void {
    this.#listener.setSecureContext(tls);
    this.#audit.write({ action: 'endpoint.certificate' });
  }

  sessions(): SessionInfo[] {
    return [...this.#connections].flatMap(({ info }) => info ?? []);
  }

  /**
   * Sends to a device that is connected and subscribed. 'sent': QoS 0, given to the connection; 'acknowledged': the
   * device has it. It settles when the session ends at the latest.
   * @throws BAD_MAC, BAD_TOPIC, BAD_MESSAGE, DEVICE_OFFLINE, NOT_SUBSCRIBED, PACKET_TOO_LARGE, QUEUE_FULL,
   * MESSAGE_EXPIRED, MESSAGE_REFUSED
   */
  async publish(message: OutgoingMessage): Promise<'sent' | 'acknowledged'> {
    checkOutgoing(message);
    const device = { namespace: message.namespace, mac: normaliseMac(message.mac) };
    const name = nameOf(device);
    const fullTopic = prefixOf(this.#settings.topicPrefix, device) + message.topic;
    if (Buffer.byteLength(fullTopic) > TOPIC_MOST) {
      throw fail('BAD_TOPIC', `The topic has more than ${TOPIC_MOST} bytes.`, {
        hint: 'Use a shorter one.',
        detail: { field: 'topic' },
      });
    }
    const sessions = this.#sessionsOf(device);
    if (sessions.length === 0) {
      throw fail('DEVICE_OFFLINE', `${name} has no session.`, {
        hint: 'Send the message when the device is online.',
        detail: { field: 'mac', outcome: 'not sent' },
      });
    }
    const takers = sessions.flatMap((session) => {
      const qos = session.qosOf(fullTopic);
      return qos === undefined ? [] : [{ session, qos }];
    });
    if (takers.length === 0) {
      throw fail('NOT_SUBSCRIBED', `${name} has not subscribed to ${JSON.stringify(fullTopic)}.`, {
        hint: 'Use a topic that the device subscribes to.',
        detail: { field: 'topic', value: message.topic },
      });
    }
    const results = takers.map(async ({ session, qos }) => session.publish(fullTopic, message, qos));
    const first = await Promise.any(results).catch(() => undefined);
    return first ?? (await (results[0] as Promise<'sent' | 'acknowledged'>));
  }

  /** Ends all connections of a device. It may come back as long as its certificate holds. @returns how many */
  cut(device: DeviceName, reason: string): number {
    const own = { namespace: device.namespace, mac: normaliseMac(device.mac) };
    const found = [...(this.#ofDevice.get(nameOf(own)) ?? [])];
    for (const connection of found) connection.cut('request', 'CUT_REQUESTED', reason);
    return found.length;
  }

  isOnline(device: DeviceName): boolean {
    return this.#sessionsOf(device).length > 0;
  }

  #sessionsOf(device: DeviceName) {
    return [...(this.#ofDevice.get(nameOf(device)) ?? [])].flatMap(({ session }) => session ?? []);
  }

  #secure(socket: TLSSocket, address: string): void {
    const connection = new Connection(this.#host, socket, address);
    this.#connections.add(connection);
    void connection.start();
  }

  #judgeFailed(error: unknown): Failed {
    const text = `The judge failed: ${codeOf(error)}.`;
    this.#trouble(
      fail('JUDGE_FAILED', text, { hint: 'Look after the registry: until it answers nobody comes in.', cause: error }),
    );
    return { ok: false, code: 'JUDGE_FAILED', text };
  }

  async #used(verdict: Admitted): Promise<Failed | undefined> {
    try {
      await this.#judge.used(verdict);
      return undefined;
    } catch (error) {
      return this.#judgeFailed(error);
    }
  }

  #known(connection: Connection): void {
    if (connection.device === undefined) return;
    const name = nameOf(connection.device);
    const all = this.#ofDevice.get(name);
    if (all === undefined) this.#ofDevice.set(name, new Set([connection]));
    else all.add(connection);
  }

  #entered(connection: Connection): void {
    const { device, clientId, serial, address } = connection;
    if (device === undefined) return;
    const others = [...(this.#ofDevice.get(nameOf(device)) ?? [])].filter(
      (other) => other !== connection && other.session !== undefined,
    );
    const same = others.filter((other) => other.clientId === clientId);
    const rest = others.filter((other) => other.clientId !== clientId);
    const surplus = rest.length + 1 - this.#settings.limits.sessionsPerDevice;
    for (const other of [...same, ...rest.slice(0, Math.max(0, surplus))]) other.takenOver();
    if (others.length > 0) return;
    const { namespace, mac } = device;
    this.#presence?.online({ namespace, mac });
    this.#tell('online', { namespace, mac, serial, clientId, address });
  }

  #left(connection: Connection, reason: EndReason | undefined): void {
    this.#toJudge.delete(connection);
    const { device, serial, clientId } = connection;
    if (device === undefined) return;
    const name = nameOf(device);
    const all = this.#ofDevice.get(name);
    all?.delete(connection);
    if (all?.size === 0) this.#ofDevice.delete(name);
    if (reason === undefined || this.#sessionsOf(device).length > 0) return;
    const { namespace, mac } = device;
    this.#presence?.offline({ namespace, mac }, reason);
    this.#tell('offline', { namespace, mac, serial, clientId, reason });
  }

  #refused(refusal: Refusal): void {
    const { code, message, address, at, namespace, mac, serial } = refusal;
    const from = address.replace(/:\d+$/, '');
    const device = mac === null ? {} : { device: mac };
    this.#audit.fold(`${code} ${at} ${serial ?? from}`, {
      action: 'endpoint.refused',
      // What an unknown certificate says need not be well formed.
      namespace: namespace !== null && /^[A-Za-z0-9._-]{1,51}$/.test(namespace) ? namespace : null,
      subject: serial?.slice(0, 64) ?? from,
      outcome: 'denied',
      detail: { code, at, address, message: message.slice(0, 512).toWellFormed(), ...device },
    });
    this.#tell('refused', refusal);
  }

  #wasCut(connection: Connection, by: CutBy, code: string, reason: string): void {
    const { device, serial, address } = connection;
    if (device === undefined) return;
    const { namespace, mac } = device;
    this.#audit.write({
      ...{ action: 'endpoint.cut', namespace, subject: serial, outcome: 'ok' },
      detail: { code, by, reason: reason.slice(0, 512).toWellFormed(), address, device: mac },
    });
    this.#tell('cut', { namespace, mac, serial, address, by, code, reason });
  }

  #cutNow(order: CutOrder): void {
    const code = CUT_CODES[order.reason];
    for (const connection of [...(this.#ofDevice.get(nameOf(order)) ?? [])]) {
      if (connection.isMeant(order)) connection.cut('now', code, `The registry says: ${order.reason}.`);
    }
  }

  #sweepLater(): void {
    this.#stopSweep = this.#clock.at(this.#clock.now() + SWEEP_MS, () => {
      this.#sweep();
      if (this.#state === 'open') this.#sweepLater();
    });
  }

  #sweep(): void {
    const now = this.#clock.now();
    const time = this.#time();
    for (const connection of [...this.#connections]) {
      if (connection.sweep(now, time)) this.#toJudge.add(connection);
    }
    this.#judgeDue();
    this.#audit.sweep();
  }

  /** A few at a time, so that ten thousand that are due at once hold up nobody. */
  #judgeDue(): void {
    for (const connection of this.#toJudge) {
      if (this.#judging >= JUDGED_AT_ONCE) return;
      this.#toJudge.delete(connection);
      this.#judging++;
      void connection.judgeAgain().then(() => {
        this.#judging--;
        this.#judgeDue();
      });
    }
  }

  /** Trouble that ten thousand sessions have at once is told once in a while. */
  #trouble(error: Error): void {
    const now = this.#clock.now();
    const kind = codeOf(error, error.message);
    if (now - (this.#troubleAt.get(kind) ?? Number.NEGATIVE_INFINITY) < TROUBLE_MS) return;
    if (this.#troubleAt.size >= TROUBLES_MOST) this.#troubleAt.clear();
    this.#troubleAt.set(kind, now);
    this.#tell('trouble', error);
  }

  /** What a listener throws is its own. */
  #tell<K extends keyof EndpointEvents>(event: K, ...what: EndpointEvents[K]): void {
    try {
      (this as EventEmitter).emit(event, ...what);
    } catch (error) {
      if (event !== 'trouble') this.#trouble(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

const CUT_CODES: Readonly<Record<CutOrder['reason'], string>> = {
  revoked: 'CERT_REVOKED',
  superseded: 'CERT_SUPERSEDED',
  retired: 'CERT_DEVICE_STATE',
  removed: 'CERT_DEVICE_UNKNOWN',
};

const nameOf = ({ namespace, mac }: DeviceName): string => `${namespace}:${mac}`;

function closed(text: string): Error {
  return fail('ENDPOINT_CLOSED', `The endpoint is closed. ${text}`, { hint: 'Make a new one.' });
}
