import { isAbsolute } from 'node:path';
import { formatAddress, parseAddress } from '../../../link/index.ts';
import { fail } from './errors.ts';

/**
 * Where a provisioner is reached: `unix:/run/keyway/provisioner.sock`, `tls:host:port`, or `serial:` and the address of
 * a port (see `parseAddress` of lib/link), with `@rate` behind it when the rate is not 115200 baud.
 */
export type ProvisionerAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number }
  | { readonly kind: 'serial'; readonly address: string; readonly baudRate: number };

const RATE = 115_200;
/** sockaddr_un of Linux, its NUL included. */
const PATH_BYTES = 108;

/** @throws BAD_LINK_ADDRESS naming the text */
export function parseProvisionerAddress(text: string): ProvisionerAddress {
  const [, kind, rest = ''] = /^(unix|tls|serial):(.+)$/.exec(text.trim()) ?? [];
  switch (kind) {
    case 'unix':
      if (isAbsolute(rest) && Buffer.byteLength(rest) < PATH_BYTES) return { kind, path: rest };
      break;
    case 'tls': {
      const match = /^(\[[0-9a-fA-F:]+\]|[^\s/:[\]]+):(\d{1,5})$/.exec(rest);
      const port = Number(match?.[2]);
      if (match?.[1] !== undefined && port <= 65_535) return { kind, host: match[1].replace(/^\[|\]$/g, ''), port };
      break;
    }
    case 'serial': {
      const match = /^(.+?)(?:@(\d{1,8}))?$/.exec(rest);
      const baudRate = match?.[2] === undefined ? RATE : Number(match[2]);
      if (match?.[1] !== undefined && baudRate >= 1) {
        return { kind, address: formatAddress(parseAddress(match[1])), baudRate };
      }
      break;
    }
  }
  throw fail('BAD_LINK_ADDRESS', `"${text}" is no address of a provisioner.`, {
    hint:
      'Write unix:/folder/name.sock (an absolute path of less than 108 bytes), tls:host:port, or ' +
      'serial:/dev/ttyUSB0 (with @rate when it is not 115200).',
    detail: { field: 'address', value: text },
  });
}

/** The canonical spelling. */
export function formatProvisionerAddress(address: ProvisionerAddress): string {
  switch (address.kind) {
    case 'unix':
      return `unix:${address.path}`;
    case 'tls':
      return `tls:${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
    case 'serial':
      return `serial:${address.address}${address.baudRate === RATE ? '' : `@${address.baudRate}`}`;
  }
}
