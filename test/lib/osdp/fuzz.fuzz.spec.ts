import assert from 'node:assert/strict';
import {
  decodeCommand,
  decodeFrame,
  decodeReply,
  encodeFrame,
  type Frame,
  FrameParser,
  formatOsdpcap,
  maskCapture,
  PanelChannel,
  PanelHandshake,
  parseOsdpcap,
  putCheck,
  ReaderHandshake,
  SCBK_D,
  SessionKeys,
  TraceDecoder,
} from '../../../lib/osdp/index.ts';
import { ManualClock } from '../../../lib/virtual/clock.ts';
import { FUZZ_TIMEOUT, fuzz, join, mutate, mutateText, type Random } from '../esp/formats/fuzz.ts';
import { KEY, traceFrames } from './support.ts';

const recorded = traceFrames().map(({ raw }) => raw.subarray(raw[0] === 0xff ? 1 : 0));

/** A recorded frame with changes; half of them with length and check put right again. */
function twisted(random: Random): Uint8Array {
  const out = mutate(random.pick(recorded), random);
  if (out.length < 8 || random.chance(2)) return out;
  out[0] = 0x53;
  out[2] = out.length & 0xff;
  out[3] = out.length >> 8;
  out[4] = (out[4] as number) & 0x0f;
  putCheck(out, (out[4] as number) & 4 ? 'crc' : 'checksum');
  return out;
}

describe('fuzz: OSDP frames', function () {
  this.timeout(FUZZ_TIMEOUT);

  it('the parser loses no byte, hands on only sound frames, and finds a good one after anything', () => {
    const good = encodeFrame({
      address: 9,
      reply: true,
      sequence: 1,
      check: 'crc',
      code: 0x40,
      data: new Uint8Array(),
    });
    fuzz(
      (random) => ({
        bytes: join(
          ...Array.from({ length: 1 + random.below(4) }, () => twisted(random)),
          random.bytes(random.below(9)),
        ),
        cuts: Array.from({ length: 6 }, () => 1 + random.below(60)),
      }),
      ({ bytes, cuts }) => {
        const frames: Frame[] = [];
        const parser = new FrameParser({ clock: new ManualClock(), onFrame: (frame) => frames.push(frame) });
        let at = 0;
        for (const size of [...cuts, bytes.length]) {
          parser.push(bytes.subarray(at, at + size));
          at += size;
        }
        parser.flush();
        const inFrames = frames.reduce((sum, { raw }) => sum + raw.length, 0);
        const marks = parser.counts.bytes - inFrames - parser.counts.garbage;
        assert.ok(marks >= 0 && marks <= frames.length + 1, `${marks} bytes are unaccounted for`);
        for (const frame of frames) assert.ok(typeof decodeFrame(frame.raw) !== 'string');
        parser.push(good);
        assert.equal(frames.at(-1)?.address, 9);
      },
    );
  });

  it('commands and replies of any bytes are read or refused', () => {
    fuzz(
      (random) => ({ code: random.below(256), data: random.bytes(random.below(40)) }),
      ({ code, data }) => {
        decodeCommand(code, data);
      },
    );
    fuzz(
      (random) => ({ code: random.below(256), data: random.bytes(random.below(40)) }),
      ({ code, data }) => {
        decodeReply(code, data);
      },
    );
  });
});

describe('fuzz: the OSDP secure channel', function () {
  this.timeout(FUZZ_TIMEOUT);

  it('both ends take any frame without falling over, and open none', () => {
    const keys = new SessionKeys(KEY, new Uint8Array(8));
    fuzz(
      (random) => decodeFrame(twisted(random)),
      (frame) => {
        if (typeof frame === 'string') return;
        const panel = new PanelChannel(keys, Buffer.alloc(16));
        panel.seal({ address: 0, sequence: 1, check: 'crc', code: 0x60, data: new Uint8Array() });
        assert.notEqual(panel.receive(frame).kind, 'reply');
        const handshake = new PanelHandshake(KEY, 1);
        assert.notEqual(handshake.answer(frame), 'match');
        assert.equal(handshake.confirm(frame), undefined);
        const reader = new ReaderHandshake(SCBK_D as Uint8Array, 0, { uid: new Uint8Array(8) });
        reader.answer(frame);
        assert.equal(reader.confirm(frame), undefined);
      },
    );
  });
});

describe('fuzz: .osdpcap', function () {
  this.timeout(FUZZ_TIMEOUT);
  const text = formatOsdpcap(
    recorded
      .slice(0, 6)
      .map((data, i) => ({ seconds: i, nanoseconds: 5, io: 'in', data, source: 'fuzz', masked: false })),
  );

  it('any text is read or refused, and what is read can be written, masked and decoded', () => {
    fuzz(
      (random) => (random.chance(8) ? text : mutateText(text, random)),
      (input) => {
        const records = parseOsdpcap(input);
        assert.deepEqual(parseOsdpcap(formatOsdpcap(records)), records);
        const decoder = new TraceDecoder();
        for (const one of maskCapture(records)) decoder.next(one);
      },
    );
  });

  it('any frames are decoded', () => {
    const decoder = new TraceDecoder({ showSecrets: true });
    fuzz(twisted, (data) => {
      decoder.next({ seconds: 0, nanoseconds: 0, io: 'trace', data, source: '', masked: false });
    });
  });
});
