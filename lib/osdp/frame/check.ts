const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** CRC-16 of OSDP (SIA OSDP 2.2, 5.9 and Annex C): polynomial 0x1021, start value 0x1D0F, nothing reflected. */
export function crc16(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0x1d0f;
  for (let i = from; i < to; i++) {
    crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ (bytes[i] as number)) & 0xff] as number)) & 0xffff;
  }
  return crc;
}

/** The one-byte check of OSDP: what makes the sum of all bytes a multiple of 256. */
export function checksum(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += bytes[i] as number;
  return -sum & 0xff;
}
