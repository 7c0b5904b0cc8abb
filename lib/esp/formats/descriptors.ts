/** `esp_app_desc_t` (256 bytes) and `esp_bootloader_desc_t` (80 bytes), both at the start of the first segment. */

const APP_DESCRIPTOR_BYTES = 256;
const BOOTLOADER_DESCRIPTOR_BYTES = 80;
const APP_MAGIC = 0xabcd5432;
const BOOTLOADER_MAGIC = 0x50;

/** `esp_app_desc_t`: what an app says of itself. */
export interface AppDescriptor {
  readonly version: string;
  readonly project: string;
  /** Build time and date as the compiler wrote them: "12:00:00", "Jan  1 2026". */
  readonly time: string;
  readonly date: string;
  readonly idfVersion: string;
  /** Lower-case hex. */
  readonly elfSha256: string;
  /** Anti-rollback counter. */
  readonly secureVersion: number;
}

/** `esp_bootloader_desc_t`: what a bootloader says of itself. */
export interface BootloaderDescriptor {
  readonly version: number;
  readonly idfVersion: string;
  readonly dateTime: string;
  readonly secureVersion: number;
}

interface Span {
  readonly offset: number;
  readonly length: number;
}

/** Text up to the first NUL; bytes that are no UTF-8 become U+FFFD, control characters go. */
function text(bytes: Uint8Array, at: number, size: number): string {
  const field = bytes.subarray(at, at + size);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end)).replace(/\p{Cc}/gu, '');
}

function putText(bytes: Uint8Array, at: number, size: number, value: string): void {
  // The last byte stays NUL; encodeInto never splits a character.
  new TextEncoder().encodeInto(value, bytes.subarray(at, at + size - 1));
}

export function decodeAppDescriptor(bytes: Uint8Array, segment: Span | undefined): AppDescriptor | null {
  if (segment === undefined || segment.length < APP_DESCRIPTOR_BYTES) return null;
  const at = segment.offset;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, APP_DESCRIPTOR_BYTES);
  if (view.getUint32(0, true) !== APP_MAGIC) return null;
  let elfSha256 = '';
  for (let i = 144; i < 176; i++) elfSha256 += view.getUint8(i).toString(16).padStart(2, '0');
  return {
    version: text(bytes, at + 16, 32),
    project: text(bytes, at + 48, 32),
    time: text(bytes, at + 80, 16),
    date: text(bytes, at + 96, 16),
    idfVersion: text(bytes, at + 112, 32),
    elfSha256,
    secureVersion: view.getUint32(4, true),
  };
}

export function decodeBootloaderDescriptor(bytes: Uint8Array, segment: Span | undefined): BootloaderDescriptor | null {
  if (segment === undefined || segment.length < BOOTLOADER_DESCRIPTOR_BYTES) return null;
  const at = segment.offset;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BOOTLOADER_DESCRIPTOR_BYTES);
  // One byte of magic alone would also fit code: the reserved bytes behind it are zero.
  if (view.getUint8(0) !== BOOTLOADER_MAGIC || view.getUint16(1, true) !== 0) return null;
  return {
    version: view.getUint32(4, true),
    idfVersion: text(bytes, at + 8, 32),
    dateTime: text(bytes, at + 40, 24),
    secureVersion: view.getUint8(3),
  };
}

export function encodeAppDescriptor(descriptor: AppDescriptor, elfSha256: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(APP_DESCRIPTOR_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, APP_MAGIC, true);
  view.setUint32(4, descriptor.secureVersion, true);
  putText(bytes, 16, 32, descriptor.version);
  putText(bytes, 48, 32, descriptor.project);
  putText(bytes, 80, 16, descriptor.time);
  putText(bytes, 96, 16, descriptor.date);
  putText(bytes, 112, 32, descriptor.idfVersion);
  bytes.set(elfSha256, 144);
  // Efuse block revisions 0.0 to 0.99 and MMU pages of 2^16 bytes, as ESP-IDF's defaults are.
  view.setUint16(178, 99, true);
  bytes[180] = 16;
  return bytes;
}

export function encodeBootloaderDescriptor(descriptor: BootloaderDescriptor): Uint8Array {
  const bytes = new Uint8Array(BOOTLOADER_DESCRIPTOR_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = BOOTLOADER_MAGIC;
  bytes[3] = descriptor.secureVersion;
  view.setUint32(4, descriptor.version, true);
  putText(bytes, 8, 32, descriptor.idfVersion);
  putText(bytes, 40, 24, descriptor.dateTime);
  return bytes;
}
