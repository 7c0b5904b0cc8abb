import type { AuditInput } from '../registry/index.ts';
import type { Clock } from './clock.ts';

/** A device, as its certificate names it. */
export interface DeviceName {
  readonly namespace: string;
  /** 12 lower-case hex digits. */
  readonly mac: string;
}

/** A device may come in. */
export interface Admitted extends DeviceName {
  readonly ok: true;
  /** 32 lower-case hex digits. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Nobody has used it yet: the judge is told once the device is in. */
  readonly renewal: boolean;
}

/** A device may not come in. What is known of it may be untrue. */
export interface NotAdmitted {
  readonly ok: false;
  /** Why, for the audit log: the device is not told. */
  readonly code: string;
  readonly text: string;
  readonly namespace?: string;
  readonly mac?: string;
  readonly serial?: string;
}

/** Sessions that must end now: those of these serial numbers, or with null all of the device. */
export interface CutOrder extends DeviceName {
  readonly serials: readonly string[] | null;
  readonly reason: 'revoked' | 'superseded' | 'retired' | 'removed';
}

/** Who says whether a certificate may come in, now. The judge of lib/pki is one. */
export interface Judge {
  /**
   * Of a certificate as DER; undefined: the peer sent none. It does not reject for what is wrong with a certificate.
   * When it does reject, nobody is let in and nobody is cut.
   */
  certificate(
    der: Uint8Array | undefined,
    request: { readonly use: 'endpoint'; readonly namespace?: string },
  ): Promise<Admitted | NotAdmitted>;
  /** At once, from memory. */
  isRevoked(serial: string): boolean;
  /** The device was let in. */
  used(verdict: Admitted): Promise<void>;
  /** Tells whose sessions must end. @returns what ends the telling */
  onCut(listener: (order: CutOrder) => void): () => void;
}

/** What the service shows of itself in TLS. */
export interface EndpointTls {
  /** Private key, PEM. */
  readonly key: string | Uint8Array;
  /** Its certificate and the intermediates above it, PEM. */
  readonly cert: string | Uint8Array;
  /** Authorities of devices, PEM: named to clients so that they choose the right certificate. The judge decides. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Default TLSv1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** Bounds. Each is a whole number. */
export interface EndpointLimits {
  /** Bytes of a packet, both ways: 1 KiB … 16 MiB, default 256 KiB. */
  readonly packetBytes: number;
  /** Open connections: 1 … 1,000,000, default 10,000. */
  readonly connections: number;
  /** Open connections from one address, default 1,000. */
  readonly connectionsPerAddress: number;
  /** Connections whose TLS handshake is not over, default 1,000. */
  readonly handshakes: number;
  /** Milliseconds that a TLS handshake may take: 100 … 120,000, default 10,000. */
  readonly handshakeMs: number;
  /** Milliseconds from there to a whole CONNECT, default 10,000. */
  readonly connectMs: number;
  /** Messages of QoS 1 and 2 to a device that wait for its answer, 1 … 65,535, default 16. */
  readonly inflight: number;
  /** Messages of QoS 2 from a device that are not released yet, 1 … 65,535, default 64. */
  readonly receiveMaximum: number;
  /** Messages to a device that wait for a place among those, default 256. */
  readonly queued: number;
  /** Filters a session, default 32. */
  readonly subscriptions: number;
  /** Sessions of one device at a time: 1 … 16, default 1. A further one takes the oldest one's place. */
  readonly sessionsPerDevice: number;
  /** Bytes that wait to be read by a device, default 1 MiB: beyond, nothing more is read from it or sent to it. */
  readonly backlogBytes: number;
  /** Milliseconds after which a device that reads nothing of that is cut, default 30,000. */
  readonly stallMs: number;
}

export interface EndpointOptions {
  readonly judge: Judge;
  readonly tls: EndpointTls;
  /** The only certificate namespace that is let in; without it all that the judge knows. */
  readonly namespace?: string;
  /** Default 127.0.0.1. Another address must be named; every one is mutual TLS. */
  readonly host?: string;
  /** Default 8883; 0 = any free one. */
  readonly port?: number;
  /** How often each session is judged again: 1,000 … 86,400,000 ms, default 60,000. */
  readonly cadenceMs?: number;
  /**
   * Cuts at once whom the judge tells to cut: revoked, superseded, retired. False, the default: when they are judged
   * again, within `cadenceMs`.
   */
  readonly cutNow?: boolean;
  /** Cuts a session at its certificate's notAfter (default); false lets it live to its next disconnect. */
  readonly cutAtExpiry?: boolean;
  /** What the topics of a device begin with; `{namespace}` and `{mac}` are filled in. Default `{namespace}/{mac}/`. */
  readonly topicPrefix?: string;
  readonly limits?: Partial<EndpointLimits>;
  /** Writes to the audit log: refusals, cuts, listening. The same refusal is folded while it repeats. */
  readonly audit?: (entry: AuditInput) => Promise<void> | void;
  /** Is told who is online: see `registryPresence`. */
  readonly presence?: Presence;
  /** Milliseconds since 1970, for certificates. Default Date.now. */
  readonly time?: () => number;
  /** For waits. */
  readonly clock?: Clock;
}

/** Who is told which devices are online. Its calls must not throw. */
export interface Presence {
  online(device: DeviceName): void;
  offline(device: DeviceName, reason: string): void;
  /** Carries out what is left to do. */
  close(): Promise<void>;
}

export type Qos = 0 | 1 | 2;

/** What MQTT 5 carries with a message. */
export interface MessageProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** True: the payload is UTF-8. */
  readonly payloadFormatIndicator?: boolean;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  readonly userProperties?: Readonly<Record<string, string | readonly string[]>>;
}

/** A message from a device. */
export interface DeviceMessage extends DeviceName {
  /** Without the device's prefix. */
  readonly topic: string;
  readonly fullTopic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  /** The device asked for it to be retained, which this endpoint does not do. */
  readonly retain: boolean;
  /** The device has sent it before, perhaps. */
  readonly dup: boolean;
  /** Its last will: the connection ended without a DISCONNECT. */
  readonly will: boolean;
  readonly serial: string;
  readonly clientId: string;
  readonly properties: MessageProperties;
}

/** A message to a device. */
export interface OutgoingMessage extends DeviceName {
  /** Without the device's prefix. */
  readonly topic: string;
  readonly payload: string | Uint8Array;
  /** Default 0; the device gets at most what it subscribed with. */
  readonly qos?: Qos;
  /** The flag that the device sees. Nothing is kept. */
  readonly retain?: boolean;
  /** Milliseconds after which it is no longer sent. */
  readonly expiryMs?: number;
  readonly properties?: MessageProperties;
}

/** A session, as it is now. Times are ms since 1970. */
export interface SessionInfo extends DeviceName {
  readonly serial: string;
  readonly clientId: string;
  /** The address and port it comes from. */
  readonly address: string;
  readonly version: '3.1.1' | '5';
  readonly since: number;
  readonly notAfter: number;
  /** Its TLS session was a resumed one. */
  readonly resumed: boolean;
  /** Without the device's prefix. */
  readonly subscriptions: readonly string[];
  readonly received: number;
  readonly sent: number;
}

/** Why a session is over. */
export type EndReason =
  | 'disconnected'
  | 'connection lost'
  | 'taken over'
  | 'keep alive'
  | 'not reading'
  | 'refused'
  | 'expired'
  | 'cut'
  | 'endpoint closed';

/** Something that was refused, as the audit log has it; the client learns none of it. */
export interface Refusal {
  /** One of `endpointErrors`, or what the judge gave. */
  readonly code: string;
  readonly message: string;
  readonly address: string;
  /** Where: the connection, the TLS handshake, CONNECT, or a session. */
  readonly at: 'connection' | 'handshake' | 'connect' | 'session';
  /** As far as it is known; before a session none of it need be true. */
  readonly namespace: string | null;
  readonly mac: string | null;
  readonly serial: string | null;
}

/** By order of the judge; judged again; its notAfter came; by `cut`. */
export type CutBy = 'now' | 'cadence' | 'expiry' | 'request';

/** A connection that was ended because its certificate no longer holds. */
export interface Cut extends DeviceName {
  readonly serial: string;
  readonly address: string;
  readonly by: CutBy;
  /** The judge's, such as CERT_REVOKED; CUT_REQUESTED by `cut`. */
  readonly code: string;
  readonly reason: string;
}

export interface EndpointEvents {
  message: [DeviceMessage];
  online: [DeviceName & { readonly serial: string; readonly clientId: string; readonly address: string }];
  offline: [DeviceName & { readonly serial: string; readonly clientId: string; readonly reason: EndReason }];
  refused: [Refusal];
  cut: [Cut];
  /** Something that nobody asked for went wrong: the audit log cannot be written, the judge rejects, the listener fails. */
  trouble: [Error];
}
