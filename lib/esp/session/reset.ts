import type { Link } from '../../link/index.ts';
import { sleep, type Timing } from './timing.ts';

/**
 * Ways to restart a chip by the two control lines. On the usual auto-reset circuit EN is low while RTS is asserted and
 * DTR is not, BOOT is low while DTR is asserted and RTS is not, and both lines together do nothing: so both are always
 * set in one step. The chip reads BOOT when EN rises.
 */
export type ResetKind = 'none' | 'bridge' | 'usb-jtag';

const ESPRESSIF_VENDOR = '303a';
const USB_JTAG_PRODUCT = '1001';

/** Which way fits the port: the chip's own USB-Serial/JTAG has no circuit, it imitates one. */
export function resetKindOf(link: Link): ResetKind {
  if (!link.info.hasControlLines) return 'none';
  const usb = link.info.usb;
  return usb?.vendorId === ESPRESSIF_VENDOR && usb.productId === USB_JTAG_PRODUCT ? 'usb-jtag' : 'bridge';
}

/** Restarts the chip into its loader. `bootHoldMs` is how long BOOT stays low after EN rose. */
export async function resetIntoLoader(
  link: Link,
  timing: Timing,
  bootHoldMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const kind = resetKindOf(link);
  if (kind === 'none') return;
  if (kind === 'usb-jtag') {
    await link.setLines({ dtr: false, rts: false });
    await sleep(timing.resetHoldMs, signal);
    await link.setLines({ dtr: true, rts: false });
    await sleep(timing.resetHoldMs, signal);
    // By way of both asserted: the peripheral takes EN and BOOT from single changes of the lines.
    await link.setLines({ dtr: true, rts: true });
    await link.setLines({ dtr: false, rts: true });
    await sleep(timing.resetHoldMs, signal);
    await link.setLines({ dtr: false, rts: false });
    return;
  }
  await link.setLines({ dtr: false, rts: false });
  await link.setLines({ dtr: true, rts: true });
  await link.setLines({ dtr: false, rts: true });
  await sleep(timing.resetHoldMs, signal);
  await link.setLines({ dtr: true, rts: false });
  await sleep(bootHoldMs, signal);
  await link.setLines({ dtr: false, rts: false });
}

/** Restarts the chip into its firmware. False when the link has no control lines: somebody must tap EN. */
export async function resetIntoFirmware(link: Link, timing: Timing): Promise<boolean> {
  const kind = resetKindOf(link);
  if (kind === 'none') return false;
  const hold = kind === 'usb-jtag' ? timing.resetHoldMs * 2 : timing.resetHoldMs;
  await link.setLines({ dtr: false, rts: true });
  await sleep(hold);
  await link.setLines({ dtr: false, rts: false });
  if (kind === 'usb-jtag') await sleep(hold);
  return true;
}
