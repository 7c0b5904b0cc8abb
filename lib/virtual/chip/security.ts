import type { ChipContext } from './context.ts';

const SECURE_BOOT = 1 << 0;
const SECURE_DOWNLOAD = 1 << 2;

/** Payload of GET_SECURITY_INFO; undefined where the family does not know the command. */
export function securityInfo({ model, security }: ChipContext): Uint8Array | undefined {
  if (model.securityInfoSize === null) return undefined;
  const out = new Uint8Array(model.securityInfoSize);
  const view = new DataView(out.buffer);
  view.setUint32(0, (security.secureBoot ? SECURE_BOOT : 0) | (security.secureDownload ? SECURE_DOWNLOAD : 0), true);
  out[4] = security.flashCryptCount;
  if (model.securityInfoSize === 20) {
    view.setUint32(12, model.imageChipId, true);
    view.setUint32(16, model.apiVersion, true);
  }
  return out;
}
