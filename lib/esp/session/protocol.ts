/** Command bytes of the ESP ROM loader and of the flasher stub (Espressif, serial protocol). */
export const Op = {
  FLASH_BEGIN: 0x02,
  FLASH_DATA: 0x03,
  FLASH_END: 0x04,
  SYNC: 0x08,
  WRITE_REG: 0x09,
  READ_REG: 0x0a,
  SPI_SET_PARAMS: 0x0b,
  SPI_ATTACH: 0x0d,
  READ_FLASH_SLOW: 0x0e,
  CHANGE_BAUDRATE: 0x0f,
  FLASH_DEFL_BEGIN: 0x10,
  FLASH_DEFL_DATA: 0x11,
  FLASH_DEFL_END: 0x12,
  SPI_FLASH_MD5: 0x13,
  GET_SECURITY_INFO: 0x14,
  ERASE_FLASH: 0xd0,
  ERASE_REGION: 0xd1,
  READ_FLASH: 0xd2,
} as const;

export const opNames: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(Op).map(([name, op]) => [op, name]),
);

/** The stub found the checksum of a block wrong, and threw it away. */
export const STATUS_CHECKSUM = 0xc1;

/** The stub's receive buffer: the largest block it takes. */
export const STUB_BLOCK = 0x4000;
/** The ROM's. */
export const ROM_BLOCK = 0x400;
/** The rate the ROM starts at. */
export const ROM_BAUD = 115_200;

/** 32-bit words, little endian. */
export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(i * 4, value >>> 0, true);
  return bytes;
}

export function syncPayload(): Uint8Array {
  const payload = new Uint8Array(36).fill(0x55);
  payload.set([0x07, 0x07, 0x12, 0x20]);
  return payload;
}

/** One request, before SLIP: 00, op, length, checksum, data. */
export function requestPacket(op: number, payload: Uint8Array, checksum = 0): Uint8Array {
  const packet = new Uint8Array(8 + payload.length);
  const view = new DataView(packet.buffer);
  packet[1] = op;
  view.setUint16(2, payload.length, true);
  view.setUint32(4, checksum, true);
  packet.set(payload, 8);
  return packet;
}

/** A data block: length, number, two zeroes, then the bytes, with the checksum that only data commands carry. */
export function blockPacket(op: number, block: Uint8Array, sequence: number): Uint8Array {
  const packet = new Uint8Array(24 + block.length);
  const view = new DataView(packet.buffer);
  let checksum = 0xef;
  for (const byte of block) checksum ^= byte;
  packet[1] = op;
  view.setUint16(2, 16 + block.length, true);
  view.setUint32(4, checksum, true);
  view.setUint32(8, block.length, true);
  view.setUint32(12, sequence, true);
  packet.set(block, 24);
  return packet;
}

/** Bytes of the wire read as text, one character a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
