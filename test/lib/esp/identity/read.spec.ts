import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import {
  describeFaults,
  IDENTITY_LAYOUTS,
  type IdentityField,
  type IdentityLayoutName,
  identityBytes,
  identityItems,
  identityLayout,
  readIdentity,
} from '../../../../lib/esp/identity/index.ts';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { type NvsEntry, parseNvs } from '../../../../lib/esp/nvs/index.ts';
import { spellingOf } from '../../../support/canary.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT, mutate, Random } from '../formats/fuzz.ts';
import { image, keys } from '../nvs/samples.ts';
import { commonName, generalizedTime, makeKeys, parts, pem, sample, sequence, tlv, utcTime } from './certificates.ts';

const entriesOf = (layout: IdentityLayoutName): NvsEntry[] => identityItems(layout, parts(layout)) as NvsEntry[];
const faultsOf = (layout: IdentityLayoutName, entries: readonly NvsEntry[]): string[] =>
  readIdentity({ entries }, layout).faults.map(({ namespace, key, problem }) => `${namespace}/${key} ${problem}`);
/** The identity with one value changed. */
const changed = (layout: IdentityLayoutName, field: IdentityField, change: Partial<NvsEntry>): NvsEntry[] =>
  entriesOf(layout).map((entry) => (entry.key === field.key ? { ...entry, ...change } : entry));

describe('reading an identity from NVS', () => {
  for (const layout of IDENTITY_LAYOUTS) {
    for (const field of identityLayout(layout).fields) {
      const { namespace, key, encoding, optional, role } = field;
      if (!entriesOf(layout).some((entry) => entry.key === key)) continue;
      it(`${layout}: ${namespace}/${key} missing, of the wrong type, empty, torn`, () => {
        const name = `${namespace}/${key}`;
        const without = entriesOf(layout).filter((entry) => entry.key !== key);
        assert.deepEqual(faultsOf(layout, without), optional ? [] : [`${name} missing`]);
        const other = encoding === 'blob' ? 'string' : 'blob';
        assert.deepEqual(faultsOf(layout, changed(layout, field, { encoding: other })), [`${name} wrong-type`]);
        assert.deepEqual(faultsOf(layout, changed(layout, field, { value: '' })), [`${name} malformed`]);
        assert.deepEqual(faultsOf(layout, changed(layout, field, { value: 'a\0b' })), [`${name} malformed`]);
        const long = 'x'.repeat(field.longest + 1);
        assert.deepEqual(faultsOf(layout, changed(layout, field, { value: long })), [`${name} malformed`]);
        if (role === 'certificate' || role === 'key' || role === 'ca') {
          const whole = role === 'key' ? sample.key : role === 'ca' ? sample.ca : sample.certificate;
          for (let at = 1; at < whole.trimEnd().length; at += 7) {
            const entries = changed(layout, field, { value: whole.slice(0, at) });
            assert.deepEqual(faultsOf(layout, entries), [`${name} malformed`], `cut at ${at}`);
          }
        }
        // Where both types are there, the firmware finds the one that it asks for.
        const twice: NvsEntry = { namespace, key, encoding: other, value: 'x' };
        assert.deepEqual(faultsOf(layout, [twice, ...entriesOf(layout)]), []);
      });
    }

    it(`${layout}: nothing there at all`, () => {
      const { faults, present } = readIdentity({ entries: [] }, layout);
      assert.equal(present, false);
      assert.ok(faults.length > 0 && faults.every(({ problem }) => problem === 'missing'));
    });
  }

  it('tells in plain words which entry, and shows no key', () => {
    const [cert, key, ca] = identityLayout('scadable').fields as [IdentityField, IdentityField, IdentityField];
    const one = (field: IdentityField, change: Partial<NvsEntry>): string =>
      describeFaults(readIdentity({ entries: changed('scadable', field, change) }, 'scadable').faults);
    assert.equal(one(key, { key: 'other' }), 'scadable_certs/key is missing');
    assert.equal(one(cert, { encoding: 'string' }), 'scadable_certs/cert is of type string, and the chip reads a blob');
    assert.equal(
      one(cert, { value: sample.certificate.slice(0, -30) }),
      'scadable_certs/cert is cut off: the PEM block CERTIFICATE has no END line',
    );
    assert.equal(
      one(ca, { value: sample.key }),
      'scadable_certs/ca holds a PEM block PRIVATE KEY where a certificate belongs',
    );
    assert.equal(
      one(key, { value: sample.encrypted }),
      'scadable_certs/key is under a passphrase, which the chip does not have',
    );
    assert.equal(
      describeFaults(readIdentity({ entries: [] }, 'scadable').faults),
      'scadable_certs/cert is missing; scadable_certs/key is missing; scadable_certs/ca is missing',
    );
    const torn = changed('scadable', key, { value: sample.key.replace('M', '*') });
    assert.equal(spellingOf(sample.key.slice(40, 90), readIdentity({ entries: torn }, 'scadable')), undefined);
  });

  it("reads what Espressif's generator wrote, plain and encrypted", async () => {
    for (const content of [
      await parseNvs(image('identity'), { platform }),
      await parseNvs(image('encrypted'), { platform, keys }),
    ]) {
      const reading = readIdentity(content, 'scadable');
      assert.deepEqual(reading.faults, []);
      assert.equal(reading.certificate?.commonName, 'acme:aabbccddeeff');
      assert.equal(reading.unterminated.length, 3, 'the generator adds no NUL');
      assert.ok(reading.ca.length > 0);
    }
  });

  it('keys as PKCS#8, RFC 5915 and PKCS#1, behind EC PARAMETERS or a remark', () => {
    const rsa = pem('RSA PRIVATE KEY', sequence(...Array.from({ length: 9 }, () => tlv(2, Uint8Array.of(1)))));
    const parameters = pem('EC PARAMETERS', tlv(6, Buffer.from('2a8648ce3d030107', 'hex')));
    const key = identityLayout('scadable').fields[1] as IdentityField;
    for (const value of [sample.key, sample.sec1, rsa, parameters + sample.sec1, `key of a bench\n${sample.key}`]) {
      assert.deepEqual(faultsOf('scadable', changed('scadable', key, { value })), []);
    }
    for (const der of [sequence(), sequence(tlv(2, Uint8Array.of(0))), Buffer.from([0x30, 0x80, 0, 0])]) {
      const value = pem('PRIVATE KEY', der);
      assert.deepEqual(faultsOf('scadable', changed('scadable', key, { value })), ['scadable_certs/key malformed']);
    }
  });

  it('settings that are no text, or nonsense', () => {
    const field = (layout: IdentityLayoutName, role: IdentityField['role']): IdentityField =>
      identityLayout(layout).fields.find((one) => one.role === role) ?? assert.fail();
    for (const [role, value, what] of [
      ['deviceId', Uint8Array.of(0xff), /is no UTF-8/],
      ['commonName', 'a\u0007b', /control characters/],
      ['brokerPort', '0', /is no port/],
      ['brokerPort', '65536', /is no port/],
      ['brokerPort', '8883 ', /is no port/],
      ['brokerHost', 'a/b', /is no host name/],
    ] as const) {
      const { faults } = readIdentity(
        { entries: changed('gateway-esp', field('gateway-esp', role), { value }) },
        'gateway-esp',
      );
      assert.equal(faults.length, 1);
      assert.equal(faults[0]?.role, role);
      assert.match(faults[0]?.what ?? '', what);
    }
  });

  it('gives the bytes of one entry as the firmware gets them', () => {
    const content = { entries: entriesOf('gateway-esp') };
    assert.deepEqual(identityBytes(content, 'gateway-esp', 'key'), new Uint8Array(Buffer.from(sample.key)));
    assert.equal(identityBytes(content, 'scadable', 'key'), undefined);
    assert.equal(identityBytes(content, 'gateway-esp', 'brokerUrl'), undefined);
  });
});

describe('what a certificate says', () => {
  const cert = identityLayout('scadable').fields[0] as IdentityField;
  const read = (text: string) => readIdentity({ entries: changed('scadable', cert, { value: text }) }, 'scadable');

  it('agrees with node:crypto on names, serial numbers and times of any kind', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((text) => !/[\p{Cc}\\+,"<>;=#/]|^ | $/u.test(text));
    const instant = fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(2049, 11) / 1000 }).map((s) => s * 1000);
    const { publicKey, privateKey } = makeKeys();
    fc.assert(
      fc.property(
        name,
        instant,
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        fc.boolean(),
        (cn, ms, bytes, general) => {
          // Positive and in its shortest form.
          const serial = Buffer.from([0x5a, ...bytes]);
          const time = general ? generalizedTime(ms) : utcTime(ms);
          const terms = {
            subject: commonName(cn),
            serial,
            notBefore: time,
            notAfter: time,
            key: publicKey,
            signer: privateKey,
          };
          const text = sample.issued(terms);
          const facts = read(text).certificate ?? assert.fail();
          const other = new X509Certificate(text);
          assert.equal(facts.notAfter, Date.parse(other.validTo));
          assert.equal(facts.notBefore, Date.parse(other.validFrom));
          assert.equal(facts.serial, other.serialNumber.toLowerCase().padStart(32, '0'));
          assert.equal(facts.commonName, cn);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads names in the string types of X.509', () => {
    for (const [tag, encoding, text] of [
      [19, 'latin1', 'Printable'],
      [22, 'latin1', 'ia5@example'],
      [20, 'latin1', 'Grün'],
      [12, 'utf8', 'Grün 日本'],
    ] as const) {
      assert.equal(read(sample.issued({ subject: commonName(text, tag, encoding) })).certificate?.commonName, text);
    }
    const wide = Buffer.from('Grün', 'utf16le').swap16().toString('latin1');
    assert.equal(read(sample.issued({ subject: commonName(wide, 30, 'latin1') })).certificate?.commonName, 'Grün');
  });

  it('takes nothing for a certificate that is none', () => {
    for (const terms of [
      { notAfter: tlv(0x17, Buffer.from('260231120000Z')) },
      { notAfter: tlv(0x17, Buffer.from('2604291200Z')) },
      { notAfter: tlv(0x18, Buffer.from('20260429120000+0100')) },
      { notAfter: tlv(0x17, Buffer.from('261329120000Z')) },
      { notAfter: tlv(4, Buffer.from('260429120000Z')) },
      { notAfter: Buffer.concat([utcTime(0), utcTime(0)]) },
      { serial: new Uint8Array(0) },
      { subject: commonName('x', 4) },
      { subject: commonName('\xff', 12, 'latin1') },
      { subject: sequence() },
      { subject: tlv(0x31) },
    ]) {
      assert.deepEqual(
        read(sample.issued(terms)).faults.map(({ key, problem }) => `${key} ${problem}`),
        ['cert malformed'],
        JSON.stringify(terms),
      );
    }
    for (const der of [
      sequence(),
      sequence(sequence(), sequence(), tlv(3, Uint8Array.of(0))),
      Buffer.concat([Buffer.from(sample.certificate.split('\n').slice(1, -2).join(''), 'base64'), Uint8Array.of(5, 0)]),
      Buffer.from('3080', 'hex'),
      Buffer.from('30850000000001', 'hex'),
      Buffer.from('308100', 'hex'),
      Buffer.from('3f0100', 'hex'),
      sequence(...Array.from({ length: 300 }, () => tlv(5))),
    ]) {
      assert.equal(read(pem('CERTIFICATE', der)).faults.length, 1, der.toString('hex').slice(0, 40));
    }
    assert.equal(read('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n').faults.length, 1);
    assert.equal(read(sample.certificate.repeat(21)).faults.length, 1);
    assert.equal(read(sample.certificate.repeat(3)).faults.length, 0);
    assert.equal(read(sample.certificate.repeat(3)).intermediates.length, 2);
  });

  it('whatever is changed in it: a reading or a fault, never anything else, and quickly', function () {
    this.timeout(FUZZ_TIMEOUT);
    const random = new Random(7);
    const der = new Uint8Array(Buffer.from(sample.certificate.split('\n').slice(1, -2).join(''), 'base64'));
    const whole = new TextEncoder().encode(sample.certificate);
    let [good, bad] = [0, 0];
    for (let run = 0; run < FUZZ_RUNS; run++) {
      // Half of them as bytes within sound PEM: what is damaged outside never reaches the certificate.
      const inside = random.chance(2);
      const text = inside
        ? pem('CERTIFICATE', mutate(der, random))
        : Buffer.from(mutate(whole, random)).toString('latin1');
      const { faults, certificate } = read(text);
      assert.equal(faults.length === 0, certificate !== null);
      if (faults.length === 0) good++;
      else bad++;
    }
    assert.ok(good > 0 && bad > 0, `${good} read, ${bad} refused`);
  });

  it('bounds what hostile text costs', () => {
    const marks = '-----BEGIN '.repeat(2900);
    assert.equal(read(marks).faults.length, 1);
    assert.equal(read('x'.repeat(1 << 20)).faults[0]?.what, 'has 1048576 bytes, and the chip takes 32768 at most');
  });
});
