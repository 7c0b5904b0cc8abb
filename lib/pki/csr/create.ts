import { distinguishedName } from '../certificate/names.ts';
import { OID } from '../der/oids.ts';
import { bitString, integer, oid, sequence, tlv } from '../der/writer.ts';
import { toPem } from '../pem.ts';
import type { PkiPlatform, SigningKey } from '../platform.ts';

/** A signing request and the key that it was made with. */
export interface MadeRequest {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly key: SigningKey;
}

const ECDSA_SHA256 = sequence(oid(OID.ecdsaSha256));
const NO_ATTRIBUTES = tlv(0xa0);

/**
 * A PKCS#10 request (RFC 2986) for a P-256 key, made here unless one is given. It asks for a common name and nothing
 * else: the authority takes subject and alternative names from the registry.
 * @throws BAD_NAME
 */
export async function createCsr(platform: PkiPlatform, commonName: string, key?: SigningKey): Promise<MadeRequest> {
  const subject = distinguishedName(commonName);
  const signer = key ?? (await platform.generateKey());
  const info = sequence(integer(0), subject, signer.spki, NO_ATTRIBUTES);
  const der = sequence(info, ECDSA_SHA256, bitString(await signer.sign(info)));
  return { der, pem: toPem('CERTIFICATE REQUEST', der), key: signer };
}
