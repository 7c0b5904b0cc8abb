import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { generate, type Packet } from 'mqtt-packet';
import { endpointErrors } from '../../../lib/endpoint/index.ts';
import { Bench, FakeJudge, type Ground, ground, MAC, NAMESPACE, PREFIX, type Raw } from './support.ts';

type Connect = Partial<Extract<Packet, { cmd: 'connect' }>>;

const SUBSCRIBE = { cmd: 'subscribe', messageId: 1 } as const;
const PUBLISH = { cmd: 'publish', payload: 'x', qos: 1, dup: false, retain: false, messageId: 9 } as const;

describe('endpoint: bad input', () => {
  let all: Ground;
  let bench: Bench;
  before(async () => {
    all = await ground();
  });
  after(() => all?.close());
  beforeEach(async () => {
    bench = await new Bench(all, new FakeJudge(), { manual: true }).open();
  });
  afterEach(async () => {
    try {
      // Whatever came, the service stays up.
      const control = await (await bench.raw(all.other)).in();
      control.send({ cmd: 'pingreq' });
      await control.next('pingresp');
      assert.deepEqual(bench.told.all('trouble'), []);
      const known: Record<string, string> = endpointErrors;
      for (const code of bench.told.codes) assert.ok(known[code] !== undefined, code);
    } finally {
      await bench?.close();
    }
  });

  const refusal = async (): Promise<string> => (await bench.told.until('refused'))[0]?.code ?? '';

  describe('before a session', () => {
    for (const [name, code, ...bytes] of [
      ['a PINGREQ', 'CONNECT_EXPECTED', 0xc0, 0],
      ['a PUBLISH', 'CONNECT_EXPECTED', 0x30, 4, 0, 1, 0x61, 0x62],
      ['a DISCONNECT', 'CONNECT_EXPECTED', 0xe0, 0],
      ['a packet of no kind', 'MALFORMED_PACKET', 0, 0],
      ['HTTP', 'MALFORMED_PACKET', ...Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), ...Buffer.alloc(200, 0x61)],
      ['a length of five bytes', 'MALFORMED_PACKET', 0x10, 0xff, 0xff, 0xff, 0xff, 0x01],
      ['more than the limit', 'PACKET_TOO_LARGE', 0x10, 0x81, 0x80, 0x10],
      [
        'a CONNECT with a reserved flag',
        'MALFORMED_PACKET',
        0x10,
        13,
        0,
        4,
        0x4d,
        0x51,
        0x54,
        0x54,
        4,
        3,
        0,
        0,
        0,
        1,
        0x61,
      ],
      ['a CONNECT that is cut short', 'MALFORMED_PACKET', 0x10, 8, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2],
      [
        'a CONNECT of another protocol',
        'MALFORMED_PACKET',
        0x10,
        13,
        0,
        4,
        0x4d,
        0x51,
        0x54,
        0x55,
        4,
        2,
        0,
        0,
        0,
        1,
        0x61,
      ],
      ['MQTT 6', 'MALFORMED_PACKET', 0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 6, 2, 0, 0, 0, 1, 0x61],
    ] as [string, string, ...number[]][]) {
      it(`${name}: closed without an answer`, async () => {
        const raw = await bench.raw(all.device);
        raw.write(bytes);
        await raw.closed;
        assert.equal(await refusal(), code);
        assert.equal(raw.bytes, 0);
      });
    }

    for (const [name, code, version, answer, connect] of [
      ['MQTT 3.1', 'PROTOCOL_VERSION', 4, 1, { protocolVersion: 3, protocolId: 'MQIsdp' }],
      ['a control character in the client identifier', 'CLIENT_ID', 4, 2, { clientId: 'a\nb' }],
      ['a client identifier that is too long', 'CLIENT_ID', 5, 0x85, { clientId: 'a'.repeat(257) }],
      ['an authentication method', 'AUTH_METHOD', 5, 0x8c, { properties: { authenticationMethod: 'x' } }],
      ['a receive maximum of 0', 'PROTOCOL_ERROR', 5, 0x82, { properties: { receiveMaximum: 0 } }],
      ['a will elsewhere', 'TOPIC_OUTSIDE_SCOPE', 4, 5, { will: { topic: 'other/x', payload: Buffer.from('x') } }],
      [
        'a will elsewhere',
        'TOPIC_OUTSIDE_SCOPE',
        5,
        0x87,
        { will: { topic: `${NAMESPACE}/246f28aabb10/x`, payload: Buffer.from('x') } },
      ],
      ['a will for a filter', 'BAD_TOPIC', 5, 0x90, { will: { topic: `${PREFIX}#`, payload: Buffer.from('x') } }],
      [
        'a will to be retained',
        'RETAIN_NOT_SUPPORTED',
        5,
        0x9a,
        { will: { topic: `${PREFIX}x`, payload: Buffer.from('x'), retain: true } },
      ],
    ] as [string, string, 4 | 5, number, Connect][]) {
      it(`${name}: CONNACK ${answer}`, async () => {
        const raw = (await bench.raw(all.device)).as(version);
        raw.connect(connect);
        const connack = await raw.next('connack');
        assert.equal(version === 4 ? connack.returnCode : connack.reasonCode, answer);
        await raw.closed;
        assert.equal(await refusal(), code);
      });
    }

    it('no client identifier for a session to be kept: CONNACK 2', async () => {
      const raw = await bench.raw(all.device);
      raw.write([0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0, 0, 0, 0, 0]);
      assert.equal((await raw.next('connack')).returnCode, 2);
      await raw.closed;
      assert.equal(await refusal(), 'CLIENT_ID');
    });

    it('nothing at all, for too long', async () => {
      const raw = await bench.raw(all.device);
      raw.write([0x10]);
      await bench.clock.advance(9_000);
      assert.equal(raw.socket.destroyed, false);
      await bench.clock.advance(3_000);
      await raw.closed;
      assert.equal(await refusal(), 'CONNECT_TIMEOUT');
    });

    it('no TLS at all', async () => {
      const socket = connectTcp(bench.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(generate({ cmd: 'connect', clientId: 'a', protocolId: 'MQTT', clean: true, keepalive: 0 }));
      await once(socket, 'close');
      const [told] = await bench.told.until('refused');
      assert.deepEqual([told?.code, told?.at], ['HANDSHAKE_FAILED', 'handshake']);
      assert.match(told?.address ?? '', /^127\.0\.0\.1:\d+$/);
    });

    it('a connection that goes before its handshake', async () => {
      const socket = connectTcp(bench.port, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
      const [told] = await bench.told.until('refused');
      assert.equal(told?.code, 'HANDSHAKE_FAILED');
      assert.match(told?.address ?? '', /^127\.0\.0\.1:\d+$/);
    });
  });

  describe('in a session', () => {
    const inside = async (version: 4 | 5 = 5): Promise<Raw> => (await bench.raw(all.device)).as(version).in();

    for (const [name, code, reason, packet] of [
      [
        'a second CONNECT',
        'CONNECT_AGAIN',
        0x82,
        { cmd: 'connect', clientId: 'x', protocolId: 'MQTT', protocolVersion: 5, clean: true, keepalive: 0 },
      ],
      ['a CONNACK', 'PROTOCOL_ERROR', 0x82, { cmd: 'connack', sessionPresent: false, reasonCode: 0 }],
      ['a SUBACK', 'PROTOCOL_ERROR', 0x82, { cmd: 'suback', messageId: 1, granted: [0] }],
      ['a PINGRESP', 'PROTOCOL_ERROR', 0x82, { cmd: 'pingresp' }],
      ['an AUTH', 'PROTOCOL_ERROR', 0x82, { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'x' } }],
      ['a topic with a wildcard', 'BAD_TOPIC', 0x90, { ...PUBLISH, topic: `${PREFIX}+` }],
      ['a topic with a control character', 'BAD_TOPIC', 0x90, { ...PUBLISH, topic: `${PREFIX}\u0007` }],
      ['a topic that is too long', 'BAD_TOPIC', 0x90, { ...PUBLISH, topic: PREFIX + 'a'.repeat(1024) }],
      ['no topic', 'BAD_TOPIC', 0x90, { ...PUBLISH, topic: '' }],
      ['a message to be retained', 'RETAIN_NOT_SUPPORTED', 0x9a, { ...PUBLISH, topic: `${PREFIX}x`, retain: true }],
      ['a topic alias', 'PROTOCOL_ERROR', 0x94, { ...PUBLISH, topic: `${PREFIX}x`, properties: { topicAlias: 1 } }],
      [
        'a message with an identifier of a subscription',
        'PROTOCOL_ERROR',
        0x82,
        { ...PUBLISH, topic: `${PREFIX}x`, properties: { subscriptionIdentifier: 1 } },
      ],
      [
        'a SUBSCRIBE with an identifier',
        'PROTOCOL_ERROR',
        0xa1,
        { ...SUBSCRIBE, subscriptions: [{ topic: `${PREFIX}x`, qos: 0 }], properties: { subscriptionIdentifier: 1 } },
      ],
      ['the packet identifier 0', 'MALFORMED_PACKET', 0x81, { ...PUBLISH, topic: `${PREFIX}x`, messageId: 0 }],
      [
        'more than the limit',
        'PACKET_TOO_LARGE',
        0x95,
        { ...PUBLISH, topic: `${PREFIX}x`, payload: Buffer.alloc(300_000) },
      ],
    ] as [string, string, number, Packet][]) {
      it(`${name}: DISCONNECT 0x${reason.toString(16)}`, async () => {
        const raw = await inside();
        raw.send(packet);
        assert.equal((await raw.next('disconnect')).reasonCode, reason);
        await raw.closed;
        assert.equal(await refusal(), code);
        assert.equal(bench.told.all('offline')[0]?.reason, 'refused');
        assert.deepEqual(bench.told.all('message'), []);
      });
    }

    for (const [name, ...bytes] of [
      ['QoS 3', 0x36, 6, 0, 1, 0x61, 0, 1, 0x62],
      ['a topic that is no UTF-8', 0x30, 4, 0, 2, 0xc3, 0x28],
      ['a topic longer than its packet', 0x30, 4, 0, 9, 0x61, 0x62],
      ['a SUBSCRIBE without a filter', 0x82, 3, 0, 1, 0],
      ['a SUBSCRIBE with the wrong flags', 0x80, 7, 0, 1, 0, 0, 1, 0x61, 0],
      ['an UNSUBSCRIBE without a filter', 0xa2, 3, 0, 1, 0],
      ['properties longer than their packet', 0x30, 5, 0, 1, 0x61, 0x7f, 0x01],
      ['a property that there is not', 0x30, 6, 0, 1, 0x61, 2, 0x7e, 0],
      ['a property that is cut short', 0x30, 7, 0, 1, 0x61, 3, 0x02, 0, 0],
      ['a PINGREQ with a body', 0xc0, 1, 0],
      ['a PUBREL with the wrong flags', 0x60, 2, 0, 1],
    ] as [string, ...number[]][]) {
      it(`${name}: malformed`, async () => {
        const raw = await inside();
        raw.write(bytes);
        assert.equal((await raw.next('disconnect')).reasonCode, 0x81);
        await raw.closed;
        assert.equal(await refusal(), 'MALFORMED_PACKET');
      });
    }

    it('a property twice', async () => {
      const raw = await inside();
      raw.write([0x30, 9, 0, 1, 0x61, 4, 0x23, 0, 1, 0x23, 0]);
      await raw.closed;
      assert.ok(['MALFORMED_PACKET', 'PROTOCOL_ERROR'].includes(await refusal()));
    });

    it('in 3.1.1 the connection closes, for want of words', async () => {
      const raw = await inside(4);
      raw.send({ ...PUBLISH, topic: `${NAMESPACE}/246f28aabb10/x` });
      await raw.closed;
      assert.deepEqual(raw.packets, []);
      assert.equal(await refusal(), 'TOPIC_OUTSIDE_SCOPE');
    });

    it('in 5 a message elsewhere is refused, written down, and the session goes on', async () => {
      const raw = await inside();
      for (const topic of [
        'x',
        `${NAMESPACE}/246f28aabb10/x`,
        `${NAMESPACE}/${MAC}`,
        PREFIX,
        `${PREFIX.toUpperCase()}x`,
      ]) {
        raw.send({ ...PUBLISH, topic });
        assert.equal((await raw.next('puback')).reasonCode, 0x87, topic);
        raw.send({ ...PUBLISH, topic, qos: 2 });
        assert.equal((await raw.next('pubrec')).reasonCode, 0x87, topic);
      }
      raw.send({ ...PUBLISH, topic: `${PREFIX}x` });
      assert.equal((await raw.next('puback')).reasonCode, 0);
      assert.equal(bench.told.all('message').length, 1);
      assert.deepEqual(new Set(bench.told.codes), new Set(['TOPIC_OUTSIDE_SCOPE']));
      assert.equal(bench.told.codes.length, 10);
      assert.equal(bench.audit.filter(({ action }) => action === 'endpoint.refused').length, 1);
    });

    for (const version of [4, 5] as const) {
      it(`a filter elsewhere is refused, one of its own beside it is granted: ${version}`, async () => {
        const raw = await inside(version);
        const filters: [string, number][] = [
          ['#', 0x87],
          ['+/+/x', 0x87],
          [`${NAMESPACE}/+/x`, 0x87],
          [`${NAMESPACE}/246f28aabb10/#`, 0x87],
          ['$SYS/#', 0x87],
          ['$share/g/x', 0x9e],
          [`${PREFIX}a#`, 0x8f],
          [`${PREFIX}#/a`, 0x8f],
          [`${PREFIX}a+`, 0x8f],
          [`${PREFIX}#`, 1],
          [`${PREFIX}+/a`, 1],
          [`${PREFIX}a`, 1],
        ];
        raw.send({ ...SUBSCRIBE, subscriptions: filters.map(([topic]) => ({ topic, qos: 1 })) });
        assert.deepEqual(
          (await raw.next('suback')).granted,
          filters.map(([, reason]) => (version === 4 && reason > 2 ? 0x80 : reason)),
        );
        assert.deepEqual(bench.endpoint.sessions()[0]?.subscriptions, ['#', '+/a', 'a']);
      });
    }

    it('more filters than a session may have', async () => {
      const raw = await inside();
      const subscriptions = Array.from({ length: 33 }, (_, i) => ({ topic: `${PREFIX}${i}`, qos: 0 as const }));
      raw.send({ ...SUBSCRIBE, subscriptions });
      const { granted } = await raw.next('suback');
      assert.deepEqual([granted.length, granted[31], granted[32]], [33, 0, 0x97]);
      raw.send({ ...SUBSCRIBE, subscriptions: [{ topic: `${PREFIX}5`, qos: 1 }] });
      assert.deepEqual((await raw.next('suback')).granted, [1]);
    });

    it('a hundred refusals end the session: nobody is flooded with them', async () => {
      const raw = await inside();
      const subscriptions = Array.from({ length: 5_000 }, (_, i) => ({ topic: `x/${i}`, qos: 0 as const }));
      raw.send({ ...SUBSCRIBE, subscriptions });
      assert.equal((await raw.next('disconnect')).reasonCode, 0x97);
      await raw.closed;
      assert.equal(bench.told.codes.length, 100);
    });

    it('more messages of QoS 2 without a release than may be', async () => {
      const raw = await inside();
      for (let messageId = 1; messageId <= 65; messageId++)
        raw.send({ ...PUBLISH, topic: `${PREFIX}x`, qos: 2, messageId });
      assert.equal((await raw.next('disconnect')).reasonCode, 0x93);
      assert.equal(await refusal(), 'TOO_MANY_INFLIGHT');
      assert.equal(bench.told.all('message').length, 64);
    });

    it('answers to nothing that was asked', async () => {
      const raw = await inside();
      raw.send(
        { cmd: 'puback', messageId: 5, reasonCode: 0 },
        { cmd: 'pubcomp', messageId: 5, reasonCode: 0 },
        { cmd: 'pubrec', messageId: 5, reasonCode: 0 },
      );
      assert.equal((await raw.next('pubrel')).reasonCode, 0x92);
    });
  });
});
