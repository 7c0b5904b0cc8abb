import type { IConnectPacket, IPublishPacket, ISubscribePacket, IUnsubscribePacket, Packet } from 'mqtt-packet';
import { REASON } from './checks.ts';
import type { EndpointCode } from './errors.ts';
import { Outbox } from './outbox.ts';
import { ack, encode, messageProperties, PINGRESP } from './packets.ts';
import { isFilter, isTopic, matches } from './topics.ts';
import type { DeviceMessage, DeviceName, EndpointLimits, MessageProperties, OutgoingMessage, Qos } from './types.ts';
import type { Wire } from './wire.ts';

/** Refusals that a session may collect: a device that is set up wrong is told by its end, and fills nothing. */
const REFUSALS_MOST = 100;

/** What SUBACK of 3.1.1 has for every refusal. */
const REFUSED_311 = 0x80;

export interface SessionOptions {
  readonly wire: Wire;
  readonly connect: IConnectPacket;
  readonly device: DeviceName;
  readonly serial: string;
  readonly clientId: string;
  /** What its topics begin with. */
  readonly prefix: string;
  readonly limits: EndpointLimits;
  readonly now: () => number;
  readonly onMessage: (message: DeviceMessage) => void;
  /** Something was refused, and the session goes on. */
  readonly onRefused: (code: EndpointCode, message: string) => void;
  /** The session cannot go on. `reason` is MQTT 5's, for the DISCONNECT. */
  readonly onBroken: (code: EndpointCode, message: string, reason: number) => void;
  /** DISCONNECT came. */
  readonly onDisconnect: () => void;
}

/** The session of a device: what is in it ends with its connection. */
export class Session {
  readonly #options: SessionOptions;
  readonly #five: boolean;
  readonly #outbox: Outbox;
  readonly #filters = new Map<string, Qos>();
  /** Messages of QoS 2 that were handed on and are not released yet. */
  readonly #unreleased = new Set<number>();
  /** The last topic that was found good. */
  #goodTopic: string | undefined;
  #will: IConnectPacket['will'];
  #refusals = 0;
  received = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { connect, wire, limits, now, device } = options;
    this.#five = connect.protocolVersion === 5;
    this.#will = connect.will;
    this.#outbox = new Outbox({
      ...{ wire, limits, now, version: this.#five ? 5 : 4, name: `${device.namespace}:${device.mac}` },
      receiveMaximum: connect.properties?.receiveMaximum ?? 65_535,
      packetBytes: connect.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    });
  }

  get version(): '3.1.1' | '5' {
    return this.#five ? '5' : '3.1.1';
  }

  get sent(): number {
    return this.#outbox.count;
  }

  /** Filters, without the prefix. */
  get filters(): string[] {
    const { prefix } = this.#options;
    return [...this.#filters.keys()].map((filter) => filter.slice(prefix.length));
  }

  /** What it subscribed to a topic with; undefined: it did not. */
  qosOf(fullTopic: string): Qos | undefined {
    let best: Qos | undefined;
    for (const [filter, qos] of this.#filters) {
      if ((best === undefined || qos > best) && matches(filter, fullTopic)) best = qos;
    }
    return best;
  }

  /** @throws PACKET_TOO_LARGE, QUEUE_FULL; rejects with MESSAGE_EXPIRED, MESSAGE_REFUSED, DEVICE_OFFLINE */
  publish(fullTopic: string, message: OutgoingMessage, granted: Qos): Promise<'sent' | 'acknowledged'> {
    return this.#outbox.publish(fullTopic, message, Math.min(message.qos ?? 0, granted) as Qos);
  }

  sweep(): void {
    this.#outbox.sweep();
  }

  /** It is over. `willToo`: its last will becomes a message, unless it took it back. */
  close(willToo: boolean): void {
    this.#outbox.close();
    const will = this.#will;
    this.#will = undefined;
    if (will === undefined || !willToo) return;
    const { topic, payload, qos = 0, retain = false, properties } = will;
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    this.#handOn(topic, bytes, { qos, retain, dup: false, will: true }, messageProperties(properties));
  }

  packet(packet: Packet): void {
    const { wire, onBroken } = this.#options;
    switch (packet.cmd) {
      case 'publish':
        this.#published(packet);
        return;
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.#outbox.answered(packet.cmd, packet.messageId as number, packet.reasonCode ?? 0);
        return;
      case 'pubrel': {
        const id = packet.messageId as number;
        const known = this.#unreleased.delete(id);
        wire.send(ack('pubcomp', id, known || !this.#five ? 0 : 0x92));
        return;
      }
      case 'subscribe':
        this.#subscribe(packet);
        return;
      case 'unsubscribe':
        this.#unsubscribe(packet);
        return;
      case 'pingreq':
        wire.send(PINGRESP);
        return;
      case 'disconnect':
        // 0x04: disconnect with the will (MQTT 5 §3.14.2.1).
        if (packet.reasonCode !== 0x04) this.#will = undefined;
        this.#options.onDisconnect();
        return;
      case 'connect':
        onBroken('CONNECT_AGAIN', 'A second CONNECT came.', REASON.protocolError);
        return;
      default:
        onBroken('PROTOCOL_ERROR', `A ${packet.cmd.toUpperCase()} came from a client.`, REASON.protocolError);
    }
  }

  #published(packet: IPublishPacket): void {
    const { wire, onBroken, limits } = this.#options;
    const { topic, qos, retain, dup, messageId = 0, properties } = packet;
    const wrong = this.#wrongWith(packet);
    if (wrong !== undefined) {
      onBroken(...wrong);
      return;
    }
    if (!this.#owns(topic)) {
      const message = `A message to ${JSON.stringify(topic.slice(0, 128))}, which is not its own.`;
      // 3.1.1 can say nothing about a message (§3.3.5), so the connection ends.
      if (!this.#five) onBroken('TOPIC_OUTSIDE_SCOPE', message, REASON.notAuthorized);
      else {
        this.#refused('TOPIC_OUTSIDE_SCOPE', message);
        if (qos > 0) wire.send(ack(qos === 1 ? 'puback' : 'pubrec', messageId, REASON.notAuthorized));
      }
      return;
    }
    if (qos === 2) {
      if (!this.#unreleased.has(messageId)) {
        if (this.#unreleased.size >= limits.receiveMaximum) {
          const message = `More than ${limits.receiveMaximum} messages of QoS 2 without a PUBREL.`;
          onBroken('TOO_MANY_INFLIGHT', message, REASON.tooManyInflight);
          return;
        }
        this.#unreleased.add(messageId);
        this.#handOn(topic, packet.payload, { qos, retain, dup, will: false }, messageProperties(properties));
      }
      wire.send(ack('pubrec', messageId));
      return;
    }
    this.#handOn(topic, packet.payload, { qos, retain, dup, will: false }, messageProperties(properties));
    if (qos === 1) wire.send(ack('puback', messageId));
  }

  #wrongWith({ topic, retain, properties }: IPublishPacket): [EndpointCode, string, number] | undefined {
    if (properties?.topicAlias !== undefined)
      return ['PROTOCOL_ERROR', 'A topic alias came, and none was allowed.', REASON.topicAlias];
    if (this.#goodTopic !== topic) {
      if (!isTopic(topic)) {
        return ['BAD_TOPIC', `The topic ${JSON.stringify(topic.slice(0, 128))} is none.`, REASON.badTopic];
      }
      this.#goodTopic = topic;
    }
    if (retain && this.#five) return ['RETAIN_NOT_SUPPORTED', 'A message is to be retained.', REASON.retain];
    return undefined;
  }

  #refused(code: EndpointCode, message: string): void {
    const { onRefused, onBroken } = this.#options;
    this.#refusals++;
    if (this.#refusals > REFUSALS_MOST) return;
    if (this.#refusals === REFUSALS_MOST)
      onBroken(code, `${message} It is the ${REFUSALS_MOST}th refusal.`, REASON.quota);
    else onRefused(code, message);
  }

  /** Whether a topic, or what a filter can fit, belongs to the device. */
  #owns(topic: string): boolean {
    const { prefix } = this.#options;
    return topic.length > prefix.length && topic.startsWith(prefix);
  }

  #handOn(
    fullTopic: string,
    payload: string | Buffer,
    flags: Pick<DeviceMessage, 'qos' | 'retain' | 'dup' | 'will'>,
    properties: MessageProperties,
  ): void {
    const { device, prefix, serial, clientId, onMessage } = this.#options;
    this.received++;
    onMessage({
      ...device,
      ...flags,
      topic: fullTopic.slice(prefix.length),
      fullTopic,
      // A copy: what came is a window on a buffer many times as large.
      payload: Buffer.from(payload as Buffer),
      serial,
      clientId,
      properties,
    });
  }

  #subscribe(packet: ISubscribePacket): void {
    const { wire, onBroken } = this.#options;
    if (packet.properties?.subscriptionIdentifier !== undefined) {
      onBroken('PROTOCOL_ERROR', 'A SUBSCRIBE has an identifier, and none is allowed.', REASON.subscriptionIds);
      return;
    }
    const granted = packet.subscriptions.map(({ topic, qos }) => {
      const reason = this.#refusalOf(topic);
      if (reason !== undefined) return this.#five ? reason : REFUSED_311;
      this.#filters.set(topic, qos);
      return qos;
    });
    wire.send(encode({ cmd: 'suback', messageId: packet.messageId as number, granted }, this.#five ? 5 : 4));
  }

  /** The reason of MQTT 5 for which a filter is refused. */
  #refusalOf(filter: string): number | undefined {
    const { limits } = this.#options;
    const shown = JSON.stringify(filter.slice(0, 128));
    if (filter.startsWith('$share/')) {
      this.#refused('BAD_TOPIC', `The shared subscription ${shown}.`);
      return REASON.shared;
    }
    if (!isFilter(filter)) {
      this.#refused('BAD_TOPIC', `The filter ${shown} is none.`);
      return REASON.badFilter;
    }
    // A wildcard within the prefix cannot begin with it, so a filter that does fits nothing beyond it.
    if (!this.#owns(filter) || filter.startsWith('$')) {
      this.#refused('TOPIC_OUTSIDE_SCOPE', `The filter ${shown}, which is not its own.`);
      return REASON.notAuthorized;
    }
    if (!this.#filters.has(filter) && this.#filters.size >= limits.subscriptions) {
      this.#refused('TOO_MANY_SUBSCRIPTIONS', `More than ${limits.subscriptions} filters.`);
      return REASON.quota;
    }
    return undefined;
  }

  #unsubscribe(packet: IUnsubscribePacket): void {
    const granted = packet.unsubscriptions.map((filter) => (this.#filters.delete(filter) ? 0 : 0x11));
    const { wire } = this.#options;
    wire.send(encode({ cmd: 'unsuback', messageId: packet.messageId as number, granted }, this.#five ? 5 : 4));
  }
}
