import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { MqttClient } from 'mqtt';
import type { OwnIdentity } from './identity.ts';

/** Why a session is over, as far as a device can tell. */
export interface SessionEnd {
  /** The broker had let it in. */
  readonly wasConnected: boolean;
  /** `network`: nobody answered. `server`: the broker's certificate was not taken. `refused`: the broker hung up. */
  readonly why: 'network' | 'server' | 'refused' | 'left';
  /** What Node or MQTT call it: "ECONNREFUSED". */
  readonly code: string;
}

export interface SessionEvents {
  connected(): void;
  message(topic: string, payload: Uint8Array): void;
  ended(end: SessionEnd): void;
}

export interface SessionOptions {
  readonly broker: URL;
  readonly serverName: string | undefined;
  readonly identity: OwnIdentity;
  /** Of the device's own topics. */
  readonly prefix: string;
}

/** What a broker is asked for, in s and ms. */
const KEEP_ALIVE = 30;
const CONNECT_MS = 10_000;
const GOODBYE_MS = 2_000;
const DEFAULT_PORT = 8883;

/** What Node says of a server's certificate that it does not take: X509_V_ERR_… of OpenSSL, and a wrong name. */
const NOT_TAKEN = /CERT|ALTNAME|ISSUER|CHAIN|SELF_SIGNED|LEAF_SIGNATURE|INVALID_PURPOSE|INVALID_CA|PATH_LENGTH|CRL/;

/** MQTT over mutual TLS, as a device speaks it. */
export class Session {
  readonly #socket: TLSSocket;
  readonly #client: MqttClient;
  readonly #events: SessionEvents;
  readonly #prefix: string;
  #wasConnected = false;
  #secure = false;
  #left = false;
  #over = false;
  #failure: string | undefined;

  private constructor(Client: typeof MqttClient, options: SessionOptions, events: SessionEvents) {
    const { broker, serverName, identity, prefix } = options;
    const { commonName, certificate, key, ca } = identity;
    this.#events = events;
    this.#prefix = prefix;
    const host = broker.hostname.replace(/^\[|\]$/g, '');
    this.#socket = connectTls({
      host,
      port: Number(broker.port) || DEFAULT_PORT,
      cert: Buffer.from(certificate),
      key,
      ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
      ...(serverName === undefined ? (isAddress(host) ? {} : { servername: host }) : { servername: serverName }),
    });
    this.#socket.once('secureConnect', () => {
      this.#secure = true;
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure ??= error.code ?? error.message;
    });
    this.#client = new Client(() => this.#socket, {
      clientId: commonName,
      protocolVersion: 4,
      clean: true,
      keepalive: KEEP_ALIVE,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_MS,
      will: { topic: `${prefix}presence`, payload: Buffer.from('offline'), qos: 1, retain: false },
    });
    this.#client.on('connect', () => {
      this.#wasConnected = true;
      this.#client.subscribe(`${prefix}command/#`, { qos: 1 }, () => undefined);
      if (!this.#over) events.connected();
    });
    this.#client.on('message', (topic, payload) => {
      if (!this.#over) events.message(topic.slice(prefix.length), payload);
    });
    this.#client.on('error', (error) => {
      this.#failure ??= String((error as { code?: unknown }).code ?? error.message);
      this.#client.end(true);
    });
    this.#client.on('close', () => this.#end());
  }

  /** Loads the client where it is first needed: most chips of a bench never connect. */
  static async open(options: SessionOptions, events: SessionEvents, isWanted: () => boolean): Promise<Session | null> {
    const { MqttClient: Client } = await import('mqtt');
    return isWanted() ? new Session(Client, options, events) : null;
  }

  /** To the device's own topic of that name. */
  publish(topic: string, payload: string, qos: 0 | 1): void {
    this.#client.publish(`${this.#prefix}${topic}`, payload, { qos }, () => undefined);
  }

  /** Says goodbye: `ended` follows. */
  leave(): void {
    this.#left = true;
    this.#client.end(false, {}, () => this.#end());
    // A broker that no longer answers must not keep it.
    setTimeout(() => this.#end(), GOODBYE_MS).unref();
  }

  /** The power is gone: nothing is said, and nothing is told. */
  drop(): void {
    this.#over = true;
    this.#socket.destroy();
    this.#client.end(true);
  }

  #end(): void {
    if (this.#over) return;
    this.drop();
    const failure = this.#failure ?? 'closed';
    // What the client itself found wrong with the broker's certificate comes before the connection is secure.
    const isNetwork = /^(ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN)$/.test(failure);
    const isServer = !this.#secure && NOT_TAKEN.test(failure) && !/ALERT/.test(failure);
    const why = this.#left ? 'left' : isNetwork ? 'network' : isServer ? 'server' : 'refused';
    this.#events.ended({ wasConnected: this.#wasConnected, why, code: failure });
  }
}

const isAddress = (host: string): boolean => /^[0-9.]+$|:/.test(host);
