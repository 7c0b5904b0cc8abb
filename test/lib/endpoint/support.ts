import { generateKeyPairSync } from 'node:crypto';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { generate, type Packet, parser } from 'mqtt-packet';
import {
  type Admitted,
  type Cut,
  type CutOrder,
  DeviceEndpoint,
  type DeviceMessage,
  type EndpointEvents,
  type EndpointOptions,
  type Judge,
  type NotAdmitted,
} from '../../../lib/endpoint/index.ts';
import { createCsr, parseCertificate } from '../../../lib/pki/index.ts';
import { type Authority, type Issued, nodePki, signingKey } from '../../../lib/pki/node.ts';
import type { AuditInput } from '../../../lib/registry/index.ts';
import { ManualClock } from '../../../lib/virtual/clock.ts';
import { NAMESPACE, type World, world } from '../pki/support.ts';

export { NAMESPACE };
export const MAC = '246f28aabb0c';
export const OTHER_MAC = '246f28aabb10';
export const PREFIX = `${NAMESPACE}/${MAC}/`;

/** A key, its certificate, and what it verifies its peer with. */
export interface Identity {
  readonly issued: Issued;
  readonly serial: string;
  readonly key: string;
  readonly cert: string;
}

export async function identity(issue: (csr: Uint8Array) => Promise<Issued>): Promise<Identity> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { der } = await createCsr(nodePki, 'x', signingKey(privateKey));
  const issued = await issue(der);
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { issued, serial: issued.serial, key, cert: issued.chain };
}

export const deviceIdentity = (authority: Authority, mac = MAC, namespace = NAMESPACE): Promise<Identity> =>
  identity((csr) => authority.issueDevice({ namespace, mac, csr, replace: true }));

/** A judge that takes what it is told; the real one has tests of its own. */
export class FakeJudge implements Judge {
  readonly refused = new Map<string, string>();
  readonly revoked = new Set<string>();
  readonly renewals = new Set<string>();
  readonly usedSerials: string[] = [];
  readonly #listeners = new Set<(order: CutOrder) => void>();
  calls = 0;
  /** Thrown instead of an answer. */
  failure: Error | undefined;
  /** Holds every answer back until it resolves. */
  gate: Promise<void> | undefined;

  async certificate(der: Uint8Array | undefined): Promise<Admitted | NotAdmitted> {
    this.calls++;
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    if (der === undefined) return { ok: false, code: 'CERT_MISSING', text: 'There is none.' };
    const { commonName, serial, notAfter } = parseCertificate(der);
    const [namespace = '', mac = ''] = (commonName ?? '').split(':');
    const code = this.refused.get(serial) ?? (this.revoked.has(serial) ? 'CERT_REVOKED' : undefined);
    if (code !== undefined) return { ok: false, code, text: 'It does not hold.', namespace, mac, serial };
    return { ok: true, namespace, mac, serial, notAfter, renewal: this.renewals.has(serial) };
  }

  isRevoked(serial: string): boolean {
    return this.revoked.has(serial);
  }

  async used({ serial }: Admitted): Promise<void> {
    this.usedSerials.push(serial);
    this.renewals.delete(serial);
  }

  onCut(listener: (order: CutOrder) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listening(): number {
    return this.#listeners.size;
  }

  order(order: CutOrder): void {
    for (const listener of this.#listeners) listener(order);
  }
}

/** What an endpoint told. */
export class Told {
  readonly events: {
    readonly [K in keyof EndpointEvents]: { kind: K; what: EndpointEvents[K][0] };
  }[keyof EndpointEvents][] = [];
  readonly #waiting = new Set<() => void>();

  constructor(endpoint: DeviceEndpoint) {
    for (const kind of ['message', 'online', 'offline', 'refused', 'cut', 'trouble'] as const) {
      endpoint.on(kind, (what: unknown) => {
        this.events.push({ kind, what } as (typeof this.events)[number]);
        for (const look of [...this.#waiting]) look();
      });
    }
  }

  all<K extends keyof EndpointEvents>(kind: K): EndpointEvents[K][0][] {
    return this.events.flatMap((event) => (event.kind === kind ? [event.what as EndpointEvents[K][0]] : []));
  }

  /** Resolves when there are `count` of a kind, from now or before. */
  until<K extends keyof EndpointEvents>(kind: K, count = 1): Promise<EndpointEvents[K][0][]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`There never were ${count} of ${kind}: ${JSON.stringify(this.events)}`));
      }, 10_000);
      const look = (): void => {
        const found = this.all(kind);
        if (found.length < count) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  get codes(): string[] {
    return this.all('refused').map(({ code }) => code);
  }
}

/** An authority with a service's identity, for all tests of a file. */
export interface Ground {
  readonly service: Identity;
  readonly device: Identity;
  readonly other: Identity;
  close(): Promise<void>;
}

export async function ground(): Promise<Ground & { readonly here: World }> {
  const here = await world();
  try {
    const { authority } = here;
    const service = await identity((csr) => authority.issueService({ names: ['127.0.0.1', 'localhost'], csr }));
    const device = await deviceIdentity(authority);
    const other = await deviceIdentity(authority, OTHER_MAC);
    return { here, service, device, other, close: () => here.close() };
  } catch (error) {
    await here.close();
    throw error;
  }
}

export const tlsOf = ({ key, cert, issued }: Identity) => ({ key, cert, ca: issued.authorities });

/** An endpoint, what it told and wrote, and clients that go with it. */
export class Bench<J extends Judge = FakeJudge> {
  readonly ground: Ground;
  readonly judge: J;
  readonly endpoint: DeviceEndpoint;
  readonly told: Told;
  readonly audit: AuditInput[] = [];
  readonly clock: ManualClock;
  readonly #clients: { end(): Promise<void> }[] = [];
  port = 0;

  constructor(with_: Ground, judge: J, options: Partial<EndpointOptions> & { manual?: boolean } = {}) {
    this.ground = with_;
    this.judge = judge;
    this.clock = new ManualClock();
    const { manual = false, ...rest } = options;
    this.endpoint = new DeviceEndpoint({
      judge,
      tls: tlsOf(with_.service),
      port: 0,
      audit: (entry) => void this.audit.push(entry),
      ...(manual ? { clock: this.clock } : {}),
      ...rest,
    });
    this.told = new Told(this.endpoint);
  }

  async open(): Promise<this> {
    ({ port: this.port } = await this.endpoint.listen());
    return this;
  }

  /** A client of another maker's. */
  async connect(who: Identity, options: IClientOptions & ConnectionOptions = {}): Promise<MqttClient> {
    const client = mqtt.connect(`mqtts://127.0.0.1:${this.port}`, {
      ...{ key: who.key, cert: who.cert, ca: who.issued.authorities, reconnectPeriod: 0, clientId: 'chip' },
      ...options,
    });
    client.on('error', () => undefined);
    this.#clients.push({ end: () => client.endAsync(true).catch(() => undefined) });
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
    return client;
  }

  /** TLS alone: bytes of the test's own. */
  async raw(who: Identity | undefined, options: ConnectionOptions = {}): Promise<Raw> {
    const socket = connect({
      ...{ host: '127.0.0.1', port: this.port, ca: this.ground.service.issued.authorities },
      ...(who === undefined ? {} : { key: who.key, cert: who.cert }),
      ...options,
    });
    const raw = new Raw(socket);
    this.#clients.push({ end: async () => void socket.destroy() });
    await Promise.race([new Promise<void>((resolve) => socket.once('secureConnect', () => resolve())), raw.closed]);
    return raw;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
    await this.endpoint.close();
  }
}

/** A client that sends what it is told to. */
export class Raw {
  readonly socket: TLSSocket;
  readonly packets: Packet[] = [];
  readonly closed: Promise<void>;
  bytes = 0;
  version: 4 | 5 = 4;
  #parser = parser({ protocolVersion: 4 });
  readonly #waiting = new Set<() => void>();

  constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.bytes += chunk.length;
      this.#parser.parse(chunk);
    });
    socket.on('close', () => this.#look());
    this.#listen();
  }

  #listen(): void {
    this.#parser.on('packet', (packet) => {
      this.packets.push(packet);
      this.#look();
    });
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  as(version: 4 | 5): this {
    this.version = version;
    this.#parser = parser({ protocolVersion: version });
    this.#listen();
    return this;
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion: this.version }))));
  }

  write(...bytes: (number[] | Buffer)[]): void {
    this.socket.write(Buffer.concat(bytes.map((part) => Buffer.from(part))));
  }

  connect(more: Partial<Extract<Packet, { cmd: 'connect' }>> = {}): void {
    this.send({
      ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: this.version, clientId: 'raw', clean: true },
      keepalive: 0,
      ...more,
    });
  }

  /** The next packet of that kind, from now or before; it is taken out. */
  next<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    return new Promise((resolve, reject) => {
      const failed = (what: string): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        reject(new Error(`${what} before a ${cmd} came: ${JSON.stringify(this.packets)}`));
      };
      const timer = setTimeout(() => failed('10 s passed'), 10_000);
      const look = (): void => {
        const at = this.packets.findIndex((packet) => packet.cmd === cmd);
        if (at < 0) {
          if (this.socket.destroyed) failed('The connection closed');
          return;
        }
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(this.packets.splice(at, 1)[0] as Extract<Packet, { cmd: C }>);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Connects and is let in. */
  async in(more: Partial<Extract<Packet, { cmd: 'connect' }>> = {}): Promise<this> {
    this.connect(more);
    await this.next('connack');
    return this;
  }
}

export const textOf = ({ payload }: Pick<DeviceMessage, 'payload'>): string => payload.toString();
export const cutOf = ({ by, code, serial }: Cut) => ({ by, code, serial });
