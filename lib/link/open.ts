import { formatAddress, isLoopback, type LinkAddress, parseAddress } from './address.ts';
import { checkBaudRate } from './base.ts';
import { fail } from './errors.ts';
import type { Link, OpenOptions } from './link.ts';
import { createMemoryPair, findMemoryPort, listMemoryPorts } from './memory.ts';
import { type OpenRequest, throwIfCancelled } from './opening.ts';
import { claimPort } from './ownership.ts';

const DEFAULT_BAUD_RATE = 115200;
const DEFAULT_OPEN_TIMEOUT_MS = 5000;

/**
 * Opens a port and holds it for `options.owner` until the link ends. Both control lines start released. The signal
 * ends the opening only; an open link is closed by `close()`.
 *
 * @param address see `parseAddress`.
 * @throws BAD_ADDRESS, BAD_BAUD_RATE, PORT_NOT_FOUND, PORT_PERMISSION, PORT_BUSY (naming the holder where it can be
 * known), PORT_UNREACHABLE, PORT_FAILED, CANCELLED.
 */
export async function openLink(address: string, options: OpenOptions): Promise<Link> {
  const target = parseAddress(address);
  const canonical = formatAddress(target);
  const baudRate = options.baudRate ?? DEFAULT_BAUD_RATE;
  checkBaudRate(baudRate);
  throwIfCancelled(options.signal, canonical);
  const release = claimPort(canonical, options.owner);
  try {
    const link = await open(target, {
      address: canonical,
      name: options.name ?? canonical,
      baudRate,
      timeoutMs: options.timeoutMs ?? DEFAULT_OPEN_TIMEOUT_MS,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    link.onClose(release);
    return link;
  } catch (error) {
    release();
    throw error;
  }
}

async function open(target: LinkAddress, request: OpenRequest): Promise<Link> {
  switch (target.kind) {
    case 'virtual':
      return openVirtual(target.name, request);
    case 'serial':
      return (await import('./serial/serial-link.ts')).openSerial(target.path, request);
    case 'tcp':
      return (await import('./tcp.ts')).openTcp(target.host, target.port, isLoopback(target.host), request);
    case 'rfc2217':
      return (await import('./rfc2217/client.ts')).openRfc2217(
        target.host,
        target.port,
        isLoopback(target.host),
        request,
      );
  }
}

function openVirtual(name: string, request: OpenRequest): Link {
  const port = findMemoryPort(name);
  if (port === undefined) {
    const there = listMemoryPorts().map((known) => `virtual:${known.name}`);
    throw fail('PORT_NOT_FOUND', `There is no virtual port "${name}".`, {
      hint: there.length === 0 ? 'No virtual port is plugged in.' : `Plugged in: ${there.join(', ')}.`,
      detail: { field: 'address', value: request.address, available: there },
    });
  }
  const { host, device } = createMemoryPair({
    name,
    title: request.name,
    baudRate: request.baudRate,
    ...(port.usb === undefined ? {} : { usb: port.usb }),
  });
  port.attach(device);
  return host;
}
