import assert from 'node:assert/strict';
import type { MqttClient } from 'mqtt';
import { Bench, FakeJudge, type Ground, ground, MAC, NAMESPACE, OTHER_MAC, PREFIX, textOf } from './support.ts';

describe('endpoint: MQTT', () => {
  let all: Ground;
  let bench: Bench;
  before(async () => {
    all = await ground();
  });
  after(() => all?.close());
  beforeEach(async () => {
    bench = await new Bench(all, new FakeJudge()).open();
  });
  afterEach(() => bench?.close());

  const nextMessage = (client: MqttClient): Promise<{ topic: string; text: string; qos: number; retain: boolean }> =>
    new Promise((resolve) => {
      client.once('message', (topic, payload, { qos, retain }) =>
        resolve({ topic, text: payload.toString(), qos, retain }),
      );
    });

  for (const protocolVersion of [4, 5] as const) {
    const name = protocolVersion === 4 ? '3.1.1' : '5';

    describe(name, () => {
      it('takes messages of every QoS, each once', async () => {
        const client = await bench.connect(all.device, { protocolVersion });
        for (const qos of [0, 1, 2] as const) await client.publishAsync(`${PREFIX}up/${qos}`, `hello ${qos}`, { qos });
        const messages = await bench.told.until('message', 3);
        assert.deepEqual(
          messages.map((one) => [one.namespace, one.mac, one.topic, one.fullTopic, textOf(one), one.qos, one.will]),
          [0, 1, 2].map((qos) => [NAMESPACE, MAC, `up/${qos}`, `${PREFIX}up/${qos}`, `hello ${qos}`, qos, false]),
        );
        assert.ok(messages.every(({ clientId, serial }) => clientId === 'chip' && serial === all.device.serial));
      });

      it('publishes to a device with every QoS, at most with what it subscribed with', async () => {
        const client = await bench.connect(all.device, { protocolVersion });
        const granted = await client.subscribeAsync({
          [`${PREFIX}down/+`]: { qos: 2 },
          [`${PREFIX}one/#`]: { qos: 1 },
        });
        assert.deepEqual(
          granted.map(({ qos }) => qos),
          [2, 1],
        );
        for (const [topic, qos, how] of [
          ['down/a', 0, 'sent'],
          ['down/a', 1, 'acknowledged'],
          ['down/a', 2, 'acknowledged'],
          ['one/b/c', 2, 'acknowledged'],
          ['one', 1, 'acknowledged'],
        ] as const) {
          const got = nextMessage(client);
          const sent = bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic, payload: `to ${topic}`, qos });
          const most = topic.startsWith('one') ? 1 : 2;
          assert.deepEqual(await got, {
            topic: PREFIX + topic,
            text: `to ${topic}`,
            qos: Math.min(qos, most),
            retain: false,
          });
          assert.equal(await sent, how);
        }
      });

      it('says that nothing is kept: no session present, and after a reconnect no subscription', async () => {
        const client = await bench.connect(all.device, { protocolVersion, clean: false });
        await client.subscribeAsync(`${PREFIX}down`, { qos: 1 });
        await client.endAsync();
        await bench.told.until('offline');
        const again = await bench.raw(all.device);
        again.as(protocolVersion).connect({ clientId: 'chip', clean: false });
        assert.equal((await again.next('connack')).sessionPresent, false);
        await assert.rejects(bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'down', payload: '' }), {
          code: 'NOT_SUBSCRIBED',
        });
      });

      it('answers a ping, and an unsubscribe that ends the messages', async () => {
        const client = await (await bench.raw(all.device)).as(protocolVersion).in();
        client.send({ cmd: 'pingreq' });
        await client.next('pingresp');
        client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 0 }] });
        await client.next('suback');
        client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [`${PREFIX}a`, `${PREFIX}b`] });
        const { granted } = await client.next('unsuback');
        if (protocolVersion === 5) assert.deepEqual(granted, [0, 0x11]);
        await assert.rejects(bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: '' }), {
          code: 'NOT_SUBSCRIBED',
        });
      });

      it('QoS 2 in: a message sent again before its release comes once, after it anew', async () => {
        const client = await (await bench.raw(all.device)).as(protocolVersion).in();
        const message = {
          cmd: 'publish',
          topic: `${PREFIX}x`,
          payload: 'x',
          qos: 2,
          retain: false,
          messageId: 7,
        } as const;
        client.send({ ...message, dup: false }, { ...message, dup: true });
        await client.next('pubrec');
        await client.next('pubrec');
        assert.equal(bench.told.all('message').length, 1);
        client.send({ cmd: 'pubrel', messageId: 7 });
        await client.next('pubcomp');
        client.send({ cmd: 'pubrel', messageId: 7 });
        const known = await client.next('pubcomp');
        if (protocolVersion === 5) assert.equal(known.reasonCode, 0x92);
        client.send({ ...message, dup: false });
        await client.next('pubrec');
        assert.equal(bench.told.all('message').length, 2);
      });

      it('QoS 2 out: PUBREC is answered by PUBREL, and only PUBCOMP ends it', async () => {
        const client = await (await bench.raw(all.device)).as(protocolVersion).in();
        client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 2 }] });
        await client.next('suback');
        let done = false;
        const sent = bench.endpoint
          .publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: 'a', qos: 2 })
          .finally(() => {
            done = true;
          });
        const { messageId } = await client.next('publish');
        assert.ok(messageId !== undefined);
        client.send({ cmd: 'puback', messageId }, { cmd: 'pubcomp', messageId }, { cmd: 'pubrec', messageId });
        await client.next('pubrel');
        assert.equal(done, false);
        client.send({ cmd: 'pubcomp', messageId });
        assert.equal(await sent, 'acknowledged');
      });

      it('a will becomes a message when the connection breaks, and none when it was disconnected', async () => {
        const will = { topic: `${PREFIX}gone`, payload: Buffer.from('gone'), qos: 1, retain: false } as const;
        const first = await (await bench.raw(all.device)).as(protocolVersion).in({ will });
        first.socket.destroy();
        const [message] = await bench.told.until('message');
        assert.deepEqual([message?.topic, message && textOf(message), message?.will], ['gone', 'gone', true]);
        await bench.told.until('offline');
        const second = await (await bench.raw(all.device)).as(protocolVersion).in({ will });
        second.send({ cmd: 'disconnect' });
        await second.closed;
        await bench.told.until('offline', 2);
        assert.deepEqual(
          bench.told.all('offline').map(({ reason }) => reason),
          ['connection lost', 'disconnected'],
        );
        assert.equal(bench.told.all('message').length, 1);
      });

      it('a second connection of a device takes the place of the first, and the device stays online', async () => {
        const first = await (await bench.raw(all.device)).as(protocolVersion).in({ clientId: 'one' });
        const second = await (await bench.raw(all.device)).as(protocolVersion).in({ clientId: 'two' });
        await first.closed;
        if (protocolVersion === 5) assert.equal((await first.next('disconnect')).reasonCode, 0x8e);
        else assert.deepEqual(first.packets, []);
        assert.deepEqual(
          bench.endpoint.sessions().map(({ clientId, version }) => [clientId, version]),
          [['two', name]],
        );
        second.send({ cmd: 'pingreq' });
        await second.next('pingresp');
        assert.equal(bench.told.all('online').length, 1);
        assert.equal(bench.told.all('offline').length, 0);
      });

      it('two devices with the same client identifier are two', async () => {
        await (await bench.raw(all.device)).as(protocolVersion).in({ clientId: 'esp' });
        await (await bench.raw(all.other)).as(protocolVersion).in({ clientId: 'esp' });
        assert.deepEqual(
          bench.endpoint.sessions().map(({ mac }) => mac),
          [MAC, OTHER_MAC],
        );
      });

      it('takes what a client sends without waiting for CONNACK, in its order', async () => {
        const client = (await bench.raw(all.device)).as(protocolVersion);
        client.connect();
        client.send(
          { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 1 }] },
          { cmd: 'publish', topic: `${PREFIX}up`, payload: '1', qos: 1, dup: false, retain: false, messageId: 2 },
        );
        await client.next('puback');
        assert.deepEqual(
          [(await client.next('connack')).sessionPresent, (await client.next('suback')).granted],
          [false, [1]],
        );
      });
    });
  }

  it('a client of MQTT 5 is told what there is not', async () => {
    const client = (await bench.raw(all.device)).as(5);
    client.connect({ clientId: '', properties: { sessionExpiryInterval: 3600 } });
    const { properties } = await client.next('connack');
    assert.equal(properties?.sessionExpiryInterval, 0);
    assert.equal(properties?.retainAvailable, false);
    assert.equal(properties?.subscriptionIdentifiersAvailable, false);
    assert.equal(properties?.sharedSubscriptionAvailable, false);
    assert.equal(properties?.maximumPacketSize, 262_144);
    assert.match(properties?.assignedClientIdentifier ?? '', /^auto-[0-9a-f]{16}$/);
  });

  it('carries the properties of MQTT 5 both ways', async () => {
    const client = await (await bench.raw(all.device)).as(5).in();
    const properties = {
      ...{ contentType: 'text/plain', responseTopic: `${PREFIX}answer`, payloadFormatIndicator: true },
      ...{ correlationData: Buffer.from([1, 2]), messageExpiryInterval: 60, userProperties: { a: ['1', '2'], b: '3' } },
    };
    client.send({ cmd: 'publish', topic: `${PREFIX}a`, payload: 'x', qos: 0, dup: false, retain: false, properties });
    const [message] = await bench.told.until('message');
    assert.deepEqual({ ...message?.properties }, properties);
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 0 }] });
    await client.next('suback');
    await bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: 'x', properties });
    const got = await client.next('publish');
    assert.deepEqual({ ...got.properties, userProperties: { ...got.properties?.userProperties } }, properties);
  });

  it('a key that would change what a message is made of is left out', async () => {
    const client = await (await bench.raw(all.device)).as(5).in();
    const userProperties = Object.defineProperty({ a: 'b' }, '__proto__', { value: 'x', enumerable: true }) as {
      a: string;
    };
    client.send({
      ...{ cmd: 'publish', topic: `${PREFIX}a`, payload: 'x', qos: 0, dup: false, retain: false },
      properties: { userProperties },
    });
    const [message] = await bench.told.until('message');
    assert.deepEqual(Object.keys(message?.properties.userProperties ?? {}), ['a']);
  });

  it('a will goes with DISCONNECT where MQTT 5 asks for it', async () => {
    const will = { topic: `${PREFIX}gone`, payload: Buffer.from('gone'), qos: 0, retain: false } as const;
    const client = await (await bench.raw(all.device)).as(5).in({ will });
    client.send({ cmd: 'disconnect', reasonCode: 4 });
    await bench.told.until('message');
  });

  it('keeps to the window of the client and to its own, in order', async () => {
    const client = await (await bench.raw(all.device)).as(5).in({ properties: { receiveMaximum: 2 } });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 1 }] });
    await client.next('suback');
    const sent = [0, 1, 2, 3, 4].map((i) =>
      bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: String(i), qos: 1 }),
    );
    const order: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { messageId = 0, payload } = await client.next('publish');
      order.push(String(payload));
      client.send({ cmd: 'pingreq' });
      await client.next('pingresp');
      assert.ok(client.packets.length <= 1);
      client.send({ cmd: 'puback', messageId, reasonCode: i === 4 ? 0x97 : 0 });
    }
    assert.deepEqual(order, ['0', '1', '2', '3', '4']);
    assert.deepEqual(await Promise.all(sent.slice(0, 4)), Array(4).fill('acknowledged'));
    await assert.rejects(sent[4] as Promise<unknown>, { code: 'MESSAGE_REFUSED' });
  });

  it('what waits for a device fails when its session ends, and says whether it was sent', async () => {
    const client = await (await bench.raw(all.device)).as(5).in({ properties: { receiveMaximum: 1 } });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 1 }] });
    await client.next('suback');
    const sent = [1, 2].map((i) =>
      bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: String(i), qos: 1 }),
    );
    await client.next('publish');
    client.socket.destroy();
    const ended = await Promise.allSettled(sent);
    assert.deepEqual(
      ended.map((one) => one.status === 'rejected' && [one.reason.code, one.reason.detail.outcome]),
      [
        ['DEVICE_OFFLINE', 'unknown'],
        ['DEVICE_OFFLINE', 'not sent'],
      ],
    );
  });

  it('refuses what cannot be published, before anything is sent', async () => {
    const client = await (await bench.raw(all.device)).as(5).in({ properties: { maximumPacketSize: 100 } });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}#`, qos: 1 }] });
    await client.next('suback');
    const good = { namespace: NAMESPACE, mac: MAC, topic: 'a', payload: 'a' };
    const publish = (change: Record<string, unknown>) => bench.endpoint.publish({ ...good, ...change });
    assert.equal(await publish({ mac: '24:6F:28:AA:BB:0C' }), 'sent');
    for (const [change, code] of [
      [{ mac: 'x' }, 'BAD_MAC'],
      [{ mac: OTHER_MAC }, 'DEVICE_OFFLINE'],
      [{ namespace: 'other' }, 'DEVICE_OFFLINE'],
      [{ topic: '' }, 'BAD_TOPIC'],
      [{ topic: 'a/#' }, 'BAD_TOPIC'],
      [{ topic: 'a\u0000' }, 'BAD_TOPIC'],
      [{ topic: 'a'.repeat(1020) }, 'BAD_TOPIC'],
      [{ payload: 7 }, 'BAD_MESSAGE'],
      [{ qos: 3 }, 'BAD_MESSAGE'],
      [{ expiryMs: -1 }, 'BAD_MESSAGE'],
      [{ payload: 'x'.repeat(100) }, 'PACKET_TOO_LARGE'],
      [{ payload: 'x'.repeat(300_000), qos: 1 }, 'PACKET_TOO_LARGE'],
    ] as const) {
      await assert.rejects(publish(change), { code }, JSON.stringify(change).slice(0, 60));
    }
  });
});
