import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { OID } from '../../../lib/pki/der/oids.ts';
import {
  bitString,
  boolean,
  integer,
  NULL,
  octets,
  oid,
  sequence,
  setOf,
  tlv,
  utf8String,
} from '../../../lib/pki/der/writer.ts';
import {
  CSR_MOST,
  createCsr,
  parseCertificate,
  parseCsr,
  parsePem,
  toPem,
  verifyCsr,
  webPki,
} from '../../../lib/pki/index.ts';
import { nodePki } from '../../../lib/pki/node.ts';

const NAME = sequence(setOf(sequence(oid(OID.commonName), utf8String('device'))));
const ECDSA = sequence(oid(OID.ecdsaSha256));
const attribute = (type: string, ...values: Uint8Array[]): Uint8Array => sequence(oid(type), setOf(...values));
const extension = (type: string): Uint8Array => sequence(oid(type), boolean(true), octets(NULL));

/** A request in which every part can be another. */
function forged(
  parts: {
    version?: Uint8Array;
    subject?: Uint8Array;
    attributes?: readonly Uint8Array[];
    algorithm?: Uint8Array;
    hash?: string;
    signWith?: ReturnType<typeof generateKeyPairSync>['privateKey'];
    spki?: Uint8Array;
    alter?: (signature: Uint8Array) => Uint8Array;
  } = {},
): Uint8Array {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = parts.spki ?? new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const info = sequence(
    parts.version ?? integer(0),
    parts.subject ?? NAME,
    spki,
    tlv(0xa0, ...(parts.attributes ?? [])),
  );
  const signature = sign(parts.hash ?? 'sha256', info, parts.signWith ?? privateKey);
  return sequence(info, parts.algorithm ?? ECDSA, bitString((parts.alter ?? ((same) => same))(signature)));
}

const other = (
  type: string,
  options: object,
): { spki: Uint8Array; signWith: ReturnType<typeof generateKeyPairSync>['privateKey'] } => {
  const pair = (
    generateKeyPairSync as unknown as (type: string, options: object) => ReturnType<typeof generateKeyPairSync>
  )(type, options);
  return {
    spki: new Uint8Array(createPublicKey(pair.privateKey).export({ type: 'spki', format: 'der' })),
    signWith: pair.privateKey,
  };
};

describe('pki: signing requests', () => {
  for (const [name, platform] of [
    ['node:crypto', nodePki],
    ['WebCrypto', webPki],
  ] as const) {
    it(`made by ${name} hold for both`, async () => {
      for (let i = 0; i < 5; i++) {
        const made = await createCsr(platform, `plant:24000000000${i}`);
        for (const checker of [nodePki, webPki]) {
          const request = await verifyCsr(checker, made.der);
          assert.deepEqual(request.key.spki, made.key.spki);
          assert.deepEqual(await verifyCsr(checker, made.pem), request);
        }
        const pkcs8 = await made.key.exportPrivateKey();
        assert.match(toPem('PRIVATE KEY', pkcs8), /^-----BEGIN PRIVATE KEY-----\n/);
      }
    });

    it(`with a wrong signature are refused by ${name}`, async () => {
      const wrong: [string, Uint8Array][] = [
        ['another key signed', forged({ signWith: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey })],
        ['a bit was changed', forged({ alter: (bytes) => bytes.map((byte, i) => (i === 10 ? byte ^ 1 : byte)) })],
        ['it is empty', forged({ alter: () => new Uint8Array(0) })],
        ['it is no DER', forged({ alter: () => new Uint8Array(70).fill(0xff) })],
        ['r and s are zero', forged({ alter: () => sequence(integer(0), integer(0)) })],
        ['r and s are far too long', forged({ alter: () => sequence(tlv(2, new Uint8Array(40).fill(1)), integer(1)) })],
        ['it has three numbers', forged({ alter: () => sequence(integer(1), integer(1), integer(1)) })],
      ];
      for (const [what, der] of wrong) {
        await assert.rejects(verifyCsr(platform, der), { code: 'CSR_SIGNATURE' }, what);
      }
    });

    it(`whose point is not on the curve are refused by ${name}`, async () => {
      const der = forged();
      const { spki } = parseCsr(der).key;
      const at = Buffer.from(der).indexOf(Buffer.from(spki)) + spki.length - 1;
      der[at] = (der[at] as number) ^ 1;
      await assert.rejects(verifyCsr(platform, der), { code: 'CSR_SIGNATURE' });
    });
  }

  it('with another key than the namespace takes are refused', async () => {
    const rsa = { algorithm: sequence(oid(OID.rsaSha256), NULL) };
    const refused: [string, Uint8Array][] = [
      ['P-384', forged(other('ec', { namedCurve: 'P-384' }))],
      ['secp256k1', forged(other('ec', { namedCurve: 'secp256k1' }))],
      ['explicit parameters', forged(other('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }))],
      ['RSA', forged({ ...other('rsa', { modulusLength: 2048 }), ...rsa })],
    ];
    for (const [what, der] of refused) {
      await assert.rejects(verifyCsr(nodePki, der), { code: 'CSR_KEY_REFUSED' }, what);
    }
    const [, small] = [0, forged({ ...other('rsa', { modulusLength: 1024 }), ...rsa })];
    await assert.rejects(verifyCsr(nodePki, small, 'P-256 or RSA'), { code: 'CSR_KEY_REFUSED' });
    const modulus = tlv(2, Uint8Array.of(0), new Uint8Array(513).fill(0xff));
    const number = sequence(modulus, integer(65537));
    const spki = sequence(sequence(oid(OID.rsaEncryption), NULL), bitString(number));
    const large = forged({ spki, ...rsa });
    assert.equal(parseCsr(large).key.name, 'RSA 4104');
    await assert.rejects(verifyCsr(nodePki, large, 'P-256 or RSA'), { code: 'CSR_KEY_REFUSED' });
    const fit = forged({ ...other('rsa', { modulusLength: 2048 }), ...rsa });
    for (const platform of [nodePki, webPki]) {
      assert.equal((await verifyCsr(platform, fit, 'P-256 or RSA')).key.name, 'RSA 2048');
    }
  });

  it('with a compressed point are refused', async () => {
    const der = forged();
    const { key } = parseCsr(der);
    const compressed = Uint8Array.of(2 + ((key.key[64] as number) & 1), ...key.key.subarray(1, 33));
    const spki = sequence(sequence(oid(OID.ecPublicKey), oid(OID.p256)), bitString(compressed));
    await assert.rejects(verifyCsr(nodePki, forged({ spki })), { code: 'CSR_KEY_REFUSED' });
  });

  const malformed: [string, () => Uint8Array][] = [
    ['version 1', () => forged({ version: integer(1) })],
    ['SHA-1', () => forged({ algorithm: sequence(oid('1.2.840.10045.4.1')) })],
    [
      'an RSA signature said of an ECDSA key is malformed by its parameter',
      () => forged({ algorithm: sequence(oid(OID.rsaSha256)) }),
    ],
    ['ECDSA with a parameter', () => forged({ algorithm: sequence(oid(OID.ecdsaSha256), NULL) })],
    ['a subject that is no list of pairs', () => forged({ subject: sequence(integer(1)) })],
    ['a part of the subject without value', () => forged({ subject: sequence(setOf(sequence(oid('2.5.4.3')))) })],
    ['an attribute twice', () => forged({ attributes: [attribute('1.2.3', NULL), attribute('1.2.3', NULL)] })],
    ['an attribute without values', () => forged({ attributes: [sequence(oid('1.2.3'))] })],
    [
      'an extension twice',
      () =>
        forged({
          attributes: [attribute(OID.extensionRequest, sequence(extension('2.5.29.19'), extension('2.5.29.19')))],
        }),
    ],
    [
      'two lists of extensions',
      () =>
        forged({
          attributes: [
            attribute(OID.extensionRequest, sequence(extension('2.5.29.19')), sequence(extension('2.5.29.15'))),
          ],
        }),
    ],
    [
      'too many extensions',
      () =>
        forged({
          attributes: [
            attribute(
              OID.extensionRequest,
              sequence(...Array.from({ length: 60 }, (_, i) => extension(`2.5.29.${i}`))),
            ),
          ],
        }),
    ],
    ['a fourth part', () => sequence(...[NULL, NULL, NULL, NULL])],
    ['a certificate in its place', () => sequence(sequence(integer(1)), ECDSA, bitString(new Uint8Array(64)))],
    ['bytes behind it', () => Uint8Array.of(...forged(), 0)],
    ['an indefinite length', () => Uint8Array.of(0x30, 0x80, ...forged().subarray(3), 0, 0)],
    ['nothing', () => new Uint8Array(0)],
  ];
  for (const [what, make] of malformed) {
    it(`with ${what} are refused`, () => assert.throws(() => parseCsr(make()), { code: 'BAD_CSR' }));
  }

  it('that are cut off anywhere are refused', () => {
    const der = forged({ attributes: [attribute(OID.extensionRequest, sequence(extension('2.5.29.19')))] });
    assert.deepEqual(parseCsr(der).extensions, ['2.5.29.19']);
    for (let length = 0; length < der.length; length++) {
      assert.throws(() => parseCsr(der.subarray(0, length)), { code: 'BAD_CSR' }, `${length} bytes`);
    }
  });

  it('of 10 MB are refused unread, as bytes and as text', () => {
    const huge = new Uint8Array(10 << 20).fill(0x30);
    assert.throws(() => parseCsr(huge), { code: 'CSR_TOO_LARGE' });
    assert.throws(() => parseCsr(toPem('CERTIFICATE REQUEST', huge)), { code: 'CSR_TOO_LARGE' });
    assert.throws(() => parseCsr(new Uint8Array(CSR_MOST).fill(0x30)), { code: 'BAD_CSR' });
  });

  it('that are neither bytes nor text are refused by a code', async () => {
    for (const odd of [undefined, null, 7, {}, [0x30], new ArrayBuffer(9)] as unknown as Uint8Array[]) {
      assert.throws(() => parseCsr(odd), { code: 'BAD_CSR' });
      assert.throws(() => parseCertificate(odd), { code: 'BAD_CERTIFICATE' });
    }
    assert.throws(() => parseCertificate(new Uint8Array(10 << 20).fill(0x30)), { code: 'BAD_CERTIFICATE' });
  });

  it('nested as deeply as they can be are refused', () => {
    let deep: Uint8Array = NULL;
    while (deep.length < 8000) deep = sequence(deep);
    assert.throws(() => parseCsr(forged({ attributes: [attribute('1.2.3', deep)] })), { code: 'BAD_CSR' });
  });

  it('as PEM need their own label, whole', () => {
    const pem = toPem('CERTIFICATE REQUEST', forged());
    assert.doesNotThrow(() => parseCsr(`# a comment\r\n${pem.replaceAll('\n', '\r\n')}`));
    assert.doesNotThrow(() => parseCsr(pem.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST')));
    for (const bad of [
      '',
      'text',
      pem.slice(0, -20),
      pem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
      pem.replace('MI', '!!'),
    ]) {
      assert.throws(() => parseCsr(bad), { code: 'BAD_PEM' });
    }
    assert.equal(parsePem(pem + pem).length, 2);
    assert.throws(() => parsePem(pem.repeat(21)), { code: 'BAD_PEM' });
  });

  it('are no certificates', async () => {
    assert.throws(() => parseCertificate(forged()), { code: 'BAD_CERTIFICATE' });
    await assert.rejects(createCsr(nodePki, ''), { code: 'BAD_NAME' });
    await assert.rejects(createCsr(nodePki, 'a\nb'), { code: 'BAD_NAME' });
    await assert.rejects(createCsr(nodePki, 'x'.repeat(65)), { code: 'BAD_NAME' });
  });
});
