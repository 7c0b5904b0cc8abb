import assert from 'node:assert/strict';
import type { TLSSocket } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import { Connection, type Host } from '../../../lib/endpoint/connection.ts';
import {
  DEFAULT_LIMITS,
  type DeviceMessage,
  endpointErrors,
  type MessageProperties,
} from '../../../lib/endpoint/index.ts';
import { FUZZ_TIMEOUT, fuzzAsync, mutate, type Random } from '../esp/formats/fuzz.ts';
import { FakeSocket } from './fake-socket.ts';

const PREFIX = 'n/246f28aabb0c/';
const LIMITS = { ...DEFAULT_LIMITS, packetBytes: 2048, receiveMaximum: 4, subscriptions: 4 };

const will = { topic: `${PREFIX}gone`, payload: Buffer.from('gone'), qos: 1, retain: false } as const;
const properties = { contentType: 'a', correlationData: Buffer.from([1]), userProperties: { a: ['b', 'c'] } };

/** Sessions as clients have them. */
const sessions = ([4, 5] as const).map((version): Buffer[] => {
  const five = version === 5;
  const packets: Packet[] = [
    {
      ...{ cmd: 'connect', clientId: 'chip', protocolId: 'MQTT', protocolVersion: version, clean: true, keepalive: 60 },
      ...{ will, username: 'u', password: Buffer.from('p') },
      ...(five ? { properties: { receiveMaximum: 3, sessionExpiryInterval: 9, userProperties: { x: 'y' } } } : {}),
    },
    {
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: `${PREFIX}down/#`, qos: 2 },
        { topic: 'x/+', qos: 0 },
      ],
    },
    {
      ...{ cmd: 'publish', topic: `${PREFIX}up`, payload: 'hello', qos: 1, messageId: 2, dup: false, retain: false },
      ...(five ? { properties } : {}),
    },
    { cmd: 'publish', topic: `${PREFIX}up`, payload: 'x', qos: 2, messageId: 3, dup: false, retain: false },
    { cmd: 'pubrel', messageId: 3, ...(five ? { reasonCode: 0 } : {}) },
    { cmd: 'puback', messageId: 1, ...(five ? { reasonCode: 0, properties: { reasonString: 'r' } } : {}) },
    { cmd: 'pubrec', messageId: 1, ...(five ? { reasonCode: 0x97 } : {}) },
    { cmd: 'pubcomp', messageId: 1 },
    { cmd: 'pingreq' },
    { cmd: 'unsubscribe', messageId: 4, unsubscriptions: [`${PREFIX}down/#`] },
    { cmd: 'disconnect', ...(five ? { reasonCode: 4, properties: { reasonString: 'r' } } : {}) },
  ];
  return packets.map((packet) => generate(packet, { protocolVersion: version }));
});

/** The packet with changes; half of them in its body, with its length put right. */
function twisted(given: Uint8Array, random: Random): Uint8Array {
  // A Buffer refuses to be filled beyond its end.
  const packet = Uint8Array.from(given);
  const bodyAt = packet.findIndex((byte, i) => i > 0 && byte < 0x80) + 1;
  if (random.chance(2)) return mutate(packet, random);
  const body = mutate(packet.subarray(bodyAt), random);
  const head = [packet[0] as number];
  for (let length = body.length; head.length === 1 || length > 0; length = Math.floor(length / 128)) {
    head.push((length & 0x7f) | (length >= 128 ? 0x80 : 0));
  }
  return Buffer.concat([Buffer.from(head), body]);
}

interface Input {
  readonly chunks: readonly Uint8Array[];
}

function made(random: Random): Input {
  const packets = random.pick(sessions);
  const connect = packets[0] as Buffer;
  const rest = packets.slice(1).filter(() => !random.chance(4));
  if (random.chance(3)) rest.reverse();
  const parts: Uint8Array[] = [random.chance(4) ? twisted(connect, random) : connect];
  for (const packet of rest) parts.push(random.chance(3) ? twisted(packet, random) : packet);
  if (random.chance(8)) parts.push(random.bytes(random.below(40)));
  const stream = Buffer.concat(parts);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = 1 + random.below(stream.length);
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  return { chunks };
}

describe('fuzz: the endpoint’s packets', function () {
  this.timeout(FUZZ_TIMEOUT);

  it('refuses with a code or goes on; lets no message through that is not the device’s; answers in MQTT', async () => {
    let accepted = 0;
    let refusedRuns = 0;
    const known: Record<string, string> = endpointErrors;
    await fuzzAsync(made, async ({ chunks }) => {
      const messages: DeviceMessage[] = [];
      const codes: string[] = [];
      let left = 0;
      const device = { namespace: 'n', mac: '246f28aabb0c', serial: '0'.repeat(32) };
      const admitted = { ok: true, ...device, notAfter: 2e12, renewal: false } as const;
      const host: Host = {
        ...{ limits: LIMITS, topicPrefix: '{namespace}/{mac}/', cutAtExpiry: true, cadenceMs: 60_000 },
        now: () => 0,
        time: () => 1e12,
        judged: () => Promise.resolve(admitted),
        isRevoked: () => false,
        used: () => Promise.resolve(undefined),
        known: () => undefined,
        entered: () => undefined,
        refused: ({ code }) => codes.push(code),
        message: (message) => messages.push(message),
        cut: () => undefined,
        left: () => {
          left++;
        },
        gone: () => undefined,
      };
      const socket = new FakeSocket();
      const connection = new Connection(host, socket as unknown as TLSSocket, '127.0.0.1:1');
      await connection.start();
      for (const chunk of chunks) {
        socket.give(chunk);
        await Promise.resolve();
        await Promise.resolve();
      }
      await new Promise((resolve) => setImmediate(resolve));
      if (codes.length > 0) refusedRuns++;
      else accepted++;
      const over = socket.destroyed;
      const info = connection.info;
      if (!over) socket.destroy();
      assert.equal(left, 1);
      for (const code of codes) assert.ok(known[code] !== undefined, code);
      for (const { topic, fullTopic, payload, qos, properties: own } of messages) {
        soundProperties(own);
        assert.ok(fullTopic.startsWith(PREFIX) && topic === fullTopic.slice(PREFIX.length) && topic !== '', fullTopic);
        assert.ok(!/[+#\p{Cc}]/u.test(topic) && Buffer.isBuffer(payload) && qos <= 2);
      }
      assert.ok((info?.subscriptions.length ?? 0) <= LIMITS.subscriptions);
      answersAreMqtt(socket.written, chunks);
    });
    assert.ok(accepted > 0 && refusedRuns > 0, `${accepted} accepted, ${refusedRuns} refused`);
  });
});

function soundProperties({ userProperties = {}, ...others }: MessageProperties): void {
  for (const value of Object.values(userProperties).flat()) assert.equal(typeof value, 'string');
  for (const value of Object.values(others)) {
    const good = typeof value === 'string' || typeof value === 'boolean' || Buffer.isBuffer(value);
    assert.ok(good || (typeof value === 'number' && value >= 0), String(value));
  }
}

/** What was written is whole packets of the version that the client asked for. */
function answersAreMqtt(written: readonly string[], chunks: readonly Uint8Array[]): void {
  const bytes = Buffer.from(written.join(''), 'hex');
  if (bytes.length === 0) return;
  const problems = ([4, 5] as const).map((protocolVersion) => {
    const reader = parser({ protocolVersion });
    let problem: unknown;
    reader.on('error', (error) => {
      problem ??= error;
    });
    const rest = reader.parse(bytes);
    return problem ?? (rest === 0 ? undefined : `${rest} bytes are left`);
  });
  assert.ok(
    problems.includes(undefined),
    `${bytes.toString('hex')}: ${problems} after ${Buffer.concat(chunks).toString('hex')}`,
  );
}
