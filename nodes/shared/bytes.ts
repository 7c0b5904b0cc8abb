/** The same bytes as a Buffer, which is what other packages' nodes know as bytes. Nothing is copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
