import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { distinguishedName } from '../../../lib/pki/certificate/names.ts';
import { CertificateTemplate } from '../../../lib/pki/certificate/template.ts';
import { OID } from '../../../lib/pki/der/oids.ts';
import { integer, octets, oid, sequence, setOf, tlv } from '../../../lib/pki/der/writer.ts';
import {
  createIdentityKey,
  describeCertificate,
  parseCertificate,
  parseCsr,
  toPem,
  toPemBytes,
  webPki,
} from '../../../lib/pki/index.ts';
import { nodePki } from '../../../lib/pki/node.ts';
import { csrOf, MAC, NAMESPACE, PLAIN_MAC, world } from './support.ts';

const NOW = Date.UTC(2026, 10, 22);

/** A certificate whose subject, serial number and extensions are what a test wants; nobody signed it. */
async function unsigned(subject: Uint8Array, serial = Uint8Array.of(1), purposes: string[] = []): Promise<Uint8Array> {
  const { key } = parseCsr(await csrOf());
  const template = new CertificateTemplate({
    ...{ signature: 'ecdsa-sha256', issuer: distinguishedName('nobody'), issuerKeyId: null, purposes },
  });
  const fields = {
    serial,
    notBefore: NOW,
    notAfter: NOW + 3_600_000,
    subject,
    spki: key.spki,
    keyId: new Uint8Array(20),
  };
  return template.certificate(template.tbs({ ...fields, alternativeNames: null }), new Uint8Array(64));
}

describe('pki: certificates for people', () => {
  it('says what openssl-backed X509Certificate says', async () => {
    const here = await world({ clock: () => NOW, crlBaseUrl: 'http://crl.example.com' });
    try {
      const issued = await here.authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr: await csrOf() });
      const theirs = new X509Certificate(issued.pem);
      for (const platform of [nodePki, webPki]) {
        const ours = await describeCertificate(platform, issued.pem, NOW);
        assert.equal(ours.fingerprint, theirs.fingerprint256.replaceAll(':', '').toLowerCase());
        assert.equal(ours.subject, theirs.subject);
        assert.equal(ours.serial.replace(/^0+/, ''), theirs.serialNumber.toLowerCase());
        assert.equal(Date.parse(ours.notAfter), Date.parse(theirs.validTo));
        assert.deepEqual(ours.names, ['dns:broker.example.com']);
        assert.equal(ours.publicKeyHash, issued.publicKeyHash);
        assert.deepEqual([ours.state, ours.hoursLeft, ours.key, ours.authority], ['valid', 168, 'P-256', false]);
      }
      assert.equal((await describeCertificate(nodePki, issued.der, NOW + 8 * 86_400_000)).state, 'over');
      assert.equal(
        (await describeCertificate(nodePki, parseCertificate(issued.der), NOW - 400_000)).state,
        'not yet valid',
      );
    } finally {
      await here.close();
    }
  });

  it('shows control characters and separators of a hostile name', async () => {
    const hostile = 'a\nCN=b, O="c"\u202e\u0000';
    const subject = sequence(setOf(sequence(oid(OID.commonName), tlv(0x0c, new TextEncoder().encode(hostile)))));
    const { subjectText } = parseCertificate(await unsigned(subject));
    assert.equal(subjectText, 'CN=a\\u{a}CN\\=b\\, O\\=\\"c\\"\\u{202e}\\u{0}');
  });

  it('reads texts of every kind', async () => {
    const value = (tag: number, ...bytes: number[]) => sequence(oid('2.5.4.10'), tlv(tag, Uint8Array.from(bytes)));
    const parts = [
      value(0x13, 0x41),
      value(0x14, 0xe4),
      value(0x1e, 0x6f, 0x22),
      value(0x16, 0x42),
      value(0x1c, 0, 1, 0xf6, 0),
    ];
    const { subjectText } = parseCertificate(await unsigned(sequence(...parts.map((part) => setOf(part)))));
    assert.equal(subjectText, 'O=A, O=ä, O=漢, O=B, O=😀');
  });

  it('refuses what is none, or cut off anywhere, or says something twice', async () => {
    const good = await unsigned(distinguishedName('x'), new Uint8Array(16).fill(0xff), [OID.clientAuth]);
    assert.equal(parseCertificate(good).serial, 'ff'.repeat(16));
    for (let length = 0; length < good.length; length++) {
      assert.throws(() => parseCertificate(good.subarray(0, length)), { code: 'BAD_CERTIFICATE' });
    }
    const twice = Buffer.from(good);
    const usage = Buffer.from(oid(OID.extendedKeyUsage));
    twice.set(oid(OID.subjectKeyId), twice.indexOf(usage));
    assert.throws(() => parseCertificate(new Uint8Array(twice)), { code: 'BAD_CERTIFICATE' });
    for (const bad of [sequence(), octets(good), sequence(integer(1), sequence(), tlv(3, Uint8Array.of(0)))]) {
      assert.throws(() => parseCertificate(bad), { code: 'BAD_CERTIFICATE' });
    }
    assert.throws(() => parseCertificate(toPem('CERTIFICATE REQUEST', good)), { code: 'BAD_PEM' });
  });

  it('makes a key and its request where the chip is', async () => {
    for (const platform of [nodePki, webPki]) {
      const { privateKey, csr } = await createIdentityKey(platform, { namespace: NAMESPACE, mac: MAC });
      const key = createPrivateKey(Buffer.from(privateKey));
      const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
      const request = parseCsr(csr);
      assert.deepEqual(request.key.spki, new Uint8Array(spki));
      assert.deepEqual(request.subject, distinguishedName(`${NAMESPACE}:${PLAIN_MAC}`));
    }
  });

  it('writes PEM as bytes as it writes it as text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        assert.equal(new TextDecoder().decode(toPemBytes('PRIVATE KEY', bytes)), toPem('PRIVATE KEY', bytes));
      }),
    );
  });
});
