import type { IConnectPacket } from 'mqtt-packet';
import { type EndpointCode, fail } from './errors.ts';
import { isTopic } from './topics.ts';
import type { OutgoingMessage } from './types.ts';

/** MQTT 5 §2.4. */
export const REASON = {
  malformed: 0x81,
  protocolError: 0x82,
  notAuthorized: 0x87,
  shuttingDown: 0x8b,
  keepAlive: 0x8d,
  takenOver: 0x8e,
  badFilter: 0x8f,
  badTopic: 0x90,
  tooManyInflight: 0x93,
  topicAlias: 0x94,
  packetTooLarge: 0x95,
  quota: 0x97,
  retain: 0x9a,
  shared: 0x9e,
  subscriptionIds: 0xa1,
} as const;

/** What is wrong with a CONNECT; `reason` is MQTT 5's, `code311` the return code of 3.1.1. */
export interface ConnectProblem {
  readonly code: EndpointCode;
  readonly message: string;
  readonly reason: number;
  readonly code311: number;
}

const CLIENT_ID_MOST = 256;

/** @param prefix what the topic of its will must begin with */
export function connectProblem(connect: IConnectPacket, prefix: string): ConnectProblem | undefined {
  const { protocolVersion, protocolId, clientId, clean, will, properties } = connect;
  if (protocolId !== 'MQTT' || (protocolVersion !== 4 && protocolVersion !== 5) || 'bridgeMode' in connect) {
    return { code: 'PROTOCOL_VERSION', message: 'The client speaks another MQTT.', reason: 0x84, code311: 1 };
  }
  const badId = Buffer.byteLength(clientId) > CLIENT_ID_MOST || /[\p{Cc}\ufffd]/u.test(clientId);
  if (badId || (clientId === '' && clean !== true && protocolVersion === 4)) {
    return { code: 'CLIENT_ID', message: 'The client identifier cannot be taken.', reason: 0x85, code311: 2 };
  }
  if (properties?.authenticationMethod !== undefined) {
    return { code: 'AUTH_METHOD', message: 'The client asks for an authentication.', reason: 0x8c, code311: 5 };
  }
  if (properties?.receiveMaximum === 0 || properties?.maximumPacketSize === 0) {
    return { code: 'PROTOCOL_ERROR', message: 'A bound of the client is 0.', reason: 0x82, code311: 5 };
  }
  if (will === undefined) return undefined;
  if (!isTopic(will.topic)) {
    return { code: 'BAD_TOPIC', message: 'The topic of the will is none.', reason: REASON.badTopic, code311: 5 };
  }
  if (!will.topic.startsWith(prefix) || will.topic.length === prefix.length) {
    const message = `A will for ${JSON.stringify(will.topic.slice(0, 128))}, which is not its own.`;
    return { code: 'TOPIC_OUTSIDE_SCOPE', message, reason: REASON.notAuthorized, code311: 5 };
  }
  if (will.retain === true && protocolVersion === 5) {
    return { code: 'RETAIN_NOT_SUPPORTED', message: 'The will is to be retained.', reason: REASON.retain, code311: 5 };
  }
  return undefined;
}

/** The publish that a flow asks for, checked. @throws BAD_MESSAGE, BAD_TOPIC */
export function checkOutgoing(message: OutgoingMessage): void {
  const { topic, payload, qos = 0, expiryMs } = message;
  const bad = (field: string, what: string): Error =>
    fail('BAD_MESSAGE', `The message to a device cannot be sent: ${what}.`, {
      hint: 'Give text or bytes as the payload, and 0, 1 or 2 as the QoS.',
      detail: { field },
    });
  if (typeof topic !== 'string' || topic === '' || !isTopic(`x/${topic}`)) {
    throw fail('BAD_TOPIC', `${JSON.stringify(String(topic).slice(0, 128))} is no topic for a message.`, {
      hint: 'Give a topic without wildcards and control characters; the prefix of the device is put before it.',
      detail: { field: 'topic' },
    });
  }
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) throw bad('payload', 'it is no text or bytes');
  if (qos !== 0 && qos !== 1 && qos !== 2) throw bad('qos', `there is no QoS ${String(qos)}`);
  if (expiryMs !== undefined && !(expiryMs > 0)) throw bad('expiryMs', 'its time is over');
}
