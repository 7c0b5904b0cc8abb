import { parseAddress, type UsbIdentity } from '../../lib/link/index.ts';
import { fail } from '../shared/errors.ts';

/** Says of a port, known by these addresses and by what USB says, whether it is named. */
export type Pattern = (addresses: readonly string[], usb: UsbIdentity | undefined) => boolean;

/** The entries of a field: commas, semicolons or lines between, since addresses may hold blanks. */
export function entriesOf(text: string): string[] {
  return text
    .split(/[,;\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/**
 * An address in which `*` stands for any letters and `?` for one. Neither stands for what parts an address: a slash,
 * or in the address of a port server a dot, colon or bracket. So a pattern never names another folder, host or port
 * than it says.
 *
 * @throws BAD_FIELD
 */
export function addressPattern(text: string): Pattern {
  const network = /^(tcp|rfc2217):/i.test(text);
  try {
    // Digits fit wherever an address may hold a wildcard.
    parseAddress(text.replace(/[*?]/g, '1'));
  } catch (cause) {
    throw fail('BAD_FIELD', `"${text}" is no address, also with its wildcards filled in.`, {
      hint: 'Write /dev/ttyUSB*, COM?, rfc2217://10.0.0.*:4000 or virtual:bench-*.',
      cause,
      detail: { field: 'addresses', value: text },
    });
  }
  const any = network ? '[^/.:@[\\]\\s]' : '[^/\\p{Cc}]';
  const source = text
    .replace(/[.+^${}()|[\]\\/]/g, '\\$&')
    .replaceAll('*', `${any}*`)
    .replaceAll('?', any);
  // Windows does not tell COM3 from com3.
  const pattern = new RegExp(`^${source}$`, /^com/i.test(text) ? 'iu' : 'u');
  return (addresses) => addresses.some((address) => pattern.test(address));
}

/** USB ids: four hex digits each, or `*`. @throws BAD_FIELD */
export function usbPattern(text: string): Pattern {
  const parts = /^([0-9a-f]{4}|\*):([0-9a-f]{4}|\*)$/i.exec(text);
  const [, vendor = '', product = ''] = parts?.map((part) => part.toLowerCase()) ?? [];
  if (parts === null) {
    throw fail('BAD_FIELD', `"${text}" is no pair of USB ids.`, {
      hint: 'Write vendor and product in four hex digits each, with a colon between: 303a:1001, or 303a:*.',
      detail: { field: 'usb', value: text },
    });
  }
  const fits = (wanted: string, found: string): boolean => wanted === '*' || wanted === found;
  return (_addresses, usb) => usb !== undefined && fits(vendor, usb.vendorId) && fits(product, usb.productId);
}

/** All virtual ports. */
export const virtualPattern: Pattern = (addresses) => addresses.some((address) => address.startsWith('virtual:'));
