import { derOf, derValues, TAG } from './der.ts';
import { Malformed, pemBlocks } from './pem.ts';

/** Which values each form of a private key starts with. */
const FORMS: Readonly<Record<string, readonly number[]>> = {
  // RFC 5958
  'PRIVATE KEY': [TAG.integer, TAG.sequence, TAG.octets],
  // RFC 5915
  'EC PRIVATE KEY': [TAG.integer, TAG.octets],
  // RFC 8017
  'RSA PRIVATE KEY': Array<number>(9).fill(TAG.integer),
};

/**
 * Whether a PEM text is one private key without a passphrase, as far as its structure tells. What the check decodes is
 * overwritten.
 * @throws Malformed
 */
export function checkKey(text: Uint8Array): void {
  const blocks = pemBlocks(text);
  try {
    // OpenSSL writes the curve before the key.
    const [key, ...more] = blocks.filter(({ label }) => label !== 'EC PARAMETERS');
    if (key === undefined) throw new Malformed('is no PEM: there is no BEGIN PRIVATE KEY in it');
    if (key.label === 'ENCRYPTED PRIVATE KEY')
      throw new Malformed('is under a passphrase, which the chip does not have');
    const form = FORMS[key.label];
    if (form === undefined) throw new Malformed(`holds a PEM block ${key.label} where a private key belongs`);
    if (more.length > 0) throw new Malformed('has something behind the private key');
    const values = derValues(derOf(key.der, TAG.sequence, 'private key').content);
    if (!form.every((tag, i) => values[i]?.tag === tag)) throw new Malformed('is no private key');
  } finally {
    for (const { der } of blocks) der.fill(0);
  }
}
