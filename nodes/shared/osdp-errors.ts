import { errorMaker, KeywayError } from '../../lib/errors/index.ts';
import { BAUD_RATES, type Disturbed } from '../../lib/osdp/index.ts';

/** What can go wrong in the OSDP nodes, beside what the libraries underneath report. */
export const osdpNodeErrors = {
  BUS_NOT_SET: 'the node names no OSDP bus, or one that is not deployed',
  NO_VIRTUAL_READER: 'the node names no virtual readers, none of them has the address, or all are plugged in',
} as const;

export const fail = errorMaker(osdpNodeErrors);

/** A search that ends without a reader: where it looked, and what came back. */
export function nobodyFound(
  baudRates: readonly number[] = BAUD_RATES,
  addresses: readonly number[] | undefined,
  disturbed: readonly Disturbed[],
): Error {
  const bytes = disturbed.reduce((sum, place) => sum + place.bytes, 0);
  const at = addresses === undefined ? 'any address' : `address ${addresses.join(', ')}`;
  const detail = { baudRates: [...baudRates], addresses: addresses ?? null, bytes, frames: 0, disturbed };
  const rates = `${baudRates.join(', ')} baud`;
  if (bytes === 0) {
    return new KeywayError('NO_REPLY', `No reader answers at ${at}, at ${rates} (0 bytes, 0 frames).`, {
      hint: 'Check power and wiring (A and B swapped?), and that the reader is switched to OSDP.',
      detail,
    });
  }
  const where = disturbed.map(({ address, baudRate }) => `address ${address} at ${baudRate} baud`).join(', ');
  return new KeywayError('GARBAGE_ONLY', `${bytes} bytes and no frame came back from ${where}.`, {
    hint: 'Two readers may share an address, or the line is disturbed: connect one reader alone.',
    detail,
  });
}
