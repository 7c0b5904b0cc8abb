import { OID } from '../der/oids.ts';
import { badDer, childrenOf, expectTag, oidOf, parseDer, readDer, TAG, whole } from '../der/reader.ts';
import { concat, explicit, integer, oid, sequence, setOf, tlv } from '../der/writer.ts';

const LIMITS = { bytes: 1 << 18, depth: 24, values: 5000 };
const MOST_CERTIFICATES = 20;

/** Certificates alone, in a SignedData that signs nothing (RFC 5652 §5, RFC 7030 §4.1.3). */
export function certsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  return sequence(oid(OID.pkcs7SignedData), explicit(0, sequence(HEAD, tlv(0xa0, concat(certificates)), NOBODY)));
}

/** No signers. */
const NOBODY = setOf();
/** Version 1, no digests, and data that is not there. */
const HEAD = concat([integer(1), setOf(), sequence(oid(OID.pkcs7Data))]);

/** The certificates in such a message, DER. @throws BAD_DER */
export function certsIn(der: Uint8Array): Uint8Array[] {
  const outer = expectTag(parseDer(der, LIMITS), TAG.sequence, 'The message');
  const [type, content] = childrenOf(outer, 2);
  if (oidOf(expectTag(type, TAG.oid, 'The type of the message')) !== OID.pkcs7SignedData) {
    throw badDer('The message is no SignedData', outer.start);
  }
  const wrapped = expectTag(content, 0xa0, 'The content of the message');
  const signed = expectTag(readDer(der, wrapped.content, wrapped.end), TAG.sequence, 'The SignedData');
  const list = childrenOf(signed, 6).find(({ tag }) => tag === 0xa0);
  if (list === undefined) throw badDer('The message has no certificates', signed.start);
  return childrenOf(list, MOST_CERTIFICATES).map((one) =>
    Uint8Array.from(whole(expectTag(one, TAG.sequence, 'A certificate'))),
  );
}
