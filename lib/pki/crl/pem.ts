/** A revocation list as PEM (RFC 7468 §6). For a list of megabytes: base64 by Node, lines by one expression. */
export function toPemText(der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  return `-----BEGIN X509 CRL-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END X509 CRL-----\n`;
}
