import type { ChipContext } from './context.ts';
import { keyPurposes } from './models/efuse.ts';
import { OP } from './protocol.ts';

const SECURE_BOOT = 1 << 0;
const SECURE_DOWNLOAD = 1 << 2;
/** What stands behind the six purposes. */
const NO_PURPOSE = 0x0c;

/** Payload of GET_SECURITY_INFO; undefined where the family does not know the command. */
export function securityInfo({ model, security }: ChipContext): Uint8Array | undefined {
  if (model.securityInfoSize === null) return undefined;
  const out = new Uint8Array(model.securityInfoSize);
  const view = new DataView(out.buffer);
  const boot = security.secureBoot === false ? 0 : SECURE_BOOT;
  view.setUint32(0, boot | (security.secureDownload ? SECURE_DOWNLOAD : 0), true);
  out[4] = security.flashCryptCount;
  out.set([...keyPurposes(security), NO_PURPOSE], 5);
  if (model.securityInfoSize === 20) {
    view.setUint32(12, model.imageChipId, true);
    view.setUint32(16, model.apiVersion, true);
  }
  return out;
}

/** What the ROM still does in secure download mode: it can be written to, and asked for nothing. */
const SECURE_COMMANDS: ReadonlySet<number> = new Set([
  OP.SYNC,
  OP.SPI_ATTACH,
  OP.SPI_SET_PARAMS,
  OP.CHANGE_BAUDRATE,
  OP.FLASH_BEGIN,
  OP.FLASH_DATA,
  OP.FLASH_END,
  OP.GET_SECURITY_INFO,
]);

export function isRefused(op: number, { security }: ChipContext): boolean {
  return security.secureDownload && !SECURE_COMMANDS.has(op);
}
