import assert from 'node:assert/strict';
import {
  decodeFrame,
  encodeFrame,
  formatOsdpcap,
  maskCapture,
  parseOsdpcap,
  replayCapture,
  TraceDecoder,
  TraceRecorder,
} from '../../../lib/osdp/index.ts';
import { ManualClock } from '../../../lib/virtual/clock.ts';
import { bytes, hex, traceFrames } from './support.ts';

const KEY0 = bytes('000102030405060708090A0B0C0D0E0F');
const record = (raw: Uint8Array, io: 'in' | 'out', ms = 0) => ({
  seconds: Math.floor(ms / 1000),
  nanoseconds: Math.round((ms % 1000) * 1e6),
  io,
  data: raw,
  source: 'test',
  masked: false,
});
const recorded = (part = 1) =>
  traceFrames(part).map(({ from, raw, ms }) => record(raw, from === 'cp' ? 'out' : 'in', ms));

describe('OSDP traces', () => {
  for (const part of [1, 2]) {
    it(`every check, cryptogram and MAC of the recorded exchange holds (part ${part})`, () => {
      const decoder = new TraceDecoder({ showSecrets: true });
      const notes = traceFrames(part).map(({ note }) => note);
      const lines = recorded(part).map((one) => decoder.next(one));
      lines.forEach((line, i) => {
        const note = notes[i] as string;
        assert.ok(line.frame !== undefined, note);
        assert.match(note, new RegExp(`[ :]${line.name}( |$)`));
        if (/MAC=\w+ ok/.test(note)) assert.equal(line.mac, 'ok', note);
        if (/verified|-> key (SCBK-D|KEYSET)/.test(note) && !/-> key KEYSET#1/.test(note)) {
          assert.equal(line.cryptogram, 'ok', note);
        }
        const plain = /plain=([0-9A-F]+)/.exec(note)?.[1];
        if (plain !== undefined && line.name === 'KEYSET') assert.ok(line.text.includes(plain.slice(4)), line.text);
      });
      assert.ok(lines.filter(({ mac }) => mac === 'ok').length >= 6);
      assert.equal(lines.filter(({ mac }) => mac === 'bad').length, 0);
    });
  }

  it('tell when the key is not known, and when a MAC does not fit', () => {
    const decoder = new TraceDecoder();
    const lines = recorded().map((one) => decoder.next(one));
    assert.ok(lines.every(({ text }) => !text.includes(hex(KEY0))));
    const twisted = recorded();
    const at = twisted.findIndex(({ data }) => decodeName(data) === 0x15);
    const frame = twisted[at] as (typeof twisted)[number];
    const bad = frame.data.slice();
    bad[bad.length - 4] = (bad[bad.length - 4] as number) ^ 1;
    const again = new TraceDecoder();
    const seen = [...twisted.slice(0, at), { ...frame, data: repaired(bad) }].map((one) => again.next(one));
    assert.equal(seen.at(-1)?.mac, 'bad');
    assert.match(seen.at(-1)?.text ?? '', /MAC does not fit/);
  });

  it('are written and read as .osdpcap', () => {
    const records = recorded();
    const text = formatOsdpcap(records);
    const first = JSON.parse(text.split('\n')[0] as string) as Record<string, string>;
    assert.deepEqual(Object.keys(first), ['timeSec', 'timeNano', 'io', 'data', 'osdpTraceVersion', 'osdpSource']);
    assert.equal(first.data, 'FF 53 00 09 00 04 61 00 C0 66');
    assert.deepEqual(parseOsdpcap(text), records);
    const dashed =
      '{"timeSec":"1","timeNano":"000000005","io":"output","data":"53-00-08","osdpTraceVersion":"1"}\r\n\r\n';
    assert.deepEqual(parseOsdpcap(dashed), [
      { seconds: 1, nanoseconds: 5, io: 'out', data: bytes('530008'), source: '', masked: false },
    ]);
  });

  it('with errors are refused by line', () => {
    const good = formatOsdpcap(recorded().slice(0, 1));
    for (const bad of [
      '{',
      '[]',
      '{"io":"in"}',
      good.replace('"out"', '"up"'),
      good.replace('FF 53', 'FF 5'),
      'null',
    ]) {
      assert.throws(
        () => parseOsdpcap(`${good}\n${bad}`),
        (error: Error & { code: string; detail: { line: number } }) => {
          assert.deepEqual([error.code, error.detail.line], ['BAD_OSDPCAP', 3]);
          return true;
        },
      );
    }
  });

  it('hide keys, cards and PINs from who was not told to see them', () => {
    const recorder = new TraceRecorder({ now: () => 1_700_000_000_123.5 });
    for (const { io, data } of recorded()) recorder.sink(io, data);
    const card = bytes('5380 0E00 05 50 00 01 1A00 DEADBE80'.replace('0E00', '1000'));
    recorder.sink('in', repaired(Buffer.concat([card, bytes('0000')])));
    recorder.sink('in', bytes('00 DE AD BE EF 00'));
    const shown = recorder.export();
    const records = parseOsdpcap(shown);
    assert.equal(records.length, recorder.length);
    for (const { data, masked } of records) {
      const frame = decodeFrame(data.subarray(data[0] === 0xff ? 1 : 0));
      if (typeof frame === 'string') assert.ok(data.every((byte) => byte === 0) && masked);
      else if ([0x75, 0x76, 0x77, 0x78, 0x50].includes(frame.code)) {
        assert.ok(masked && frame.data.every((byte) => byte === 0), `code ${frame.code}`);
      }
    }
    assert.ok(!shown.includes('DE AD BE'));
    const decoder = new TraceDecoder({ keys: [KEY0], showSecrets: true });
    assert.ok(records.every((one) => decoder.next(one).mac !== 'ok'));
    assert.ok(recorder.export({ secrets: true }).includes('DE AD BE'));
    assert.deepEqual(maskCapture(records), records);
    recorder.clear();
    assert.equal(recorder.export({ secrets: true }), '');
  });

  it('hide what every secret command and reply carries, its MAC too, in clear and sealed, and nothing else', () => {
    const data = new Uint8Array(16).fill(0xa5);
    const secret = { false: [0x74, 0x75, 0x76, 0x77, 0xa1, 0xa4, 0xa5], true: [0x50, 0x51, 0x53, 0x57, 0x76, 0x78] };
    secret.true.push(0x80, 0x81, 0x82, 0xb1);
    for (const reply of [false, true]) {
      for (let code = 0; code < 256; code++) {
        for (const sealed of [false, true]) {
          const type = reply ? 0x18 : 0x17;
          const frame = encodeFrame({
            ...{ address: 1, reply, sequence: 1, check: 'crc', code, data },
            ...(sealed ? { security: { type, data: new Uint8Array() }, mac: Uint8Array.of(1, 2, 3, 4) } : {}),
          });
          const [one] = maskCapture([record(frame, reply ? 'in' : 'out')]);
          const shown = decodeFrame(one?.data as Uint8Array);
          assert.ok(typeof shown !== 'string' && shown.code === code);
          const hidden = secret[`${reply}`].includes(code);
          const word = `${reply ? 'reply' : 'command'} ${code.toString(16)}`;
          assert.equal(one?.masked, hidden, word);
          assert.equal(
            shown.data.every((byte) => byte === 0),
            hidden,
            word,
          );
          if (sealed) assert.equal(hex(shown.mac as Uint8Array), hidden ? '00000000' : '01020304', word);
        }
      }
    }
  });

  it('keep no more than they may', () => {
    const recorder = new TraceRecorder({ limit: 2 });
    for (let i = 0; i < 5; i++) recorder.sink('in', Uint8Array.of(i));
    assert.deepEqual([recorder.length, recorder.dropped], [2, 3]);
  });

  it('are replayed at the distances they were recorded at', async () => {
    const clock = new ManualClock();
    const at: number[] = [];
    const records = recorded();
    const done = replayCapture(records, () => void at.push(clock.now()), { clock, io: 'in', speed: 2 });
    assert.equal(await clock.run(done), records.filter(({ io }) => io === 'in').length);
    const replies = traceFrames().filter(({ from }) => from === 'pd');
    at.forEach((ms, i) => {
      const wanted = ((replies[i]?.ms ?? 0) - (replies[0]?.ms ?? 0)) / 2;
      assert.ok(Math.abs(ms - wanted) < 0.01, `${ms} is not ${wanted}`);
    });
  });
});

function decodeName(data: Uint8Array): number | undefined {
  const frame = decodeFrame(data.subarray(data[0] === 0xff ? 1 : 0));
  return typeof frame === 'string' ? undefined : frame.security?.type;
}

/** With a CRC that fits. */
function repaired(data: Uint8Array): Uint8Array {
  const copy = data.slice();
  const start = copy[0] === 0xff ? 1 : 0;
  let crc = 0x1d0f;
  for (const byte of copy.subarray(start, -2)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  copy.set([crc & 0xff, crc >> 8], copy.length - 2);
  return copy;
}
