import { readdir, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import type { UsbIdentity } from '../link.ts';
import { listSysfsPorts, usbOfTty } from './sysfs.ts';

/** A local serial port as the operating system knows it. */
export interface SerialPortFacts {
  /** /dev/ttyUSB0, COM3 */
  readonly address: string;
  /** A path that stays with the adapter across plugs (/dev/serial/by-id/…); the address where there is none. */
  readonly stableName: string;
  readonly usb?: UsbIdentity;
}

/** The local serial ports. Legacy ports without hardware behind them are left out. */
export async function listSerialPorts(): Promise<SerialPortFacts[]> {
  return process.platform === 'linux' ? listLinuxPorts() : listByDriver();
}

/** What USB says of the adapter of a port; undefined when it is none, or nothing is known. */
export async function usbOfPort(path: string): Promise<UsbIdentity | undefined> {
  try {
    if (process.platform === 'linux') return await usbOfTty('/sys', basename(await realpath(path)));
    return (await listByDriver()).find((port) => port.address.toLowerCase() === path.toLowerCase())?.usb;
  } catch {
    return undefined;
  }
}

/** Read from sysfs: the driver's own listing starts `udevadm` each time, which containers lack and polling rues. */
export async function listLinuxPorts(sys = '/sys', dev = '/dev'): Promise<SerialPortFacts[]> {
  const [ports, byId] = await Promise.all([listSysfsPorts(sys), readStableNames(`${dev}/serial/by-id`)]);
  return ports.map(({ tty, usb }) => {
    const address = `${dev}/${tty}`;
    return { address, stableName: byId.get(address) ?? address, ...(usb === undefined ? {} : { usb }) };
  });
}

/** Where each symbolic link of the folder leads: device path → link. */
async function readStableNames(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder).catch((): string[] => []);
  const found = new Map<string, string>();
  for (const name of names.sort()) {
    const target = await realpath(`${folder}/${name}`).catch(() => undefined);
    if (target !== undefined && !found.has(target)) found.set(target, `${folder}/${name}`);
  }
  return found;
}

async function listByDriver(): Promise<SerialPortFacts[]> {
  const { SerialPort } = await import('serialport');
  return (await SerialPort.list()).map(fromDriver);
}

/** A row of `SerialPort.list()`. */
export interface DriverRow {
  path: string;
  vendorId?: string | undefined;
  productId?: string | undefined;
  serialNumber?: string | undefined;
  manufacturer?: string | undefined;
}

export function fromDriver(row: DriverRow): SerialPortFacts {
  const port = { address: row.path, stableName: row.path };
  if (!row.vendorId || !row.productId) return port;
  return {
    ...port,
    usb: {
      vendorId: row.vendorId.toLowerCase(),
      productId: row.productId.toLowerCase(),
      ...(row.serialNumber ? { serialNumber: row.serialNumber } : {}),
      ...(row.manufacturer ? { manufacturer: row.manufacturer } : {}),
    },
  };
}
