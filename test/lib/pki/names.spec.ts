import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ipBytes } from '../../../lib/pki/certificate/names.ts';
import { deviceCommonName, hostName, namespaceName, normaliseMac } from '../../../lib/pki/index.ts';

const SPELLINGS: readonly ((hex: string) => string)[] = [
  (hex) => (hex.match(/../g) ?? []).join(':'),
  (hex) => (hex.match(/../g) ?? []).join('-'),
  (hex) => (hex.match(/..../g) ?? []).join('.'),
  (hex) => hex,
  (hex) => hex.toUpperCase(),
];

describe('pki: names', () => {
  it('a MAC in each of the five spellings is the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
        const hex = Buffer.from(bytes).toString('hex');
        for (const spell of SPELLINGS) {
          assert.equal(normaliseMac(spell(hex)), hex);
          assert.equal(normaliseMac(spell(hex.toUpperCase())), hex);
        }
      }),
    );
  });

  for (const bad of [
    '',
    '24:6f:28:aa:bb',
    '24:6f:28:aa:bb:cg',
    '24:6f-28:aa:bb:cc',
    '246f.28aa:bbcc',
    '24:6f:28:aa:bb:cc:dd',
    ' 246f28aabbcc',
    '246f28aabbcc\n',
    '2:4:6:f:2:8',
    '２４6f28aabbcc',
    'x'.repeat(100_000),
  ]) {
    it(`refuses ${JSON.stringify(bad.slice(0, 30))} as a MAC`, () => {
      assert.throws(() => normaliseMac(bad), { code: 'BAD_MAC' });
    });
  }

  it('refuses what is no text', () => {
    for (const bad of [undefined, null, 5, {}, ['246f28aabbcc']]) {
      assert.throws(() => normaliseMac(bad as unknown as string), { code: 'BAD_MAC' });
      assert.throws(() => namespaceName(bad as unknown as string), { code: 'BAD_NAMESPACE' });
    }
  });

  it('takes namespaces of its alphabet, up to what a common name holds', () => {
    for (const good of ['a', 'Plant_7.north-2', 'x'.repeat(51)]) assert.equal(namespaceName(good), good);
    assert.equal(deviceCommonName('x'.repeat(51), '24:6f:28:aa:bb:cc').length, 64);
    for (const bad of ['', 'x'.repeat(52), 'a b', 'a/b', 'a:b', 'ä', '.', '..', 'a\n', 'keyway']) {
      assert.throws(() => namespaceName(bad), { code: 'BAD_NAMESPACE' }, bad);
    }
  });

  it('knows host names and addresses', () => {
    assert.equal(hostName('Broker.Example.com'), 'broker.example.com');
    assert.equal(hostName('*.example.com', { wildcard: true }), '*.example.com');
    for (const bad of [
      '',
      'a..b',
      '-a.b',
      'a-.b',
      'a b',
      '*.example.com',
      '10.0.0.1',
      'a.1',
      'ü.de',
      `${'a'.repeat(64)}.de`,
      `${'ab.'.repeat(90)}de`,
    ]) {
      assert.throws(() => hostName(bad), { code: 'BAD_NAME' }, bad);
    }
    assert.deepEqual([...ipBytes('10.0.0.1')], [10, 0, 0, 1]);
    assert.deepEqual([...ipBytes('::1')], [...Array.from({ length: 15 }, () => 0), 1]);
    assert.deepEqual(
      Buffer.from(ipBytes('2001:db8::ff00:42:8329')).toString('hex'),
      '20010db8000000000000ff0000428329',
    );
    for (const bad of [
      '',
      '1.2.3',
      '1.2.3.256',
      '01.2.3.4',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7:8:9',
      'g::1',
      '1:2:3:4:5:6:7:8::',
    ]) {
      assert.throws(() => ipBytes(bad), { code: 'BAD_NAME' }, bad);
    }
  });
});
