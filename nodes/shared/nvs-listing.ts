import { type NvsContent, type NvsValue, redactNvs } from '../../lib/esp/index.ts';
import { asBuffer } from './bytes.ts';

/** What may be told of an NVS image: where each entry lies and how long it is; the values on request alone. */
export function listingOf(content: NvsContent, raw: boolean): Record<string, unknown> {
  const { freeEntries, usedEntries, pages, torn } = content;
  const listed = redactNvs(content);
  const entries = raw ? content.entries.map(({ value }, i) => ({ ...listed[i], value: plain(value) })) : listed;
  return { entries, freeEntries, usedEntries, pages, torn };
}

/** As other nodes take it: a Buffer, and a whole number that JSON knows, else its digits. */
function plain(value: NvsValue): unknown {
  if (value instanceof Uint8Array) return asBuffer(value);
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}
