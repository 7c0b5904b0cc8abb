import assert from 'node:assert/strict';

/**
 * Reads a QR code of version 1 to 3 with correction M (one block, so the data come first and in order), written from
 * ISO/IEC 18004:2015 §7 and without error correction: every module must be right.
 */
export function decodeQr(image: boolean[][], border: number): string {
  const size = image.length - 2 * border;
  const dark = (x: number, y: number): boolean => image[y + border]?.[x + border] ?? false;
  const version = (size - 17) / 4;
  assert.ok([1, 2, 3].includes(version), `version ${version}`);
  for (const [x, y] of [
    [0, 0],
    [size - 7, 0],
    [0, size - 7],
  ] as const) {
    for (let n = 0; n < 7; n++) assert.ok(dark(x + n, y) && dark(x, y + n) && dark(x + 3, y + 3), 'finder pattern');
  }
  // §7.9: five bits of format, masked; the first two say the correction, the last three the mask.
  let format = 0;
  for (let n = 0; n < 5; n++) format = (format << 1) | Number(dark(n, 8));
  format ^= 0b10101;
  assert.equal(format >> 3, 0, 'correction M');
  const masked = MASKS[format & 7];
  assert.ok(masked);

  const align = version === 1 ? -1 : size - 9;
  const isFunction = (x: number, y: number): boolean =>
    (x < 9 && y < 9) ||
    (x >= size - 8 && y < 9) ||
    (x < 9 && y >= size - 8) ||
    x === 6 ||
    y === 6 ||
    (align > 0 && x >= align && x < align + 5 && y >= align && y < align + 5);

  const bits: number[] = [];
  let up = true;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let n = 0; n < size; n++) {
      const y = up ? size - 1 - n : n;
      for (const x of [right, right - 1]) if (!isFunction(x, y)) bits.push(Number(dark(x, y) !== masked(x, y)));
    }
    up = !up;
  }
  return segments(bits);
}

/** §7.8.2 table 10, with i the row and j the column. */
const MASKS: ((x: number, y: number) => boolean)[] = [
  (j, i) => (i + j) % 2 === 0,
  (_j, i) => i % 2 === 0,
  (j) => j % 3 === 0,
  (j, i) => (i + j) % 3 === 0,
  (j, i) => (Math.floor(i / 2) + Math.floor(j / 3)) % 2 === 0,
  (j, i) => ((i * j) % 2) + ((i * j) % 3) === 0,
  (j, i) => (((i * j) % 2) + ((i * j) % 3)) % 2 === 0,
  (j, i) => (((i + j) % 2) + ((i * j) % 3)) % 2 === 0,
];

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';

/** §7.4: segments of digits, of capitals, of bytes, until the terminator. */
function segments(bits: number[]): string {
  let at = 0;
  const take = (count: number): number => {
    let value = 0;
    for (let n = 0; n < count; n++) value = value * 2 + (bits[at++] ?? 0);
    return value;
  };
  const bytes: number[] = [];
  for (;;) {
    const mode = take(4);
    if (mode === 0) return Buffer.from(bytes).toString('utf8');
    if (mode === 4) {
      for (let left = take(8); left > 0; left--) bytes.push(take(8));
    } else if (mode === 2) {
      let text = '';
      for (let left = take(9); left > 0; left -= 2) {
        const pair = left > 1 ? take(11) : take(6);
        text += left > 1 ? `${ALPHABET[Math.floor(pair / 45)]}${ALPHABET[pair % 45]}` : ALPHABET[pair];
      }
      bytes.push(...Buffer.from(text));
    } else {
      assert.equal(mode, 1, `mode ${mode}`);
      let text = '';
      for (let left = take(10); left > 0; left -= 3) {
        const digits = Math.min(left, 3);
        text += String(take([0, 4, 7, 10][digits] ?? 0)).padStart(digits, '0');
      }
      bytes.push(...Buffer.from(text));
    }
  }
}
