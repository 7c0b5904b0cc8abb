import { generate, type IPublishPacket, type Packet, type Parser, parser } from 'mqtt-packet';
import type { EndpointCode } from './errors.ts';
import { topicIsUtf8 } from './topics.ts';
import type { MessageProperties } from './types.ts';

/** What is wrong with a packet. */
export interface Problem {
  readonly code: EndpointCode;
  readonly message: string;
}

export type Read = { readonly packet: Packet } | { readonly problem: Problem };

/** The properties that each packet of a client may have (MQTT 5 §2.2.2.2), by the names of mqtt-packet. */
const PROPERTIES: Readonly<Record<string, readonly string[]>> = {
  connect: [
    ...['sessionExpiryInterval', 'receiveMaximum', 'maximumPacketSize', 'topicAliasMaximum', 'userProperties'],
    ...['requestResponseInformation', 'requestProblemInformation', 'authenticationMethod', 'authenticationData'],
  ],
  will: [
    ...['willDelayInterval', 'payloadFormatIndicator', 'messageExpiryInterval', 'contentType', 'responseTopic'],
    ...['correlationData', 'userProperties'],
  ],
  publish: [
    ...['payloadFormatIndicator', 'messageExpiryInterval', 'topicAlias', 'responseTopic', 'correlationData'],
    ...['userProperties', 'contentType'],
  ],
  subscribe: ['subscriptionIdentifier', 'userProperties'],
  unsubscribe: ['userProperties'],
  disconnect: ['sessionExpiryInterval', 'reasonString', 'userProperties'],
  puback: ['reasonString', 'userProperties'],
  pubrec: ['reasonString', 'userProperties'],
  pubrel: ['reasonString', 'userProperties'],
  pubcomp: ['reasonString', 'userProperties'],
};

/**
 * Reads whole packets, one by one, with mqtt-packet; what it lets through although MQTT forbids it is refused here.
 * It learns the version of MQTT from the CONNECT.
 */
export class PacketReader {
  readonly #parser: Parser = parser();
  #packet: Packet | undefined;
  #error: unknown;
  #version = 4;

  constructor() {
    this.#parser.on('packet', (packet) => {
      this.#packet = packet;
    });
    this.#parser.on('error', (error) => {
      this.#error = error;
    });
  }

  read(frame: Buffer, bodyAt: number): Read {
    this.#packet = undefined;
    this.#error = undefined;
    try {
      this.#parser.parse(frame);
    } catch (error) {
      this.#error ??= error;
    }
    const packet = this.#packet as Packet | undefined;
    if (this.#error !== undefined || packet === undefined) {
      return malformed(this.#error instanceof Error ? this.#error.message : 'The packet is not whole');
    }
    if (packet.cmd === 'connect') this.#version = packet.protocolVersion ?? 4;
    if (packet.cmd === 'publish' && !topicIsUtf8(frame, bodyAt)) return malformed('The topic is no UTF-8');
    const problem = this.#problemOf(packet);
    return problem === undefined ? { packet } : { problem };
  }

  #problemOf(packet: Packet): Problem | undefined {
    const five = this.#version === 5;
    const length = packet.length ?? 0;
    switch (packet.cmd) {
      case 'connect':
        if ((packet.will?.qos ?? 0) > 2) return malformed('The will has QoS 3').problem;
        if (packet.will !== undefined) {
          const wrong = badProperties('will', packet.will.properties);
          if (wrong !== undefined) return wrong;
        }
        break;
      case 'publish':
        if (packet.qos > 0 && !isId(packet.messageId)) return malformed('A packet has the identifier 0').problem;
        if (packet.qos === 0 && packet.dup) return malformed('QoS 0 is marked as sent again').problem;
        break;
      case 'subscribe':
        if (!isId(packet.messageId)) return malformed('A packet has the identifier 0').problem;
        if (packet.subscriptions.length === 0) return malformed('A SUBSCRIBE names no filter').problem;
        break;
      case 'unsubscribe':
        if (!isId(packet.messageId)) return malformed('A packet has the identifier 0').problem;
        if (packet.unsubscriptions.length === 0) return malformed('An UNSUBSCRIBE names no filter').problem;
        break;
      case 'puback':
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        if (!isId(packet.messageId)) return malformed('A packet has the identifier 0').problem;
        if (!five && length !== 2) return malformed(`A ${packet.cmd} has ${length} bytes`).problem;
        break;
      case 'pingreq':
        if (length !== 0) return malformed('A PINGREQ has a body').problem;
        break;
      case 'disconnect':
        if (!five && length !== 0) return malformed('A DISCONNECT has a body').problem;
        break;
    }
    return 'properties' in packet ? badProperties(packet.cmd, packet.properties) : undefined;
  }
}

function malformed(message: string): { problem: Problem } {
  return { problem: { code: 'MALFORMED_PACKET', message: `${message}.` } };
}

const isId = (id: number | undefined): boolean => id !== undefined && id >= 1 && id <= 65_535;

/** mqtt-packet gives null for a text and -1 for a number that is cut short, and a list for what is there twice. */
function badProperties(kind: string, properties: object | undefined): Problem | undefined {
  if (properties === undefined) return undefined;
  const allowed = PROPERTIES[kind] ?? [];
  for (const [name, value] of Object.entries(properties)) {
    if (!allowed.includes(name)) {
      return { code: 'PROTOCOL_ERROR', message: `The property ${name} may not be there.` };
    }
    if (name === 'userProperties') {
      if (
        Object.values(value as object)
          .flat()
          .every((text) => typeof text === 'string')
      )
        continue;
      return malformed('A property of the user is cut short').problem;
    }
    if (Array.isArray(value)) return { code: 'PROTOCOL_ERROR', message: `The property ${name} is there twice.` };
    if (value === null || value === -1 || value === undefined) {
      return malformed(`The property ${name} is cut short`).problem;
    }
  }
  return undefined;
}

/** What of a message's properties the flow gets. */
export function messageProperties(properties: IPublishPacket['properties']): MessageProperties {
  if (properties === undefined) return {};
  const { contentType, responseTopic, correlationData, payloadFormatIndicator, messageExpiryInterval } = properties;
  const { userProperties } = properties;
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    ...(payloadFormatIndicator === undefined ? {} : { payloadFormatIndicator }),
    ...(messageExpiryInterval === undefined ? {} : { messageExpiryInterval }),
    // A key of that name would change what copies of the message are made of.
    ...(userProperties === undefined
      ? {}
      : { userProperties: Object.fromEntries(Object.entries(userProperties).filter(([key]) => key !== '__proto__')) }),
  };
}

const ACKS = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** PUBACK, PUBREC, PUBREL or PUBCOMP. A reason other than 0 is MQTT 5's. */
export function ack(kind: keyof typeof ACKS, id: number, reason = 0): Buffer {
  const head = [ACKS[kind], reason === 0 ? 2 : 3, id >> 8, id & 0xff];
  return Buffer.from(reason === 0 ? head : [...head, reason]);
}

export const PINGRESP = Buffer.from([0xd0, 0]);

/** DISCONNECT of MQTT 5; 3.1.1 has none for a server. */
export function disconnect(reason: number): Buffer {
  return Buffer.from([0xe0, 1, reason]);
}

/** Any packet of ours. */
export function encode(packet: Packet, version: 4 | 5): Buffer {
  return generate(packet, { protocolVersion: version });
}
