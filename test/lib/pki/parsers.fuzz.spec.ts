import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { readPkcs12 } from '../../../lib/pki/authority/pkcs12.ts';
import { childrenOf, type Der, parseDer, whole } from '../../../lib/pki/der/reader.ts';
import { bitString, concat, sequence, tlv } from '../../../lib/pki/der/writer.ts';
import { createCsr, parseCertificate, parseCsr, parsePem, toPem, verifyCsr } from '../../../lib/pki/index.ts';
import { nodePki } from '../../../lib/pki/node.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT, fuzz, fuzzAsync, mutate, mutateText, type Random } from '../esp/formats/fuzz.ts';
import { csrOf, MAC, NAMESPACE, world } from './support.ts';

/** A structure with one to three changes to its tree, its lengths put right all the way up: past the outer checks. */
function twisted(der: Der, random: Random, left: { changes: number }): Uint8Array {
  if (left.changes > 0 && random.chance(12)) {
    left.changes--;
    const kind = random.below(7);
    if (kind === 0) return new Uint8Array(0);
    if (kind === 1) return concat([whole(der), whole(der)]);
    if (kind === 2) return tlv(random.word() >>> 24, der.bytes.subarray(der.content, der.end));
    if (kind === 3) return tlv(der.tag, mutate(der.bytes.subarray(der.content, der.end), random));
    if (kind === 4) return tlv(der.tag, random.bytes(random.below(40)));
    if (kind === 5) return sequence(whole(der));
    return tlv(der.tag);
  }
  if ((der.tag & 0x20) === 0) return whole(der);
  return tlv(der.tag, ...childrenOf(der).map((child) => twisted(child, random, left)));
}

describe('fuzz: signing requests and certificates', function () {
  this.timeout(FUZZ_TIMEOUT * 4);
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let csr: Uint8Array;
  let certificate: Uint8Array;
  let pem: string;

  before(async () => {
    const here = await world({ crlBaseUrl: 'http://crl.example.com' });
    try {
      csr = await csrOf('device with attributes');
      const issued = await here.authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr });
      certificate = issued.der;
      pem = issued.chain;
    } finally {
      await here.close();
    }
  });

  it('random and mutated bytes are DER or BAD_DER', () => {
    fuzz(
      (random) =>
        random.chance(4) ? random.bytes(random.below(200)) : mutate(random.pick([csr, certificate]), random),
      (bytes) => {
        parseDer(bytes);
      },
    );
  });

  it('what is taken as DER is written back byte for byte', () => {
    const rewrite = (der: Der): Uint8Array =>
      (der.tag & 0x20) === 0
        ? tlv(der.tag, der.bytes.subarray(der.content, der.end))
        : tlv(der.tag, ...childrenOf(der).map(rewrite));
    let taken = 0;
    fuzz(
      (random) => twisted(parseDer(random.pick([csr, certificate])), random, { changes: random.below(3) }),
      (bytes) => {
        const der = parseDer(bytes);
        taken++;
        assert.ok(Buffer.from(rewrite(der)).equals(bytes));
      },
    );
    assert.ok(taken > FUZZ_RUNS / 10, `${taken} of ${FUZZ_RUNS} were taken`);
  });

  it('twisted requests are refused by a code, or hold', async () => {
    let taken = 0;
    await fuzzAsync(
      (random) => {
        if (random.chance(3)) return mutate(csr, random);
        const [info, algorithm, bits] = childrenOf(parseDer(csr)).map((child) =>
          twisted(child, random, { changes: random.below(3) }),
        ) as [Uint8Array, Uint8Array, Uint8Array];
        // Half of them are signed again, by a key that is not theirs.
        if (random.chance(2)) return sequence(info, algorithm, bits);
        return sequence(info, algorithm, bitString(sign('sha256', info, pair.privateKey)));
      },
      async (bytes) => {
        parseCsr(bytes);
        taken++;
        await verifyCsr(nodePki, bytes, 'P-256 or RSA').catch((error: unknown) => {
          assert.ok(isKeywayError(error, 'CSR_SIGNATURE', 'CSR_KEY_REFUSED'), String(error));
        });
      },
    );
    assert.ok(taken > 0);
  });

  it('no forged request is ever taken for one of its key', async () => {
    const { key, info } = parseCsr(csr);
    await fuzzAsync(
      (random) => mutate(csr, random),
      async (bytes) => {
        const request = await verifyCsr(nodePki, bytes);
        // What holds is what was signed, or has another key.
        assert.ok(Buffer.from(request.info).equals(info) && Buffer.from(request.key.spki).equals(key.spki));
      },
    );
  });

  it('twisted certificates are refused by a code, or shown', () => {
    fuzz(
      (random) =>
        random.chance(2) ? mutate(certificate, random) : twisted(parseDer(certificate), random, { changes: 2 }),
      (bytes) => {
        const { subjectText, issuerText } = parseCertificate(bytes);
        assert.ok(!/\p{Cc}/u.test(subjectText + issuerText));
      },
    );
  });

  it('mutated PEM is refused by a code, or read', () => {
    fuzz(
      (random) => mutateText(pem, random),
      (text) => {
        for (const { bytes } of parsePem(text)) parseCertificate(bytes);
      },
    );
    fuzz(
      (random) => toPem('CERTIFICATE REQUEST', mutate(csr, random)),
      (text) => {
        parseCsr(text);
      },
    );
  });

  it('mutated PKCS#12 is refused by a code', () => {
    const shell = sequence(Uint8Array.of(2, 1, 3), sequence(certificate, certificate));
    fuzz(
      (random) => mutate(shell, random),
      (bytes) => {
        readPkcs12(bytes, Buffer.from('x'));
      },
      Math.min(FUZZ_RUNS, 5000),
    );
  });

  it('the time for a request grows with its bytes, not with what they say', async () => {
    const { der } = await createCsr(nodePki, 'x');
    const size = 16000;
    const hostile = [
      new Uint8Array(size).fill(0x30),
      new Uint8Array(size).fill(0x31),
      concat(Array.from({ length: size / 4 }, () => Uint8Array.of(0x30, 0x82, 0x3e, 0x70))),
      tlv(0x31, ...Array.from({ length: size / 3 }, () => Uint8Array.of(2, 1, 1))),
      tlv(0x30, tlv(6, new Uint8Array(size).fill(0x81))),
      concat([der, new Uint8Array(size)]),
    ];
    const cost = (bytes: Uint8Array): number => {
      const start = process.cpuUsage().user;
      for (let i = 0; i < 50; i++) assert.throws(() => parseCsr(bytes));
      return process.cpuUsage().user - start;
    };
    const plain = cost(new Uint8Array(size).fill(0xff)) + 20_000;
    for (const [i, bytes] of hostile.entries()) assert.ok(cost(bytes) < 50 * plain, `hostile request ${i}`);
  });
});
