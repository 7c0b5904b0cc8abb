import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SlipDecoder, slipEncode } from '../../../../lib/esp/slip.ts';

interface Seen {
  frames: string[];
  stray: string;
  dropped: string[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const of = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

function decode(chunks: readonly Uint8Array[], limit?: number): Seen {
  const seen: Seen = { frames: [], stray: '', dropped: [] };
  const decoder = new SlipDecoder(
    {
      frame: (payload) => void seen.frames.push(hex(payload)),
      stray: (bytes) => {
        seen.stray += hex(bytes);
      },
      dropped: (reason) => void seen.dropped.push(reason),
    },
    limit,
  );
  for (const chunk of chunks) decoder.push(chunk);
  return seen;
}

describe('SLIP', () => {
  it('escapes END and ESC and frames both ends', () => {
    assert.equal(hex(slipEncode(of('01c002db03dcdd'))), 'c001dbdc02dbdd03dcddc0');
    assert.equal(hex(slipEncode(new Uint8Array(0))), 'c0c0');
  });

  it('gives back what was encoded, however it is cut', () => {
    const byte = fc.oneof(fc.constantFrom(0xc0, 0xdb, 0xdc, 0xdd), fc.nat(255));
    const payload = fc.array(byte, { minLength: 1, maxLength: 80 }).map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 5 }), fc.integer({ min: 1, max: 9 }), (payloads, size) => {
        const wire = Buffer.concat(payloads.map((bytes) => slipEncode(bytes)));
        const chunks = Array.from({ length: Math.ceil(wire.length / size) }, (_, i) =>
          wire.subarray(i * size, (i + 1) * size),
        );
        const seen = decode(chunks);
        assert.deepEqual(seen.frames, payloads.map(hex));
        assert.equal(seen.stray, '');
        assert.deepEqual(seen.dropped, []);
      }),
    );
  });

  it('hands on what lies between frames and goes on', () => {
    const seen = decode([of('414243c001c0'), of('4445c002c046')]);
    assert.deepEqual(seen.frames, ['01', '02']);
    assert.equal(seen.stray, '414243444546');
  });

  it('skips empty frames', () => {
    assert.deepEqual(decode([of('c0c0c001c0')]).frames, ['01']);
  });

  it('drops a frame with a bad escape whole, and reads the next', () => {
    const seen = decode([of('c001db0203c0c004c0')]);
    assert.deepEqual(seen, { frames: ['04'], stray: '', dropped: ['escape'] });
  });

  it('drops a frame that ends in the middle of an escape', () => {
    assert.deepEqual(decode([of('c001dbc0c004c0')]), { frames: ['04'], stray: '', dropped: ['escape'] });
  });

  it('takes a frame as long as the limit and drops a longer one', () => {
    assert.deepEqual(decode([of('c001020304c0c00102030405c0c006c0')], 4), {
      frames: ['01020304', '06'],
      stray: '',
      dropped: ['length'],
    });
  });

  it('grows to frames longer than its first buffer', () => {
    const long = new Uint8Array(5000).fill(0xdb);
    assert.deepEqual(decode([slipEncode(long)]).frames, [hex(long)]);
  });

  it('gives frames away: the next one does not overwrite them', () => {
    const frames: Uint8Array[] = [];
    const decoder = new SlipDecoder({ frame: (payload) => void frames.push(payload) });
    decoder.push(of('41c001c0c002c0'));
    assert.deepEqual(frames.map(hex), ['01', '02']);
  });

  it('forgets a half frame at reset', () => {
    const frames: Uint8Array[] = [];
    const decoder = new SlipDecoder({ frame: (payload) => void frames.push(payload) });
    decoder.push(of('c00102db'));
    decoder.reset();
    decoder.push(of('c003c0'));
    assert.deepEqual(frames.map(hex), ['03']);
  });
});
