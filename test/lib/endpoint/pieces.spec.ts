import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { generate, type Packet } from 'mqtt-packet';
import { FOLD_MS, FoldedAudit } from '../../../lib/endpoint/fold.ts';
import { Framer } from '../../../lib/endpoint/framer.ts';
import { registryPresence } from '../../../lib/endpoint/index.ts';
import { isFilter, isTopic, matches, prefixOf } from '../../../lib/endpoint/topics.ts';
import { Wire } from '../../../lib/endpoint/wire.ts';
import { KeywayError } from '../../../lib/errors/index.ts';
import type { AuditInput, Device, DeviceState } from '../../../lib/registry/index.ts';
import { ManualClock } from '../../../lib/virtual/clock.ts';
import { FakeSocket } from './fake-socket.ts';

describe('endpoint: topics', () => {
  it('filters fit what MQTT says they fit', () => {
    for (const [filter, topic, fits] of [
      ['a/b', 'a/b', true],
      ['a/b', 'a/b/c', false],
      ['a/+', 'a/b', true],
      ['a/+', 'a', false],
      ['a/+', 'a/', true],
      ['a/+', 'a/b/c', false],
      ['a/#', 'a', true],
      ['a/#', 'a/b/c', true],
      ['a/#', 'ab', false],
      ['a/+/c', 'a/b/c', true],
      ['a/+/c', 'a//c', true],
      ['a/+/#', 'a/b', true],
      ['a/+/#', 'a', false],
      ['+/+', 'a/b', true],
    ] as const) {
      assert.ok(isFilter(filter) && isTopic(topic));
      assert.equal(matches(filter, topic), fits, `${filter} ${topic}`);
    }
  });

  it('knows what is no filter and no topic', () => {
    for (const filter of ['', 'a#', '#/a', 'a/#/b', 'a+', '+a/b', 'a/b+/c', 'a\0', '\ud800', 'a'.repeat(1025)]) {
      assert.equal(isFilter(filter), false, filter);
    }
    for (const topic of ['', '#', 'a/+', '$SYS/x', 'a\u0001', '\ufffd', '\ufeff', 'ä'.repeat(513)]) {
      assert.equal(isTopic(topic), false, topic);
    }
    assert.ok(isTopic('a//b') && isTopic('ä/日本'));
  });

  it('fills in a prefix', () => {
    const device = { namespace: 'n', mac: '246f28aabb0c' };
    assert.equal(prefixOf('{namespace}/x/{mac}/{mac}/', device), 'n/x/246f28aabb0c/246f28aabb0c/');
  });
});

describe('endpoint: the framer', () => {
  const packets: Packet[] = [
    { cmd: 'pingreq' },
    { cmd: 'publish', topic: 'a', payload: Buffer.alloc(300, 1), qos: 0, dup: false, retain: false },
    { cmd: 'puback', messageId: 7 },
    { cmd: 'publish', topic: 'a', payload: Buffer.alloc(20_000, 2), qos: 0, dup: false, retain: false },
    { cmd: 'pingreq' },
  ];
  const stream = Buffer.concat(packets.map((packet) => generate(packet)));

  for (const size of [1, 2, 3, 7, 129, 1000, 100_000]) {
    it(`gives whole packets, whatever pieces they come in: ${size}`, () => {
      const frames: Buffer[] = [];
      const framer = new Framer(30_000, (frame) => frames.push(Buffer.from(frame)));
      for (let at = 0; at < stream.length; at += size) {
        assert.equal(framer.push(stream.subarray(at, at + size)), undefined);
      }
      assert.deepEqual(
        frames,
        packets.map((packet) => generate(packet)),
      );
    });
  }

  it('takes no more than its bound, known from the first bytes on', () => {
    const take = (...bytes: number[]) => new Framer(1_000, () => undefined).push(Buffer.from(bytes));
    assert.equal(take(0x30, 0xe5, 0x07), undefined);
    assert.equal(take(0x30, 0xe6, 0x07), 'PACKET_TOO_LARGE');
    assert.equal(take(0x30, 0xff, 0xff, 0xff), undefined);
    assert.equal(take(0x30, 0xff, 0xff, 0xff, 0x80), 'MALFORMED_PACKET');
  });

  it('gives nothing after it was stopped, also of the same piece', () => {
    let frames = 0;
    const framer = new Framer(1_000, () => {
      frames++;
      framer.stop();
    });
    framer.push(Buffer.from([0xc0, 0, 0xc0, 0]));
    framer.push(Buffer.from([0xc0, 0]));
    assert.equal(frames, 1);
  });
});

describe('endpoint: the wire', () => {
  const made = () => {
    const socket = new FakeSocket();
    const clock = new ManualClock();
    const packets: string[] = [];
    const wire: Wire = new Wire(socket as unknown as Duplex & { destroySoon(): void }, {
      limits: { packetBytes: 1_000, backlogBytes: 10 },
      now: () => clock.now(),
      onPacket: ({ cmd }) => {
        packets.push(cmd);
        wire.send(Buffer.from([0xd0, 0]));
      },
      onProblem: ({ code }) => packets.push(code),
      onClose: () => packets.push('close'),
    });
    wire.start();
    return { socket, clock, wire, packets };
  };

  it('does not read on while its answers are not read, and goes on when they are', () => {
    const { socket, wire, packets } = made();
    socket.blocked = true;
    for (let i = 0; i < 5; i++) socket.give([0xc0, 0]);
    assert.equal(socket.paused, false);
    socket.give([0xc0, 0]);
    assert.equal(socket.paused, true);
    assert.equal(wire.stalledSince, 0);
    socket.drain();
    assert.equal(socket.paused, false);
    assert.equal(wire.stalledSince, undefined);
    assert.equal(packets.length, 6);
  });

  it('what answers one piece goes out in one piece, also when it ends the connection', () => {
    const { socket, wire } = made();
    socket.give([0xc0, 0, 0xc0, 0, 0xc0, 0]);
    assert.deepEqual(socket.written, ['d000d000d000']);
    wire.end(Buffer.from([0xe0, 0]));
    assert.deepEqual(socket.written, ['d000d000d000', 'e000']);
    socket.give([0xc0, 0]);
    assert.equal(socket.written.length, 2);
  });

  it('holds packets back, and gives them in their order', () => {
    const { socket, wire, packets } = made();
    wire.hold();
    assert.equal(socket.paused, true);
    socket.give([0xc0, 0, 0xe0, 0]);
    assert.deepEqual(packets, []);
    wire.release();
    assert.deepEqual(packets, ['pingreq', 'disconnect']);
    assert.equal(socket.paused, false);
  });
});

describe('endpoint: the audit log', () => {
  it('writes a refusal at once, and those that repeat it as one with their number', async () => {
    const clock = new ManualClock();
    const written: AuditInput[] = [];
    const audit = new FoldedAudit((entry) => void written.push(entry), clock, assert.fail);
    const entry = { action: 'endpoint.refused', subject: 's', detail: { code: 'X' } } as const;
    for (let i = 0; i < 5; i++) audit.fold('a', entry);
    audit.fold('b', entry);
    assert.equal(written.length, 2);
    await clock.advance(FOLD_MS - 1);
    audit.sweep();
    assert.equal(written.length, 2);
    await clock.advance(1);
    audit.sweep();
    assert.deepEqual(written[2]?.detail, { code: 'X', times: 4, within: '60 s' });
    assert.equal(written.length, 3);
    audit.fold('a', entry);
    assert.equal(written.length, 4);
    audit.fold('a', entry);
    await audit.close();
    assert.equal(written.length, 5);
  });

  it('strangers cannot fill it', async () => {
    const written: AuditInput[] = [];
    const audit = new FoldedAudit((entry) => void written.push(entry), new ManualClock(), assert.fail);
    for (let i = 0; i < 10_000; i++) audit.fold(`${i}`, { action: 'endpoint.refused', subject: `${i}` });
    assert.equal(written.length, 601);
    await audit.close();
    assert.deepEqual([written.length, written.at(-1)?.subject, written.at(-1)?.detail?.times], [602, null, 9_399]);
  });
});

describe('endpoint: presence in the registry', () => {
  class Books extends EventEmitter {
    readonly states: string[] = [];
    readonly allowed = new Set<string>();
    gate: Promise<void> | undefined;
    failing = false;
    most = 0;
    #now = 0;

    device(key: unknown): Promise<Device | undefined> {
      const { mac } = key as { mac: string };
      return Promise.resolve(mac === 'unknown' ? undefined : ({ id: mac } as Device));
    }

    async setState(id: string, to: DeviceState): Promise<Device> {
      this.#now++;
      this.most = Math.max(this.most, this.#now);
      await this.gate;
      this.#now--;
      if (id === 'revoked') throw new KeywayError('DEVICE_STATE', 'It may not.');
      if (id === 'broken' || this.failing) throw new KeywayError('REGISTRY_FULL', 'It is full.');
      this.states.push(`${id} ${to}`);
      return {} as Device;
    }
  }
  const device = (mac: string) => ({ namespace: 'n', mac });

  it('writes what a device has become, not all that it was', async () => {
    const books = new Books();
    const clock = new ManualClock();
    const presence = registryPresence(books, { clock });
    presence.online(device('a'));
    for (let i = 0; i < 50; i++) {
      presence.offline(device('a'), 'connection lost');
      presence.online(device('a'));
    }
    presence.offline(device('a'), 'connection lost');
    await clock.advance(100);
    assert.deepEqual(books.states, ['a online']);
    await clock.advance(2_000);
    assert.deepEqual(books.states, ['a online', 'a offline']);
    for (let i = 0; i < 50; i++) {
      presence.online(device('a'));
      presence.offline(device('a'), 'connection lost');
    }
    await clock.advance(5_000);
    assert.ok(books.states.length <= 4, books.states.join());
    assert.equal(books.states.at(-1), 'a offline');
  });

  it('writes many at a time, and not all at once', async () => {
    const books = new Books();
    const gate = Promise.withResolvers<void>();
    books.gate = gate.promise;
    const presence = registryPresence(books, { clock: new ManualClock() });
    for (let i = 0; i < 500; i++) presence.online(device(`d${i}`));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(books.most, 64);
    gate.resolve();
    await presence.close();
    assert.equal(books.states.length, 500);
    assert.equal(books.most, 64);
  });

  it('on close what is left is written without a pause', async () => {
    const books = new Books();
    const presence = registryPresence(books, { clock: new ManualClock() });
    presence.online(device('a'));
    await new Promise((resolve) => setImmediate(resolve));
    presence.offline(device('a'), 'endpoint closed');
    presence.online(device('b'));
    await presence.close();
    assert.deepEqual(books.states, ['a online', 'b online', 'a offline']);
    await registryPresence(books).close();
  });

  it('what could not be written is tried again, until it can be', async () => {
    const books = new Books();
    const clock = new ManualClock();
    const told: unknown[] = [];
    const presence = registryPresence(books, { clock, onTrouble: (error) => told.push(error) });
    books.failing = true;
    presence.online(device('a'));
    await clock.advance(25_000);
    assert.deepEqual(books.states, []);
    assert.ok(told.length >= 1);
    books.failing = false;
    await clock.advance(10_000);
    assert.deepEqual(books.states, ['a online']);
    await presence.close();
  });

  it('a device that may not, or is not there, is let be; trouble is told', async () => {
    const books = new Books();
    const told: unknown[] = [];
    const presence = registryPresence(books, { clock: new ManualClock(), onTrouble: (error) => told.push(error) });
    for (const mac of ['unknown', 'revoked', 'broken', 'fine']) presence.online(device(mac));
    await presence.close();
    assert.deepEqual(books.states, ['fine online']);
    assert.deepEqual(
      told.map((error) => (error as { code?: string }).code),
      ['PRESENCE_FAILED'],
    );
  });
});
