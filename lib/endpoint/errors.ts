import { errorMaker } from '../errors/index.ts';

/** What can go wrong at the device endpoint, and why it refuses. */
export const endpointErrors = {
  BAD_SETTINGS: 'a setting of the endpoint is out of its range; detail.field says which',
  BAD_TLS: 'the key or the certificate of the endpoint cannot be used, or they do not belong together',
  PORT_IN_USE: 'another program listens on this address and port',
  PORT_DENIED: 'this user may not listen on this port',
  LISTEN_FAILED: 'the endpoint cannot listen on this address',
  ENDPOINT_CLOSED: 'the endpoint is not listening, or was closed',
  DEVICE_OFFLINE: 'the device has no session, or it ended before the device answered',
  NOT_SUBSCRIBED: 'the device is connected and has not subscribed to the topic',
  BAD_TOPIC: 'a topic or filter is empty, too long, no UTF-8, or has wildcards where none may be',
  BAD_MESSAGE: 'a message to a device is no text or bytes, or a field of it is out of its range',
  QUEUE_FULL: 'too many messages wait for the device already, or it reads too slowly',
  MESSAGE_EXPIRED: 'the time of the message was over before it could be sent',
  MESSAGE_REFUSED: 'the device answered that it does not take the message',
  PACKET_TOO_LARGE: 'an MQTT packet is larger than the endpoint, or the device, takes',
  TOO_MANY_CONNECTIONS: 'more connections, or unfinished handshakes, than the endpoint takes',
  TOO_MANY_FROM_ADDRESS: 'more connections from one address than the endpoint takes',
  HANDSHAKE_FAILED: 'the TLS handshake failed',
  HANDSHAKE_TIMEOUT: 'the TLS handshake took too long',
  CONNECT_TIMEOUT: 'no CONNECT came in time',
  CONNECT_EXPECTED: 'the first MQTT packet was no CONNECT',
  CONNECT_AGAIN: 'a second CONNECT came on one connection',
  PROTOCOL_VERSION: 'the client speaks neither MQTT 3.1.1 nor 5',
  CLIENT_ID: 'the client identifier is empty where it may not be, too long, or no UTF-8',
  AUTH_METHOD: 'the client asks for an authentication beside its certificate',
  MALFORMED_PACKET: 'bytes are no MQTT packet',
  PROTOCOL_ERROR: 'an MQTT packet that may not come there, or says what it may not say',
  TOPIC_OUTSIDE_SCOPE: 'a topic or filter is outside what belongs to the device',
  TOO_MANY_SUBSCRIPTIONS: 'more filters than a session may have',
  TOO_MANY_INFLIGHT: 'more messages of QoS 2 without a release than the endpoint takes',
  RETAIN_NOT_SUPPORTED: 'the device asks for a message to be retained, which this endpoint does not do',
  KEEP_ALIVE: 'nothing came from the device for one and a half times its keep alive',
  NOT_READING: 'the device does not read what is sent to it',
  JUDGE_FAILED: 'whether the certificate holds could not be found out',
  AUDIT_FAILED: 'the audit log could not be written',
  PRESENCE_FAILED: 'who is online could not be written into the registry',
  CUT_REQUESTED: 'somebody asked for the sessions of the device to be ended',
  MOSQUITTO_NOT_THERE: 'mosquitto is not running, or cannot be reached',
  MOSQUITTO_REFUSED: 'mosquitto, or its dynamic security plugin, refused the command',
} as const;

export type EndpointCode = keyof typeof endpointErrors;

export const fail = errorMaker(endpointErrors);
