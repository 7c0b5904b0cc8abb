import { readdir, readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { UsbIdentity } from '../link.ts';

/** How far up from a tty its USB device lies at most: tty, serial port, interface, device. */
const LEVELS_TO_USB = 5;

/** The terminals of Linux that have hardware behind them, from /sys/class/tty. */
export async function listSysfsPorts(sys: string): Promise<{ tty: string; usb?: UsbIdentity }[]> {
  const names = await readdir(`${sys}/class/tty`).catch((): string[] => []);
  const ports: { tty: string; usb?: UsbIdentity }[] = [];
  for (const tty of names.sort(byNumber)) {
    if (!(await hasHardware(sys, tty))) continue;
    const usb = await usbOfTty(sys, tty);
    ports.push(usb === undefined ? { tty } : { tty, usb });
  }
  return ports;
}

/** Consoles and pseudo terminals have no device; a PC names ttyS ports that do not exist (UART type 0). */
async function hasHardware(sys: string, tty: string): Promise<boolean> {
  const device = await realpath(`${sys}/class/tty/${tty}/device`).catch(() => undefined);
  if (device === undefined) return false;
  if (!/^ttyS\d+$/.test(tty)) return true;
  const type = await readLine(`${sys}/class/tty/${tty}/type`);
  return type !== undefined && type !== '0';
}

/** What the USB device above a tty says of itself. */
export async function usbOfTty(sys: string, tty: string): Promise<UsbIdentity | undefined> {
  let folder = await realpath(`${sys}/class/tty/${tty}/device`).catch(() => undefined);
  for (let level = 0; folder !== undefined && level < LEVELS_TO_USB; level += 1) {
    const usb = await readIdentity(folder);
    if (usb !== undefined) return usb;
    folder = dirname(folder);
  }
  return undefined;
}

async function readIdentity(folder: string): Promise<UsbIdentity | undefined> {
  const vendorId = await readLine(`${folder}/idVendor`);
  const productId = await readLine(`${folder}/idProduct`);
  if (vendorId === undefined || productId === undefined) return undefined;
  const serialNumber = await readLine(`${folder}/serial`);
  const manufacturer = await readLine(`${folder}/manufacturer`);
  const product = await readLine(`${folder}/product`);
  return {
    vendorId: vendorId.toLowerCase(),
    productId: productId.toLowerCase(),
    ...(serialNumber ? { serialNumber } : {}),
    ...(manufacturer ? { manufacturer } : {}),
    ...(product ? { product } : {}),
  };
}

async function readLine(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text?.trim();
}

/** ttyUSB2 before ttyUSB10. */
function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
