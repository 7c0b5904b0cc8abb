import { fail } from './errors.ts';

/** A parsed link address. Text form: `/dev/ttyUSB0` or `COM3`, `rfc2217://host:port`, `tcp://host:port`, `virtual:name`. */
export type LinkAddress =
  | { kind: 'serial'; path: string }
  | { kind: 'rfc2217' | 'tcp'; host: string; port: number }
  | { kind: 'virtual'; name: string };

/** @throws BAD_ADDRESS naming the text. */
export function parseAddress(text: string): LinkAddress {
  const trimmed = text.trim();
  const virtual = /^virtual:(.+)$/.exec(trimmed);
  if (virtual?.[1] !== undefined) return { kind: 'virtual', name: virtual[1] };
  const remote = /^(rfc2217|tcp):\/\/(\[[0-9a-fA-F:]+\]|[^\s/:[\]]+):(\d{1,5})\/?$/.exec(trimmed);
  if (remote?.[1] !== undefined && remote[2] !== undefined && remote[3] !== undefined) {
    const port = Number(remote[3]);
    if (port >= 1 && port <= 65535) {
      return { kind: remote[1] as 'rfc2217' | 'tcp', host: remote[2].replace(/^\[|\]$/g, ''), port };
    }
  } else if (/^(\/|COM\d+$|\\\\\.\\)/i.test(trimmed)) {
    return { kind: 'serial', path: trimmed };
  }
  throw fail('BAD_ADDRESS', `"${text}" is no port address.`, {
    hint: 'Write a device path (/dev/ttyUSB0, COM3), rfc2217://host:port, tcp://host:port or virtual:name.',
    detail: { field: 'address', value: text },
  });
}

/** The canonical spelling, under which a port is owned. */
export function formatAddress(address: LinkAddress): string {
  switch (address.kind) {
    case 'serial':
      return address.path;
    case 'virtual':
      return `virtual:${address.name}`;
    default:
      return `${address.kind}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  }
}

/** Whether a host name or literal means this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
