/** "53 00 08": two upper-case digits a byte. */
export function hex(bytes: Uint8Array, between = ' '): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    if (i > 0) text += between;
    text += (bytes[i] as number).toString(16).padStart(2, '0').toUpperCase();
  }
  return text;
}

/** Whether both hold the same bytes. Not for secrets. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether both hold the same bytes, in a time that tells nothing of where they differ. */
export function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}
