import assert from 'node:assert/strict';
import type { Link } from '../../../../lib/link/index.ts';
import {
  encodeFrame,
  type Frame,
  type HandshakeMessage,
  type PanelChannel,
  PanelHandshake,
  type Sequence,
  withMark,
} from '../../../../lib/osdp/index.ts';
import type { Personality } from '../../../../lib/virtual/readers/index.ts';
import { KEY } from '../../osdp/support.ts';
import { BusBench, listen } from './support.ts';

const EMPTY = new Uint8Array();

describe('a virtual reader under a secure channel', () => {
  let bench: BusBench;
  let link: Link;
  let heard: ReturnType<typeof listen>;
  afterEach(() => bench.close());

  async function start(personality: Partial<Personality> = {}) {
    bench = new BusBench();
    const reader = bench.add({ key: KEY, personality });
    link = await bench.open();
    heard = listen(link, bench.clock);
    return reader;
  }

  async function send(raw: Uint8Array): Promise<Frame | undefined> {
    const before = heard.frames.length;
    await link.write(withMark(raw));
    await bench.clock.advance(200);
    return heard.frames[before]?.frame;
  }

  const handshakeFrame = (message: HandshakeMessage, sequence: Sequence) =>
    encodeFrame({ address: 0, reply: false, sequence, check: 'crc', ...message });
  const plain = (code: number, sequence: Sequence) =>
    encodeFrame({ address: 0, reply: false, sequence, check: 'crc', code, data: EMPTY });

  async function session(): Promise<PanelChannel> {
    const handshake = new PanelHandshake(KEY, 1);
    const answer = await send(handshakeFrame(handshake.challenge(), 0));
    assert.ok(answer !== undefined && handshake.answer(answer) === 'match');
    const confirmed = await send(handshakeFrame(handshake.proof(), 1));
    const channel = confirmed && handshake.confirm(confirmed);
    assert.ok(channel);
    return channel;
  }

  it('takes a second challenge under another number than 0', async () => {
    await start();
    await send(handshakeFrame(new PanelHandshake(KEY, 1).challenge(), 0));
    const again = new PanelHandshake(KEY, 1);
    const answer = await send(handshakeFrame(again.challenge(), 1));
    assert.ok(answer !== undefined && again.answer(answer) === 'match');
  });

  for (const wrongProof of ['nak', 'refuse'] as const) {
    it(`refuses a wrong proof (${wrongProof})`, async () => {
      const reader = await start({ wrongProof });
      const handshake = new PanelHandshake(KEY, 1);
      const answer = await send(handshakeFrame(handshake.challenge(), 0));
      assert.ok(answer !== undefined && handshake.answer(answer) === 'match');
      const wrong = { ...handshake.proof(), data: new Uint8Array(16) };
      const reply = await send(handshakeFrame(wrong, 1));
      assert.deepEqual(
        wrongProof === 'nak' ? [reply?.code, reply?.data[0]] : [reply?.code, reply?.security?.data[0]],
        wrongProof === 'nak' ? [0x41, 5] : [0x78, 0xff],
      );
      assert.equal(reader.hasSession, false);
    });
  }

  for (const badMac of ['nak', 'silence'] as const) {
    it(`ends its session at a wrong MAC (${badMac})`, async () => {
      const reader = await start({ badMac });
      const channel = await session();
      const { raw } = channel.seal({ address: 0, sequence: 2, check: 'crc', code: 0x60, data: EMPTY });
      const security = { type: 0x15, data: EMPTY };
      const forged = { address: 0, reply: false, sequence: 2 as const, check: 'crc' as const, security };
      const reply = await send(encodeFrame({ ...forged, code: 0x60, data: EMPTY, mac: Uint8Array.of(1, 2, 3, 4) }));
      assert.deepEqual([reply?.code, reply?.data[0]], badMac === 'nak' ? [0x41, 6] : [undefined, undefined]);
      assert.equal(reader.hasSession, false);
      assert.notEqual((await send(raw))?.security?.type, 0x16, 'the session stays ended');
    });
  }

  it('ends its session at a word in clear, at number 0 and after 8 s of silence', async () => {
    const reader = await start();
    await session();
    assert.deepEqual([...((await send(plain(0x60, 2)))?.data ?? [])], [6]);
    assert.equal(reader.hasSession, false);
    await session();
    assert.equal((await send(plain(0x60, 0)))?.code, 0x40);
    assert.equal(reader.hasSession, false);
    const channel = await session();
    await bench.clock.advance(8100);
    const { raw } = channel.seal({ address: 0, sequence: 2, check: 'crc', code: 0x60, data: EMPTY });
    assert.equal((await send(raw))?.code, 0x41);
    assert.equal(reader.hasSession, false);
  });

  it('answers a sealed command that comes again with the same bytes', async () => {
    await start();
    const channel = await session();
    const { raw } = channel.seal({ address: 0, sequence: 2, check: 'crc', code: 0x60, data: EMPTY });
    const [one, two] = [await send(raw), await send(raw)];
    assert.ok(one !== undefined && two !== undefined);
    assert.deepEqual(one.raw, two.raw);
    assert.equal(channel.receive(one).kind, 'reply');
    assert.equal(channel.receive(two).kind, 'stray');
  });

  it('refuses what it does not know, or cannot read', async () => {
    await start();
    assert.deepEqual([...((await send(plain(0x99, 0)))?.data ?? [])], [3]);
    const long = encodeFrame({
      address: 0,
      reply: false,
      sequence: 1,
      check: 'crc',
      code: 0x60,
      data: Uint8Array.of(1),
    });
    assert.deepEqual([...((await send(long))?.data ?? [])], [2]);
  });

  it('complains of a damaged frame only if that is its way', async () => {
    for (const badCheck of ['silence', 'nak'] as const) {
      await start({ badCheck });
      const raw = plain(0x60, 0);
      raw[5] = 0x61;
      const reply = await send(raw);
      assert.deepEqual([reply?.code, reply?.data[0]], badCheck === 'nak' ? [0x41, 1] : [undefined, undefined]);
      if (badCheck === 'silence') await bench.close();
    }
  });
});
