import type { IPublishPacket } from 'mqtt-packet';
import { fail } from './errors.ts';
import { ack, encode } from './packets.ts';
import type { EndpointLimits, OutgoingMessage, Qos } from './types.ts';
import type { Wire } from './wire.ts';

export interface OutboxOptions {
  readonly wire: Wire;
  readonly version: 4 | 5;
  readonly limits: Pick<EndpointLimits, 'inflight' | 'queued' | 'packetBytes' | 'backlogBytes'>;
  /** What the client takes, MQTT 5. */
  readonly receiveMaximum: number;
  readonly packetBytes: number;
  readonly now: () => number;
  /** For messages: the device, in words. */
  readonly name: string;
}

interface Waiting {
  readonly packet: IPublishPacket;
  /** Of the clock for waits. */
  readonly expiresAt: number;
  readonly done: (how: 'acknowledged') => void;
  readonly failed: (error: Error) => void;
}

interface Sent extends Waiting {
  /** QoS 2: PUBREC came, and PUBCOMP is awaited. */
  received: boolean;
}

/** What goes to one session: QoS 0 at once, QoS 1 and 2 within a window, the rest in a queue. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #window: number;
  readonly #sent = new Map<number, Sent>();
  #queue: Waiting[] = [];
  #lastId = 0;
  #closed = false;
  count = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#window = Math.min(options.limits.inflight, options.receiveMaximum);
  }

  /** @param qos what the device gets: at most what it subscribed with */
  publish(fullTopic: string, message: OutgoingMessage, qos: Qos): Promise<'sent' | 'acknowledged'> {
    const { wire, limits, version, now, name } = this.#options;
    const packet = packetOf(fullTopic, message, qos, version);
    const size = encode(qos === 0 ? packet : { ...packet, messageId: 1 }, version).length;
    const most = Math.min(limits.packetBytes, this.#options.packetBytes);
    if (size > most) {
      throw fail('PACKET_TOO_LARGE', `The message takes ${size} bytes, more than the ${most} that may go to ${name}.`, {
        hint: 'Send less at a time.',
        detail: { field: 'payload', bytes: size, most },
      });
    }
    if (wire.backlog > limits.backlogBytes || this.#queue.length >= limits.queued) {
      throw fail('QUEUE_FULL', `${this.#queue.length} messages and ${wire.backlog} bytes wait for ${name} already.`, {
        hint: 'Send less often, or wait for the answer to a message before the next one.',
        detail: { waiting: this.#queue.length, bytes: wire.backlog },
      });
    }
    if (qos === 0) {
      this.count++;
      wire.send(encode(packet, version));
      return Promise.resolve('sent');
    }
    return new Promise((resolve, reject) => {
      const expiresAt = message.expiryMs === undefined ? Number.POSITIVE_INFINITY : now() + message.expiryMs;
      this.#queue.push({ packet, expiresAt, done: resolve, failed: reject });
      this.#fill();
    });
  }

  #fill(): void {
    while (!this.#closed && this.#sent.size < this.#window) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (this.#options.now() >= next.expiresAt) {
        next.failed(this.#expired());
        continue;
      }
      const messageId = this.#freeId();
      this.#sent.set(messageId, { ...next, received: false });
      this.count++;
      this.#options.wire.send(encode({ ...next.packet, messageId }, this.#options.version));
    }
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId % 65_535) + 1;
    while (this.#sent.has(this.#lastId));
    return this.#lastId;
  }

  #expired(): Error {
    return fail('MESSAGE_EXPIRED', `The message to ${this.#options.name} waited longer than it may.`, {
      hint: 'Give it more time, or send less often.',
    });
  }

  /** Lets go of what has waited too long. */
  sweep(): void {
    const now = this.#options.now();
    if (!this.#queue.some(({ expiresAt }) => now >= expiresAt)) return;
    const over = this.#queue.filter(({ expiresAt }) => now >= expiresAt);
    this.#queue = this.#queue.filter(({ expiresAt }) => now < expiresAt);
    for (const one of over) one.failed(this.#expired());
  }

  /** An answer of the device. One that answers nothing is let pass (MQTT 5 §4.13.2: identifier not found). */
  answered(kind: 'puback' | 'pubrec' | 'pubcomp', id: number, reason: number): void {
    const { wire, version } = this.#options;
    const sent = this.#sent.get(id);
    if (kind === 'pubrec' && reason < 0x80) {
      if (sent?.packet.qos === 2) {
        sent.received = true;
        wire.send(ack('pubrel', id));
      } else wire.send(ack('pubrel', id, version === 5 ? 0x92 : 0));
      return;
    }
    if (sent === undefined || !ends(kind, sent)) return;
    this.#sent.delete(id);
    if (reason < 0x80) sent.done('acknowledged');
    else {
      const { name } = this.#options;
      sent.failed(
        fail('MESSAGE_REFUSED', `${name} refused the message with the reason 0x${reason.toString(16)}.`, {
          hint: 'Look up the reason in MQTT 5, section 3.4.2.1.',
          detail: { reason },
        }),
      );
    }
    this.#fill();
  }

  /** The session is over. */
  close(): void {
    this.#closed = true;
    const { name } = this.#options;
    const lost = (outcome: 'not sent' | 'unknown'): Error =>
      fail('DEVICE_OFFLINE', `The session of ${name} ended before it answered.`, {
        hint: 'Send the message again when the device is back.',
        detail: { outcome },
      });
    for (const one of this.#sent.values()) one.failed(lost('unknown'));
    for (const one of this.#queue) one.failed(lost('not sent'));
    this.#sent.clear();
    this.#queue = [];
  }
}

function ends(kind: 'puback' | 'pubrec' | 'pubcomp', { packet, received }: Sent): boolean {
  if (packet.qos === 1) return kind === 'puback';
  return kind === 'pubrec' || (kind === 'pubcomp' && received);
}

function packetOf(topic: string, message: OutgoingMessage, qos: Qos, version: 4 | 5): IPublishPacket {
  const { payload, retain = false, properties = {}, expiryMs } = message;
  const { contentType, responseTopic, correlationData, payloadFormatIndicator, userProperties } = properties;
  const { messageExpiryInterval = expiryMs === undefined ? undefined : Math.ceil(expiryMs / 1000) } = properties;
  const packet: IPublishPacket = {
    ...{ cmd: 'publish', topic, qos, retain, dup: false },
    payload:
      typeof payload === 'string' ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
  };
  if (version !== 5) return packet;
  packet.properties = {
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator }),
    ...(messageExpiryInterval === undefined ? {} : { messageExpiryInterval }),
    ...(userProperties === undefined
      ? {}
      : {
          userProperties: Object.fromEntries(
            Object.entries(userProperties).map(([key, value]) => [key, typeof value === 'string' ? value : [...value]]),
          ),
        }),
  };
  return packet;
}
