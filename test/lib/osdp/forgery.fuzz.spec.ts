import assert from 'node:assert/strict';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  PanelChannel,
  PanelHandshake,
  putCheck,
  ReaderChannel,
  ReaderHandshake,
  type Sequence,
  SessionKeys,
} from '../../../lib/osdp/index.ts';
import { FUZZ_TIMEOUT, fuzz, type Random } from '../esp/formats/fuzz.ts';
import { KEY } from './support.ts';

const ADDRESS = 7;
const EMPTY = new Uint8Array();
const frameOf = (raw: Uint8Array): Frame => {
  const frame = decodeFrame(raw);
  if (typeof frame === 'string') throw new Error(frame);
  return frame;
};
const framed = (message: ReturnType<PanelHandshake['challenge']>, reply: boolean): Frame =>
  frameOf(encodeFrame({ address: ADDRESS, reply, sequence: 0, check: 'crc', ...message }));

/** Handshakes are dear and are the same for all forgeries: some are made, and every session starts from one of them. */
const HANDSHAKES = Array.from({ length: 40 }, (_, i) => {
  const rndA = Uint8Array.of(i, 1, 2, 3, 4, 5, 6, 7);
  const handshake = new PanelHandshake(KEY, 1, { rndA });
  const readerSide = new ReaderHandshake(KEY, 1, {
    uid: new Uint8Array(8),
    rndB: Uint8Array.of(9, i, 9, 9, 9, 9, 9, 9),
  });
  const answer = readerSide.answer(framed(handshake.challenge(), false));
  if (answer === undefined) throw new Error('no answer');
  assert.equal(handshake.answer(framed(answer, true)), 'match');
  const confirmed = readerSide.confirm(framed(handshake.proof(), false));
  if (confirmed === undefined || handshake.confirm(framed(confirmed.message, true)) === undefined) {
    throw new Error('no session');
  }
  const wire = [framed(answer, true).raw, framed(confirmed.message, true).raw, framed(handshake.proof(), false).raw];
  return { keys: new SessionKeys(KEY, rndA), rmac: Buffer.from(confirmed.message.data), wire };
});

/** A session some exchanges old, and everything that went over its wire. */
function session(random: Random): { panel: PanelChannel; reader: ReaderChannel; wire: Uint8Array[]; next: Sequence } {
  const { keys, rmac, wire: before } = random.pick(HANDSHAKES);
  const panel = new PanelChannel(keys, rmac);
  const reader = new ReaderChannel(keys, rmac);
  const wire = [...before];
  let sequence: Sequence = 2;
  for (let i = random.below(4); i >= 0; i--) {
    const [code, data] = random.pick(COMMANDS);
    const command = panel.seal({ address: ADDRESS, sequence, check: 'crc', code, data });
    assert.equal(reader.receive(frameOf(command.raw)).kind, 'command');
    const [replyCode, replyData] = random.pick(REPLIES);
    const reply = reader.seal({ address: ADDRESS, sequence, check: 'crc', code: replyCode, data: replyData });
    assert.equal(panel.receive(frameOf(reply.raw)).kind, 'reply');
    wire.push(command.raw, reply.raw);
    sequence = ((sequence % 3) + 1) as Sequence;
  }
  return { panel, reader, wire, next: sequence };
}

const COMMANDS: [number, Uint8Array][] = [
  [0x60, EMPTY],
  [0x61, Uint8Array.of(0)],
  [0x6e, Uint8Array.of(5, 0x80, 0x25, 0, 0)],
  [0x80, new Uint8Array(33).fill(0xa5)],
];
const REPLIES: [number, Uint8Array][] = [
  [0x40, EMPTY],
  [0x50, Uint8Array.of(0, 1, 26, 0, 1, 2, 3, 4)],
  [0x45, new Uint8Array(12).fill(9)],
];

const repair = (raw: Uint8Array): Uint8Array => {
  raw[2] = raw.length & 0xff;
  raw[3] = raw.length >> 8;
  putCheck(raw, (raw[4] as number) & 4 ? 'crc' : 'checksum');
  return raw;
};

/** What somebody on the wire, without the key, makes of a good frame and of what went before; its check always fits. */
function forge(random: Random, good: Uint8Array, wire: readonly Uint8Array[], reply: boolean, next: Sequence) {
  const kind = random.below(6);
  const copy = good.slice();
  if (kind === 0) {
    // flip
    for (let i = 1 + random.below(3); i > 0; i--) {
      const at = 5 + random.below(copy.length - 7);
      copy[at] = (copy[at] as number) ^ (1 << random.below(8));
    }
    if (random.chance(4)) copy[4] = (copy[4] as number) ^ (1 + random.below(3));
    return repair(copy);
  }
  // replay or reorder: an earlier frame of this direction, as it was or under the number that is expected
  if (kind === 1) {
    const earlier = wire.filter((raw) => (((raw[1] as number) & 0x80) !== 0) === reply);
    const old = random.pick(earlier).slice();
    if (random.chance(2)) old[4] = ((old[4] as number) & ~3) | next;
    return repair(old);
  }
  // reflect: a frame of the other direction, with the reply bit turned
  if (kind === 2) {
    const others = wire.filter((raw) => (((raw[1] as number) & 0x80) === 0) === reply);
    const other = random.pick(others).slice();
    other[1] = (other[1] as number) ^ 0x80;
    if ((other[4] as number) & 8 && (other[6] as number) >= 0x15) other[6] = (other[6] as number) + (reply ? 1 : -1);
    if (random.chance(2)) other[4] = ((other[4] as number) & ~3) | next;
    return repair(other);
  }
  // substitute: the same in clear, with or without the block
  if (kind === 3) {
    const [code, data] = random.pick(reply ? REPLIES : COMMANDS);
    return encodeFrame({ address: ADDRESS, reply, sequence: next, check: 'crc', code, data });
  }
  if (kind === 4) {
    const [code, data] = random.pick(reply ? REPLIES : COMMANDS);
    const security = { type: (reply ? 0x16 : 0x15) + 2 * random.below(2), data: EMPTY };
    return encodeFrame({
      address: ADDRESS,
      reply,
      sequence: next,
      check: 'crc',
      security,
      code,
      data,
      mac: random.bytes(4),
    });
  }
  // truncate
  return repair(copy.slice(0, Math.max(8, copy.length - 1 - random.below(copy.length - 8))));
}

describe('forgery: OSDP sessions', function () {
  this.timeout(FUZZ_TIMEOUT);
  let tried = 0;

  it('a panel takes no forged reply, and its session is over', () => {
    fuzz(
      (random) => random,
      (random) => {
        const { panel, reader, wire, next } = session(random);
        const [code, data] = random.pick(COMMANDS);
        const command = panel.seal({ address: ADDRESS, sequence: next, check: 'crc', code, data });
        reader.receive(frameOf(command.raw));
        const [replyCode, replyData] = random.pick(REPLIES);
        const good = reader.seal({ address: ADDRESS, sequence: next, check: 'crc', code: replyCode, data: replyData });
        const forged = decodeFrame(forge(random, good.raw, [...wire, command.raw], true, next));
        if (typeof forged === 'string' || Buffer.compare(forged.raw, good.raw) === 0) return;
        tried++;
        const receipt = panel.receive(forged);
        if (Buffer.compare(forged.raw, wire.at(-1) as Uint8Array) === 0) {
          // The last reply once more is what a reader sends when it missed that we had it.
          assert.equal(receipt.kind, 'stray');
          return;
        }
        assert.equal(receipt.kind, 'ended');
        assert.equal(panel.receive(frameOf(good.raw)).kind, 'ended', 'what comes after the end is not believed');
      },
    );
    assert.ok(tried > 0);
  });

  it('a reader takes no forged command, and its session is over', () => {
    fuzz(
      (random) => random,
      (random) => {
        const { panel, reader, wire, next } = session(random);
        const [code, data] = random.pick(COMMANDS);
        const good = panel.seal({ address: ADDRESS, sequence: next, check: 'crc', code, data });
        const forged = decodeFrame(forge(random, good.raw, wire, false, next));
        if (typeof forged === 'string' || Buffer.compare(forged.raw, good.raw) === 0) return;
        assert.equal(reader.receive(forged).kind, 'ended');
        assert.equal(reader.receive(frameOf(good.raw)).kind, 'ended');
      },
    );
  });
});
