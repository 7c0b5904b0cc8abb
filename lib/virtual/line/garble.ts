/** A UART still reads a byte when the other side's rate is off by this much: half a bit over ten, less the edges. */
const TOLERANCE = 0.03;

/** Whether two ends of a line understand each other; a rate that the transport cannot tell is taken to fit. */
export function ratesMatch(a: number | null, b: number | null): boolean {
  if (a === null || b === null) return true;
  return Math.abs(a - b) / b <= TOLERANCE;
}

/**
 * What a UART makes of bytes sent at another rate: noise, fewer bytes when the sender is the faster one. The same
 * input gives the same noise.
 *
 * @param ratio sender's rate ÷ receiver's.
 * @param salt tells one garbled run from the next.
 */
export function garble(bytes: Uint8Array, ratio: number, salt: number): Uint8Array {
  const length = Math.max(1, Math.ceil(bytes.length / Math.max(1, ratio)));
  const out = new Uint8Array(length);
  let state = (salt * 2654435761 + 0x9e3779b9) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const source = bytes[Math.min(bytes.length - 1, Math.floor(i * Math.max(1, ratio)))] as number;
    const noise = (source ^ (state >>> 24)) & 0xff;
    out[i] = noise === source ? noise ^ 0x5a : noise;
  }
  return out;
}
