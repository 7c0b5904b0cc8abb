import { isKeywayError, KeywayError } from '../../errors/index.ts';
import { fail } from '../errors.ts';
import { parseImage } from '../formats/image.ts';
import { recogniseRegion, tryDecodeTable } from '../formats/recognise.ts';
import type { ImageSet, Region } from '../types.ts';
import { SECTOR } from '../units.ts';

/** Brings a file's bytes. What it is given: a path as the input names it, with `/` and without `.` or `..`. */
export type Load = (path: string) => Promise<Uint8Array>;

const MAX_PARTS = 128;
/** Four bytes of address reach this far. */
const ADDRESS_SPACE = 2 ** 32;

/**
 * An offset: a number, or text like "0x10000" or "65536". It must be a multiple of 4096, since the chip erases whole
 * sectors: what stands in front of it in its sector would be lost.
 * @param field how errors call it: "parts[0].offset"
 * @throws BAD_OFFSET
 */
export function readOffset(value: unknown, field: string): number {
  const bad = (what: string): Error =>
    fail(
      'BAD_OFFSET',
      `${field} is ${typeof value === 'string' ? `"${value.slice(0, 40)}"` : String(value)}: ${what}.`,
      {
        hint: 'Offsets look like 65536 or "0x10000" and are multiples of 4096, since the flash is erased in sectors.',
        detail: { field, value },
      },
    );
  let offset: number;
  if (typeof value === 'number') offset = value;
  else if (typeof value === 'string' && /^\s*-?(0[xX][0-9a-fA-F]+|\d+)\s*$/.test(value))
    offset = fromText(value.trim());
  else throw bad('it is no number');
  if (!Number.isInteger(offset)) throw bad('it is no whole number');
  if (offset < 0) throw bad('it is negative');
  if (offset >= ADDRESS_SPACE) throw bad('it is beyond 4 GB');
  if (offset % SECTOR !== 0) throw bad('it is no multiple of 4096');
  return offset;
}

const fromText = (text: string): number => (text.startsWith('-') ? -Number(text.slice(1)) : Number(text));

/** @throws REMOTE_PATH, FILE_OUTSIDE, BAD_MANIFEST for a path that no file can have */
export function checkPath(value: unknown, field: string, what: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw fail('BAD_MANIFEST', `${what}: ${field} is no path.`, { detail: { field, value } });
  }
  if (/^[a-zA-Z][a-zA-Z0-9+.-]+:/.test(value) || /^(\/\/|\\\\)/.test(value)) {
    throw fail('REMOTE_PATH', `${what}: ${field} is "${value}", which lies on the network.`, {
      hint: 'Download the file and name its place on disk.',
      detail: { field, value },
    });
  }
  return value;
}

/**
 * A path inside the folder of the file that names it, in its shortest form.
 * @throws FILE_OUTSIDE when it leads out of the folder; REMOTE_PATH, BAD_MANIFEST
 */
export function checkInnerPath(value: unknown, field: string, what: string): string {
  const path = checkPath(value, field, what).replaceAll('\\', '/');
  const outside = (): Error =>
    fail('FILE_OUTSIDE', `${what}: ${field} is "${path}", which leads out of its folder.`, {
      hint: 'Put the file beside the one that names it, or give a list of files.',
      detail: { field, value },
    });
  if (path.startsWith('/') || /^[a-zA-Z]:/.test(path)) throw outside();
  const steps: string[] = [];
  for (const step of path.split('/')) {
    if (step === '' || step === '.') continue;
    if (step !== '..') steps.push(step);
    else if (steps.pop() === undefined) throw outside();
  }
  if (steps.length === 0) throw outside();
  return steps.join('/');
}

/** @throws FILE_MISSING, FILE_EMPTY and what the loader raises */
export async function loadPart(path: string, field: string, load: Load): Promise<Uint8Array> {
  let data: Uint8Array;
  try {
    data = await load(path);
  } catch (cause) {
    const detail = { field, value: path };
    if (!isKeywayError(cause)) throw fail('FILE_MISSING', `"${path}" (${field}) cannot be read.`, { cause, detail });
    // The loader knows the path alone; here it is known where the input names it.
    const { code, message, hint } = cause;
    const also = { ...cause.detail, ...detail };
    throw new KeywayError(code, message, { cause, detail: also, ...(hint === undefined ? {} : { hint }) });
  }
  if (data.length === 0) {
    throw fail('FILE_EMPTY', `"${path}" (${field}) is empty.`, {
      hint: 'Build it again; an empty file is often left by a build or download that broke off.',
      detail: { field, value: path },
    });
  }
  return data;
}

/** @throws EMPTY_INPUT, BAD_MANIFEST when there are none, or too many */
export function checkCount(count: number, field: string, what: string): void {
  if (count === 0)
    throw fail('EMPTY_INPUT', `${what}: ${field} is empty, there is nothing to flash.`, {
      detail: { field, value: 0 },
    });
  if (count <= MAX_PARTS) return;
  throw fail('BAD_MANIFEST', `${what}: ${field} has ${count} entries, at most ${MAX_PARTS}.`, {
    detail: { field, value: count },
  });
}

export type BareRegion = Omit<Region, 'kind'>;

/** Completes a set: what each region is, and the app's own version where the input states none. */
export function completeSet(set: Omit<ImageSet, 'regions'>, bare: readonly BareRegion[]): ImageSet {
  const table = bare.map(({ data }) => tryDecodeTable(data)).find((found) => found !== null) ?? null;
  const regions = bare.map((region) => ({
    ...region,
    kind: recogniseRegion(region.offset, region.data, table),
  }));
  const version = set.version ?? versionOf(regions);
  return { ...set, ...(version === undefined ? {} : { version }), regions };
}

function versionOf(regions: readonly Region[]): string | undefined {
  for (const { data, kind } of regions) {
    if (kind !== 'app') continue;
    try {
      const { app } = parseImage(data, { hash: false });
      if (app !== null && app.version !== '') return app.version;
    } catch {
      // An app that cannot be read has no version to tell; the plan's guards say what is wrong with it.
    }
  }
  return undefined;
}
