import assert from 'node:assert/strict';
import fc from 'fast-check';
import { encodeCard26, readCard } from '../../../lib/osdp/index.ts';

describe('card numbers', () => {
  it('reads facility and number of a card of 26 bits', () => {
    // 00010001 and 0001001001100111: three ones in the first half want a one in front, six in the second one behind.
    const card = encodeCard26(17, 4711);
    assert.deepEqual(readCard(card), {
      bits: 26,
      hex: '888933C0',
      decimal: String(0b10001000100010010011001111),
      facility: 17,
      number: 4711,
    });
  });

  it('gives back what was written, whatever it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 65535 }), (facility, number) => {
        const read = readCard(encodeCard26(facility, number));
        assert.deepEqual([read.facility, read.number], [facility, number]);
      }),
    );
  });

  it('leaves out what the parities do not bear out, and what has another length', () => {
    const { data } = encodeCard26(17, 4711);
    for (let bit = 0; bit < 26; bit++) {
      const flipped = data.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (0x80 >> (bit & 7));
      assert.equal(readCard({ bits: 26, data: flipped }).number, undefined, `bit ${bit}`);
    }
    const long = readCard({ bits: 37, data: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xf8) });
    assert.deepEqual(long, { bits: 37, hex: 'FFFFFFFFF8', decimal: String(2 ** 37 - 1) });
    assert.deepEqual(readCard({ bits: 16, data: new Uint8Array() }), { bits: 16, hex: '', decimal: '0' });
  });

  it('refuses numbers that such a card cannot have', () => {
    for (const [facility, number] of [
      [256, 0],
      [-1, 0],
      [0, 65536],
      [0.5, 1],
    ] as const) {
      assert.throws(() => encodeCard26(facility, number), { code: 'BAD_OSDP_RECORD' });
    }
  });
});
