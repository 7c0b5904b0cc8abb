/** The serial protocol of ESP ROM loaders and flasher stubs, seen from the chip. */

export const OP = {
  FLASH_BEGIN: 0x02,
  FLASH_DATA: 0x03,
  FLASH_END: 0x04,
  MEM_BEGIN: 0x05,
  MEM_END: 0x06,
  MEM_DATA: 0x07,
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
  RUN_USER_CODE: 0xd3,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(OP).map(([name, op]) => [op, name]));

export function opName(op: number): string {
  return NAMES.get(op) ?? `0x${op.toString(16).padStart(2, '0')}`;
}

/** Second status byte of a ROM reply whose first is 1. */
export const ROM_ERROR = {
  BAD_FORMAT: 0x05,
  FAILED: 0x06,
  BAD_CHECKSUM: 0x07,
  FLASH_WRITE: 0x08,
  FLASH_READ: 0x09,
  READ_LENGTH: 0x0a,
  DEFLATE: 0x0b,
  ADLER: 0x0c,
  DEFLATE_PARAMETER: 0x0d,
  RAM_SIZE: 0x0e,
  RAM_ADDRESS: 0x0f,
  INVALID_PARAMETER: 0x64,
} as const;

/** First status byte of a stub reply whose second is 0. */
export const STUB_ERROR = {
  BAD_LENGTH: 0xc0,
  BAD_CHECKSUM: 0xc1,
  BAD_BLOCK_SIZE: 0xc2,
  INVALID_COMMAND: 0xc3,
  SPI: 0xc4,
  UNLOCK: 0xc5,
  NOT_IN_FLASH_MODE: 0xc6,
  INFLATE: 0xc7,
  NOT_ENOUGH: 0xc8,
  TOO_MUCH: 0xc9,
  NOT_IMPLEMENTED: 0xff,
} as const;

export interface Request {
  readonly direction: number;
  readonly op: number;
  /** As the header says; the data may be of another length. */
  readonly length: number;
  readonly checksum: number;
  readonly data: Uint8Array;
}

/** Undefined when the frame is shorter than a header. */
export function parseRequest(frame: Uint8Array): Request | undefined {
  if (frame.length < 8) return undefined;
  return {
    direction: frame[0] as number,
    op: frame[1] as number,
    length: (frame[2] as number) | ((frame[3] as number) << 8),
    checksum: word(frame, 4),
    data: frame.subarray(8),
  };
}

/** A reply as it goes into a SLIP frame. */
export function reply(op: number, value: number, data: Uint8Array, status: readonly number[]): Uint8Array {
  const out = new Uint8Array(8 + data.length + status.length);
  const view = new DataView(out.buffer);
  out[0] = 1;
  out[1] = op;
  view.setUint16(2, data.length + status.length, true);
  view.setUint32(4, value >>> 0, true);
  out.set(data, 8);
  out.set(status, 8 + data.length);
  return out;
}

/** Little-endian 32-bit word at a byte offset; missing bytes are 0. */
export function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

/** XOR of the bytes on 0xEF. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0xef;
  for (const byte of bytes) sum ^= byte;
  return sum;
}

export const SECTOR = 0x1000;
export const BLOCK = 0x10000;
