const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const LINE = 64;
const [LINE_FEED, PAD] = [0x0a, 0x3d];

/**
 * A PEM text as bytes, for what is secret: no string is made of it, which could not be overwritten.
 * Base64 as RFC 4648 §4 has it, lines as RFC 7468 §3.
 */
export function pemBytes(label: string, der: Uint8Array): Buffer {
  const [head, tail] = [`-----BEGIN ${label}-----\n`, `-----END ${label}-----\n`].map((line) => Buffer.from(line));
  const characters = 4 * Math.ceil(der.length / 3);
  const body = Buffer.alloc(characters + Math.ceil(characters / LINE));
  let at = 0;
  let column = 0;
  for (let i = 0; i < der.length; i += 3) {
    const [a = 0, b = 0, c = 0] = der.subarray(i, i + 3);
    const left = der.length - i;
    body[at++] = ALPHABET[a >> 2] as number;
    body[at++] = ALPHABET[((a & 3) << 4) | (b >> 4)] as number;
    body[at++] = left > 1 ? (ALPHABET[((b & 15) << 2) | (c >> 6)] as number) : PAD;
    body[at++] = left > 2 ? (ALPHABET[c & 63] as number) : PAD;
    column += 4;
    if (column < LINE && left > 3) continue;
    body[at++] = LINE_FEED;
    column = 0;
  }
  const pem = Buffer.concat([head as Buffer, body, tail as Buffer]);
  body.fill(0);
  return pem;
}
