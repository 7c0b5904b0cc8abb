import assert from 'node:assert/strict';
import { distinguishedName } from '../../../lib/pki/certificate/names.ts';
import { crlBody, crlEntries, crlOf, packRevoked } from '../../../lib/pki/crl/build.ts';
import { attributesIn, CSR_ATTRIBUTES } from '../../../lib/pki/est/attributes.ts';
import { certsIn, certsOnly } from '../../../lib/pki/est/pkcs7.ts';
import { commonNameOf, readBasic, readCsr, readTarget } from '../../../lib/pki/est/request.ts';
import { type Certificate, parseCertificate, parsePem } from '../../../lib/pki/index.ts';
import { type CrlDescription, type EstRequest, parseCrl } from '../../../lib/pki/node.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT, fuzz, mutate, mutateText, type Random } from '../esp/formats/fuzz.ts';
import { csrOf, MAC, NAMESPACE, world } from './support.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

describe('fuzz: revocation lists and EST', function () {
  this.timeout(FUZZ_TIMEOUT * 2);
  let csr: Uint8Array;
  let authorities: Certificate[];
  const base = { method: 'POST', path: '', headers: {}, body: new Uint8Array(0), certificate: undefined };

  before(async () => {
    const here = await world();
    try {
      csr = await csrOf(`${NAMESPACE}:246f28aabb0c`);
      authorities = parsePem(await here.authority.authorities(NAMESPACE)).map(({ bytes }) => parseCertificate(bytes));
    } finally {
      await here.close();
    }
  });

  it('mutated revocation lists are refused by a code, or read', () => {
    const records = [0, 1, 2].map((i) => ({
      ...{ serial: `${i}a`.repeat(16), reason: i, revokedAt: NOW - i * 1000, notAfter: NOW },
    }));
    const terms = {
      signature: 'ecdsa-sha256',
      issuer: distinguishedName('Test'),
      issuerKeyId: new Uint8Array(20),
    } as const;
    const entries = crlEntries(packRevoked(records)).der;
    const body = crlBody({ ...terms, number: 7, thisUpdate: NOW, nextUpdate: NOW + 1000, entries, url: 'http://x/y' });
    const good = crlOf(body, 'ecdsa-sha256', new Uint8Array(70));
    let taken = 0;
    fuzz(
      (random) => mutate(good, random),
      (bytes) => {
        const list: CrlDescription = parseCrl(bytes);
        for (const { serial } of list.entries()) assert.match(serial, /^[0-9a-f]*$/);
        taken++;
      },
    );
    assert.ok(taken > FUZZ_RUNS / 100, `${taken} were taken`);
  });

  it('mutated answers of a server are refused by a code, or read', () => {
    const good = certsOnly(authorities.map(({ der }) => der));
    fuzz(
      (random) => mutate(good, random),
      (bytes) => {
        for (const der of certsIn(bytes)) parseCertificate(der);
      },
    );
    fuzz(
      (random) => mutate(CSR_ATTRIBUTES, random),
      (bytes) => {
        for (const one of attributesIn(bytes)) assert.match(one, /^[\d.]+$/);
      },
    );
  });

  it('mutated bodies are refused by a code, or are requests', () => {
    const headers = { 'content-type': 'application/pkcs10' };
    const asText = (bytes: Uint8Array): Uint8Array => new TextEncoder().encode(Buffer.from(bytes).toString('base64'));
    let taken = 0;
    fuzz(
      (random: Random) => (random.chance(3) ? mutate(asText(csr), random) : asText(mutate(csr, random))),
      (body) => {
        commonNameOf(readCsr({ ...base, headers, body }));
        taken++;
      },
    );
    assert.ok(taken > 0);
  });

  it('mutated paths and credentials are refused by a code, or name what they name', () => {
    const paths = [`/.well-known/est/${NAMESPACE}/simpleenroll`, '/.well-known/est/simplereenroll'];
    fuzz(
      (random) => mutateText(random.pick(paths), random),
      (path) => {
        const { label } = readTarget({ ...base, path });
        assert.ok(label === undefined || /^[A-Za-z0-9._-]{1,51}$/.test(label));
      },
    );
    const users = [`${MAC}:ticket`, `${NAMESPACE}:${MAC}:ticket`, '246f28aabb0c:'];
    fuzz(
      (random): EstRequest['headers'] => {
        const plain = mutateText(random.pick(users), random);
        const authorization = `Basic ${Buffer.from(plain).toString('base64')}`;
        return { authorization: random.chance(4) ? mutateText(authorization, random) : authorization };
      },
      (headers) => {
        const user = readBasic({ ...base, headers });
        assert.ok(user !== null && /^[0-9a-f]{12}$/.test(user.mac));
      },
    );
  });
});
