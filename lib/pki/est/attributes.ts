import { OID } from '../der/oids.ts';
import { childrenOf, expectTag, oidOf, parseDer, TAG } from '../der/reader.ts';
import { oid, sequence, setOf } from '../der/writer.ts';

/**
 * What a signing request should have (RFC 8951 §3.3): a key on P-256, signed with ECDSA and SHA-256. Every namespace
 * takes that; subject and alternative names come from the registry.
 */
export const CSR_ATTRIBUTES: Uint8Array = sequence(
  sequence(oid(OID.ecPublicKey), setOf(oid(OID.p256))),
  oid(OID.ecdsaSha256),
);

const LIMITS = { bytes: 16_384, depth: 8, values: 500 };

/** The identifiers in such an answer, dotted, those of attributes before their values. @throws BAD_DER */
export function attributesIn(der: Uint8Array): string[] {
  return childrenOf(expectTag(parseDer(der, LIMITS), TAG.sequence, 'The attributes'), 100).flatMap((one) => {
    if (one.tag === TAG.oid) return [oidOf(one)];
    const [type, values] = childrenOf(expectTag(one, TAG.sequence, 'An attribute'), 2);
    const set = expectTag(values, TAG.set, 'The values of an attribute', one.start);
    const known = childrenOf(set, 100).filter(({ tag }) => tag === TAG.oid);
    return [oidOf(expectTag(type, TAG.oid, 'The type of an attribute', one.start)), ...known.map(oidOf)];
  });
}
