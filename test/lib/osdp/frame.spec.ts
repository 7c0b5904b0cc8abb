import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  checksum,
  crc16,
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameParser,
  MAX_FRAME,
  type ParserOptions,
  withMark,
} from '../../../lib/osdp/index.ts';
import { ManualClock } from '../../../lib/virtual/clock.ts';
import { bytes, hex, plain } from './support.ts';

function collect(options: Partial<ParserOptions> = {}) {
  const clock = new ManualClock();
  const frames: Frame[] = [];
  const parser = new FrameParser({ clock, onFrame: (frame) => frames.push(frame), ...options });
  return { clock, frames, parser };
}

const POLL = encodeFrame(plain(0, 0x60));
const ACK = encodeFrame({ ...plain(0, 0x40), reply: true });

describe('OSDP frames', () => {
  it('have the checks of Annex E', () => {
    assert.equal(crc16(bytes('53 7F 0D 00 04 6E 00 80 25 00 00')), 0x386e);
    assert.equal(crc16(bytes('53 00 09 00 04 61 00')), 0x66c0);
    assert.equal(checksum(bytes('53 7F 0C 00 00 6E 00 80 25 00 00')), 0x0f);
    assert.equal(checksum(bytes('53 00 08 00 00 61 00')), 0x44);
  });

  it('are built as others build them', () => {
    assert.equal(hex(POLL), '530008000460EBAA');
    assert.equal(hex(encodeFrame(plain(0, 0x61, Uint8Array.of(0)))), '53000900046100C066');
    assert.equal(hex(encodeFrame({ ...plain(0, 0x61, Uint8Array.of(0)), check: 'checksum' })), '5300080000610044');
  });

  it('come back as they were built', () => {
    const anyFrame = fc.record({
      address: fc.integer({ min: 0, max: 127 }),
      reply: fc.boolean(),
      sequence: fc.constantFrom(0, 1, 2, 3),
      check: fc.constantFrom('crc', 'checksum'),
      code: fc.integer({ min: 0, max: 255 }),
      data: fc.uint8Array({ maxLength: 300 }),
      kind: fc.constantFrom(0, 0x11, 0x12, 0x15, 0x18),
    });
    fc.assert(
      fc.property(anyFrame, ({ kind, ...fields }) => {
        const security = { type: kind, data: kind >= 0x15 ? new Uint8Array() : Uint8Array.of(1) };
        const mac = kind >= 0x15 ? Uint8Array.of(1, 2, 3, 4) : undefined;
        const frame = decodeFrame(
          encodeFrame({
            ...(fields as Frame),
            ...(kind === 0 ? {} : { security }),
            ...(mac === undefined ? {} : { mac }),
          }),
        );
        assert.ok(typeof frame !== 'string');
        const { address, reply, sequence, check, code, data } = frame;
        assert.deepEqual(
          { address, reply, sequence, check, code, data: [...data] },
          { ...fields, data: [...fields.data] },
        );
        assert.deepEqual(frame.mac, mac);
        assert.equal(frame.security?.type ?? 0, kind);
      }),
    );
  });

  it('longer than the norm allows are refused', () => {
    assert.throws(() => encodeFrame(plain(0, 0x80, new Uint8Array(MAX_FRAME))), { code: 'FRAME_TOO_LONG' });
    assert.equal(encodeFrame(plain(0, 0x80, new Uint8Array(MAX_FRAME - 8))).length, MAX_FRAME);
  });

  it('with wrong inner lengths are refused though their check fits', () => {
    const raw = encodeFrame({ ...plain(0, 0x60), security: { type: 0x15, data: new Uint8Array() } });
    for (const size of [0, 1, 3, 9, 255]) {
      const bad = raw.slice();
      bad[5] = size;
      const crc = crc16(bad, 0, bad.length - 2);
      bad.set([crc & 0xff, crc >> 8], bad.length - 2);
      const frame = decodeFrame(bad);
      if (typeof frame !== 'string') assert.ok(frame.data.length + (frame.mac?.length ?? 0) < bad.length);
      if (size !== 3) assert.equal(frame, 'security');
    }
  });
});

describe('the OSDP frame parser', () => {
  it('finds the same frames in any chunks, marked or not', () => {
    const stream = Buffer.concat([POLL, withMark(ACK), withMark(POLL), ACK, ACK]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (sizes) => {
        const { frames, parser } = collect();
        let at = 0;
        for (const size of [...sizes, stream.length]) {
          parser.push(stream.subarray(at, at + size));
          at += size;
        }
        assert.deepEqual(
          frames.map(({ raw }) => hex(raw)),
          [POLL, ACK, POLL, ACK, ACK].map(hex),
        );
        assert.deepEqual({ ...parser.counts }, { ...parser.counts, bytes: stream.length, garbage: 0, resyncs: 0 });
      }),
    );
  });

  it('finds a frame behind garbage and false starts, and counts the bytes', () => {
    const { frames, parser } = collect();
    parser.push(bytes('00 53 FF 53 00 F5 77 04 53 A1 FF FF'));
    parser.push(POLL);
    assert.equal(frames.length, 1);
    assert.equal(parser.counts.garbage, 11);
    assert.equal(parser.counts.resyncs, 1);
  });

  it('finds a frame inside what a false start claims, once the rest does not come', async () => {
    const { clock, frames, parser } = collect({ stallMs: 20 });
    parser.push(bytes('53 00 00 01 04'));
    parser.push(ACK);
    assert.equal(frames.length, 0);
    await clock.advance(25);
    assert.equal(frames.length, 1);
    assert.deepEqual([parser.counts.stalled, parser.counts.garbage, parser.isPartial], [1, 5, false]);
  });

  it('waits through gaps shorter than the limit, and no longer', async () => {
    const { clock, frames, parser } = collect({ stallMs: 150 });
    parser.push(ACK.subarray(0, 6));
    await clock.advance(140);
    parser.push(ACK.subarray(6, 7));
    await clock.advance(140);
    parser.push(ACK.subarray(7));
    assert.equal(frames.length, 1);
    parser.push(ACK.subarray(0, 6));
    await clock.advance(151);
    assert.equal(parser.counts.stalled, 1);
    parser.push(ACK.subarray(6));
    parser.push(ACK);
    assert.equal(frames.length, 2);
  });

  it('gives up at the very moment, whatever the fractions of the clock', async () => {
    // As sums and differences of fractions go, this moment and 150 ms later are less than 150 ms apart.
    const start = 106.42361111111111;
    assert.ok(start + 150 - start < 150);
    const { clock, parser } = collect({ stallMs: 150 });
    await clock.advance(start);
    parser.push(ACK.subarray(0, 6));
    await clock.run(new Promise<void>((resolve) => clock.at(start + 160, resolve)));
    assert.deepEqual([parser.counts.stalled, parser.isPartial], [1, false]);
  });

  it('leaves out the direction it does not listen to, and says so', () => {
    const filtered: Frame[] = [];
    const { frames, parser } = collect({ only: 'replies', onFiltered: (frame) => filtered.push(frame) });
    parser.push(Buffer.concat([withMark(POLL), ACK]));
    assert.deepEqual([frames.length, filtered.length, parser.counts.filtered, parser.counts.garbage], [1, 1, 1, 0]);
  });

  it('takes no frame longer than its limit', () => {
    const { frames, parser } = collect({ maxLength: 128 });
    parser.push(encodeFrame(plain(0, 0x80, new Uint8Array(200))));
    parser.push(POLL);
    assert.equal(frames.length, 1);
  });

  it('tells of damaged frames at once', () => {
    const faults: string[] = [];
    const { parser, frames } = collect({ onDamaged: (fault) => faults.push(fault) });
    const bad = ACK.slice();
    bad[5] = 0x41;
    parser.push(bad);
    assert.deepEqual([faults, frames.length, parser.counts.damaged], [['check'], 0, 1]);
  });
});
