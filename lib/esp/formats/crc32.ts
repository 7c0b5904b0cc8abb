const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/**
 * CRC-32 as the chips' ROM counts it for otadata and NVS: the usual polynomial, started at `seed` 0xFFFFFFFF in
 * zlib's convention, so that it equals `zlib.crc32(bytes, 0xFFFFFFFF)`.
 */
export function espCrc32(bytes: Uint8Array, seed = 0xffffffff): number {
  let crc = ~seed;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
