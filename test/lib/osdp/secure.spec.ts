import assert from 'node:assert/strict';
import {
  aesCmac,
  checkKey,
  decodeFrame,
  deriveScbk,
  encodeFrame,
  type Frame,
  isForbiddenKey,
  KDF,
  PanelHandshake,
  ReaderHandshake,
  SCBK_D,
  SessionKeys,
} from '../../../lib/osdp/index.ts';
import { bytes, exchange, hex, KEY, OTHER_KEY, traceFrames } from './support.ts';

const frameOf = (raw: Uint8Array): Frame => {
  const frame = decodeFrame(raw.subarray(raw[0] === 0xff ? 1 : 0));
  assert.ok(typeof frame !== 'string', `no frame: ${String(frame)}`);
  return frame;
};
const textFrame = (text: string) => frameOf(bytes(text));

describe('AES-CMAC', () => {
  const key = bytes('2b7e151628aed2a6abf7158809cf4f3c');
  const message = bytes(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  );
  const vectors: [number, string][] = [
    [0, 'BB1D6929E95937287FA37D129B756746'],
    [16, '070A16B46B4D4144F79BDD9DD04A287C'],
    [40, 'DFA66747DE9AE63030CA32611497C827'],
    [64, '51F0BEBF7E3B9D92FC49741779363CFE'],
  ];
  for (const [length, mac] of vectors) {
    it(`has the value of RFC 4493 over ${length} bytes`, () => {
      assert.equal(hex(aesCmac(key, message.subarray(0, length))), mac);
    });
  }
});

describe('the key of a reader', () => {
  const seed = bytes('000102030405060708090A0B0C0D0E0F');
  const sessionId = bytes('101112131415161718191A1B1C1D1E1F');
  const vectors: [number, number, string][] = [
    [0, 0, '55C8498134A4859B5F68E87E6F156E74'],
    [5, 0, '60F293CEBB49A6E1863FD46403AFDB4A'],
    [5, 1, 'B261F4B6509F4A3F17954D7E895667F6'],
    [125, 0, '44BCCD84AECB096AAD2A39ABBA762321'],
  ];
  for (const [address, keyVersion, key] of vectors) {
    it(`is derived by ${KDF} for address ${address}, version ${keyVersion}`, () => {
      const made = deriveScbk({ seed, sessionId, address, keyVersion });
      assert.deepEqual({ key: hex(made.key), keyVersion: made.keyVersion }, { key, keyVersion });
    });
  }

  it('is not derived from bad input', () => {
    assert.throws(() => deriveScbk({ seed: seed.subarray(1), sessionId, address: 0 }), { code: 'BAD_OSDP_KEY' });
    assert.throws(() => deriveScbk({ seed, sessionId, address: 127 }), { code: 'BAD_OSDP_ADDRESS' });
    assert.throws(() => deriveScbk({ seed, sessionId, address: 0, keyVersion: 256 }), { code: 'BAD_OSDP_OPTION' });
  });

  it('must follow no pattern', () => {
    for (const pattern of ['00'.repeat(16), 'FF'.repeat(16), hex(SCBK_D as Uint8Array), hex(seed)]) {
      assert.ok(isForbiddenKey(bytes(pattern)));
      assert.throws(
        () => checkKey(bytes(pattern)),
        (error: Error) => {
          assert.equal((error as Error & { code: string }).code, 'FORBIDDEN_KEY');
          assert.ok(!JSON.stringify([error.message, error]).toUpperCase().includes(pattern));
          return true;
        },
      );
    }
    assert.equal(isForbiddenKey(KEY), false);
    for (const length of [0, 15, 17, 32]) {
      assert.throws(() => checkKey(new Uint8Array(length).fill(7)), { code: 'BAD_OSDP_KEY' });
    }
  });
});

describe('the secure channel', () => {
  it('has the keys and cryptograms of Annex E', () => {
    const rndA = bytes('B0B1B2B3B4B5B6B7');
    const rndB = bytes('A0A1A2A3A4A5A6A7');
    const keys = new SessionKeys(SCBK_D, rndA);
    assert.equal(hex(keys.clientCryptogram(rndA, rndB)), 'FDE5D2F428EC16312471EA3C02BD7796');
    const server = keys.serverCryptogram(rndA, rndB);
    assert.equal(hex(server), '26D3356E07762D262801FC8E6665A891');
    assert.equal(hex(keys.initialRmac(server)), 'B2A30057EB98BA2229EC1F875662B524');
  });

  it('builds every frame of the recorded session byte for byte, as panel', () => {
    const { session1: s, frames } = exchange();
    const raw = frames.slice(6, 12).map(({ hex }) => frameOf(bytes(hex)));
    const [chlng, ccrypt, scrypt, rmac, keyset, ack] = raw as [Frame, Frame, Frame, Frame, Frame, Frame];
    const handshake = new PanelHandshake(bytes(s.key as string), 0, { rndA: bytes(s.rndA as string) });
    const build = (message: ReturnType<PanelHandshake['challenge']>, sequence: 1 | 2) =>
      hex(encodeFrame({ address: 0, reply: false, sequence, check: 'crc', ...message }));
    assert.equal(build(handshake.challenge(), 1), hex(chlng.raw));
    assert.equal(handshake.answer(ccrypt), 'match');
    assert.equal(build(handshake.proof(), 2), hex(scrypt.raw));
    const channel = handshake.confirm(rmac);
    assert.ok(channel);
    const data = bytes('0110000102030405060708090A0B0C0D0E0F');
    const sealed = channel.seal({ address: 0, sequence: 3, check: 'crc', code: 0x75, data });
    assert.equal(hex(sealed.raw), hex(keyset.raw));
    assert.equal(hex(sealed.mac), s.keyset.cmacFull);
    assert.deepEqual(channel.receive(ack), { kind: 'reply', code: 0x40, data: new Uint8Array() });
  });

  it('builds every frame of the recorded session byte for byte, as reader', () => {
    const { session1: s, frames } = exchange();
    const raw = frames.slice(6, 12).map(({ hex }) => frameOf(bytes(hex)));
    const [chlng, ccrypt, scrypt, rmac, keyset, ack] = raw as [Frame, Frame, Frame, Frame, Frame, Frame];
    const handshake = new ReaderHandshake(bytes(s.key as string), 0, {
      uid: bytes(s.cUID as string),
      rndB: bytes(s.rndB as string),
    });
    const build = (message: ReturnType<PanelHandshake['challenge']>, sequence: 1 | 2) =>
      hex(encodeFrame({ address: 0, reply: true, sequence, check: 'crc', ...message }));
    const answer = handshake.answer(chlng);
    assert.ok(answer);
    assert.equal(build(answer, 1), hex(ccrypt.raw));
    const confirmed = handshake.confirm(scrypt);
    assert.ok(confirmed);
    assert.equal(build(confirmed.message, 2), hex(rmac.raw));
    const command = confirmed.channel.receive(keyset);
    assert.ok(command.kind === 'command');
    assert.equal(hex(command.data), '0110000102030405060708090A0B0C0D0E0F');
    const reply = confirmed.channel.seal({ address: 0, sequence: 3, check: 'crc', code: 0x40, data: new Uint8Array() });
    assert.equal(hex(reply.raw), hex(ack.raw));
    assert.equal(hex(reply.mac), s.ack.rmacFull);
  });

  it('follows a session whose empty messages are encrypted', () => {
    const { panel, reader } = session();
    const sealed = reader.receive(frameOf(panel.seal(POLL).raw));
    assert.equal(sealed.kind, 'command');
    const reply = reader.seal({ ...ACK, encryptEmpty: true });
    assert.equal(frameOf(reply.raw).security?.type, 0x18);
    assert.deepEqual(panel.receive(frameOf(reply.raw)), { kind: 'reply', code: 0x40, data: Buffer.alloc(0) });
  });

  it('takes BUSY and NAK 1 in clear without moving, and ends at any other plain reply', () => {
    const { panel, reader } = session();
    const command = panel.seal(POLL);
    assert.equal(panel.receive(plainReply(0x79)).kind, 'busy');
    assert.equal(panel.receive(plainReply(0x41, 1)).kind, 'damaged');
    reader.receive(frameOf(command.raw));
    assert.equal(panel.receive(frameOf(reader.seal(ACK).raw)).kind, 'reply');
    for (const [frame, reason] of [
      [plainReply(0x40), 'plain'],
      [plainReply(0x41, 6), 'refused'],
      [plainReply(0x50), 'plain'],
    ] as const) {
      const { panel } = session();
      panel.seal(POLL);
      const receipt = panel.receive(frame);
      assert.ok(receipt.kind === 'ended');
      assert.equal(receipt.reason, reason);
      assert.equal(panel.receive(frame).kind, 'ended');
    }
  });

  it('ends at a sealed reply with another number, and is told that 0 asks for a new start', () => {
    for (const [sequence, reason] of [
      [0, 'restarted'],
      [2, 'sequence'],
    ] as const) {
      const { panel, reader } = session();
      reader.receive(frameOf(panel.seal(POLL).raw));
      const receipt = panel.receive(frameOf(reader.seal({ ...ACK, sequence }).raw));
      assert.deepEqual(receipt, { kind: 'ended', reason });
    }
  });

  it('does not take the wrong key, a wrong proof or a wrong first MAC', () => {
    const handshake = new PanelHandshake(KEY, 1);
    const challenge = framed(handshake.challenge(), false);
    const answer = new ReaderHandshake(OTHER_KEY, 1, { uid: new Uint8Array(8) }).answer(challenge);
    assert.ok(answer);
    assert.equal(handshake.answer(framed(answer, true)), 'wrong-key');
    assert.throws(() => handshake.proof(), /not proved/);

    const reader = new ReaderHandshake(KEY, 1, { uid: new Uint8Array(8) });
    const good = reader.answer(challenge);
    assert.ok(good);
    assert.equal(handshake.answer(framed(good, true)), 'match');
    const wrong = { ...handshake.proof(), data: new Uint8Array(16) };
    assert.equal(reader.confirm(framed(wrong, false)), undefined);
    const confirmed = reader.confirm(framed(handshake.proof(), false));
    assert.ok(confirmed);
    const refused = { ...confirmed.message, security: { type: 0x14, data: Uint8Array.of(0xff) } };
    assert.equal(handshake.confirm(framed(refused, true)), undefined);
    assert.equal(handshake.confirm(framed({ ...confirmed.message, data: new Uint8Array(16) }, true)), undefined);
    assert.ok(handshake.confirm(framed(confirmed.message, true)));
  });

  it('reads every handshake of the recorded trace', () => {
    assert.ok(traceFrames().length > 30);
    assert.equal(textFrame('FF53000900046100C066').code, 0x61);
  });
});

const POLL = { address: 3, sequence: 1 as const, check: 'crc' as const, code: 0x60, data: new Uint8Array() };
const ACK = { ...POLL, code: 0x40 };

function framed(message: ReturnType<PanelHandshake['challenge']>, reply: boolean): Frame {
  return frameOf(encodeFrame({ address: 3, reply, sequence: 0, check: 'crc', ...message }));
}

function plainReply(code: number, ...data: number[]): Frame {
  return frameOf(
    encodeFrame({ address: 3, reply: true, sequence: 0, check: 'crc', code, data: Uint8Array.from(data) }),
  );
}

function session() {
  const handshake = new PanelHandshake(KEY, 1);
  const reader = new ReaderHandshake(KEY, 1, { uid: new Uint8Array(8) });
  const answer = reader.answer(framed(handshake.challenge(), false));
  assert.ok(answer);
  assert.equal(handshake.answer(framed(answer, true)), 'match');
  const confirmed = reader.confirm(framed(handshake.proof(), false));
  assert.ok(confirmed);
  const panel = handshake.confirm(framed(confirmed.message, true));
  assert.ok(panel);
  return { panel, reader: confirmed.channel };
}
