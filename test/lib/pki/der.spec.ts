import assert from 'node:assert/strict';
import fc from 'fast-check';
import { numberOf, oidOf, parseDer, readDer, textOf, timeOf } from '../../../lib/pki/der/reader.ts';
import {
  concat,
  integer,
  namedBits,
  oid,
  sequence,
  setOf,
  time,
  tlv,
  unsigned,
  utf8String,
} from '../../../lib/pki/der/writer.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('pki: DER', () => {
  const bad: [string, string][] = [
    ['nothing', ''],
    ['a tag alone', '30'],
    ['an indefinite length', '30 80 00 00'],
    ['a length that is longer than it need be', '04 81 01 00'],
    ['a long length that is longer than it need be', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of five bytes', '04 85 00 00 00 00 01 00'],
    ['a length beyond the end', '30 05 04 01 00'],
    ['a child beyond its parent', '30 03 04 02 00'],
    ['bytes behind the value', '05 00 00'],
    ['a tag of several bytes', '1f 21 00'],
    ['an end-of-contents mark', '30 02 00 00'],
    ['a BOOLEAN of 1', '01 01 01'],
    ['an empty BOOLEAN', '01 00'],
    ['an empty INTEGER', '02 00'],
    ['an INTEGER with a zero too many', '02 02 00 7f'],
    ['an INTEGER with a sign too many', '02 02 ff 80'],
    ['a NULL with content', '05 01 00'],
    ['a BIT STRING without its first byte', '03 00'],
    ['a BIT STRING with 8 unused bits', '03 02 08 00'],
    ['a BIT STRING whose unused bits are set', '03 02 01 01'],
    ['an empty BIT STRING with unused bits', '03 01 01'],
    ['a constructed BIT STRING', '23 04 03 02 00 ff'],
    ['a primitive SEQUENCE', '10 00'],
    ['an OBJECT IDENTIFIER that is cut off', '06 02 2a 86'],
    ['an OBJECT IDENTIFIER with a leading 80', '06 03 2a 80 01'],
    ['an empty OBJECT IDENTIFIER', '06 00'],
    ['a UTF8String that is none', '0c 01 ff'],
    ['a PrintableString with an underscore', '13 01 5f'],
    ['an IA5String beyond ASCII', '16 01 80'],
    ['a SET out of order', '31 06 02 01 02 02 01 01'],
    ['a UTCTime without seconds', '17 0b 32363131323230353038 5a'],
    ['a UTCTime of the month 13', '17 0d 323631333232303530383030 5a'],
  ];
  for (const [name, bytes] of bad) {
    it(`refuses ${name}`, () => assert.throws(() => parseDer(hex(bytes)), { code: 'BAD_DER' }));
  }

  it('holds its limits on depth, values and bytes, whatever the input', () => {
    let deep = Uint8Array.of(5, 0) as Uint8Array;
    for (let i = 0; i < 10; i++) deep = sequence(deep);
    assert.doesNotThrow(() => parseDer(deep, { depth: 10 }));
    assert.throws(() => parseDer(deep, { depth: 9 }), { code: 'BAD_DER' });
    const wide = sequence(...Array.from({ length: 50 }, () => Uint8Array.of(5, 0)));
    assert.doesNotThrow(() => parseDer(wide, { values: 51 }));
    assert.throws(() => parseDer(wide, { values: 50 }), { code: 'BAD_DER' });
    assert.throws(() => parseDer(wide, { bytes: 20 }), { code: 'BAD_DER' });
  });

  it('nesting to the bottom of 64 KiB ends at the limit, not at the end of the stack', () => {
    const parts = Array.from({ length: 16000 }, () => Uint8Array.of(0x30, 0x83, 0, 0));
    assert.throws(() => parseDer(concat(parts)), { code: 'BAD_DER' });
    let deep = Uint8Array.of(5, 0) as Uint8Array;
    for (let i = 0; i < 3000; i++) deep = sequence(deep);
    assert.throws(() => parseDer(deep), { code: 'BAD_DER' });
  });

  it('reads what it writes: numbers, identifiers, times, texts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fffffff }), (value) => {
        assert.equal(numberOf(parseDer(integer(value)), 'n'), value);
      }),
    );
    const arcs = fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 39 }), arcs, (first, second, rest) => {
        const dotted = [first, second, ...rest].join('.');
        assert.equal(oidOf(parseDer(oid(dotted))), dotted);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11) / 1000 }), (seconds) => {
        const written = time(seconds * 1000);
        assert.equal(timeOf(parseDer(written)), seconds * 1000);
        assert.equal(written[0], seconds * 1000 < Date.UTC(2050, 0) ? 0x17 : 0x18);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(textOf(parseDer(utf8String(text))), text)),
    );
  });

  it('writes what it would itself take, at every length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(70_000), (bytes, length) => {
        const written = [
          unsigned(bytes),
          tlv(4, new Uint8Array(length)),
          setOf(unsigned(bytes), integer(5), integer(3)),
        ];
        for (const one of written) assert.doesNotThrow(() => parseDer(one, { bytes: 100_000 }));
        assert.equal(readDer(written[1] as Uint8Array).end, written[1]?.length);
      }),
    );
    const bits = fc.uniqueArray(fc.integer({ min: 0, max: 20 }));
    fc.assert(fc.property(bits, (list) => assert.doesNotThrow(() => parseDer(namedBits(list)))));
    assert.deepEqual(namedBits([5, 6]), hex('03 02 01 06'));
    assert.deepEqual(namedBits([0]), hex('03 02 07 80'));
    assert.deepEqual(unsigned(hex('00 00 80')), hex('02 02 00 80'));
  });
});
