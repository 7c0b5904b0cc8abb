import { chipByName } from '../chips.ts';
import { fail } from '../errors.ts';
import type { ImageSet } from '../types.ts';
import { asObject, badManifest } from './json.ts';
import { type BareRegion, checkCount, checkPath, completeSet, type Load, loadPart, readOffset } from './parts.ts';

/** One entry of a list: a file, or bytes at hand, and where they belong. */
export interface FileEntry {
  readonly path?: string;
  readonly data?: Uint8Array;
  /** A number, or text like "0x10000"; a multiple of 4096. */
  readonly offset: number | string;
  /** For people. Default: the path. */
  readonly name?: string;
}

/** What a list of files does not say itself. */
export interface FileListOptions {
  readonly name?: string;
  readonly version?: string;
  /** The family that the files are for. */
  readonly chip?: string;
}

const WHAT = 'The file list';

/**
 * A set of images from files and offsets.
 * @param list an array of `FileEntry`; taken as unknown, since it may come out of a message
 * @throws EMPTY_INPUT, BAD_MANIFEST, BAD_OFFSET, REMOTE_PATH, FILE_MISSING, FILE_EMPTY, UNKNOWN_CHIP
 */
export async function readFileList(list: unknown, load: Load, options: FileListOptions = {}): Promise<ImageSet> {
  if (!Array.isArray(list)) {
    throw badManifest(WHAT, 'files', typeof list, 'it is no list', 'give [{ "path": "app.bin", "offset": "0x10000" }]');
  }
  checkCount(list.length, 'files', WHAT);
  const chip = familyName(options.chip, 'chip');
  const entries = list.map((entry, index) => readEntry(entry, `files[${index}]`));
  const regions: BareRegion[] = [];
  for (const { field, path, data, offset, name } of entries) {
    regions.push({ offset, name, data: data ?? (await loadPart(path, `${field}.path`, load)) });
  }
  const { name = 'files', version } = options;
  const set = { name, source: 'files' as const, erase: [] };
  return completeSet(
    { ...set, ...(version === undefined ? {} : { version }), ...(chip === undefined ? {} : { chip }) },
    regions,
  );
}

interface CheckedEntry {
  readonly field: string;
  readonly path: string;
  readonly data?: Uint8Array;
  readonly offset: number;
  readonly name: string;
}

function readEntry(value: unknown, field: string): CheckedEntry {
  const entry = asObject(value);
  if (entry === null) throw badManifest(WHAT, field, value, `${field} is no object with path and offset`);
  const offset = readOffset(entry.offset, `${field}.offset`);
  const given = typeof entry.name === 'string' && entry.name !== '' ? entry.name : undefined;
  if (entry.data === undefined) {
    const path = checkPath(entry.path, `${field}.path`, WHAT);
    return { field, path, offset, name: given ?? path };
  }
  if (!(entry.data instanceof Uint8Array)) {
    throw badManifest(WHAT, `${field}.data`, typeof entry.data, `${field}.data holds no bytes`);
  }
  if (entry.data.length === 0) {
    throw fail('FILE_EMPTY', `${WHAT}: ${field}.data is empty.`, { detail: { field: `${field}.data`, value: 0 } });
  }
  return { field, path: '', data: entry.data, offset, name: given ?? `0x${offset.toString(16)}` };
}

/** The family's own name for a name in any spelling. @throws UNKNOWN_CHIP */
export function familyName(chip: string | undefined, field: string): string | undefined {
  if (chip === undefined || chip === '') return undefined;
  const family = chipByName(chip);
  if (family !== undefined) return family.name;
  throw fail('UNKNOWN_CHIP', `No chip family is called "${chip}" (${field}).`, { detail: { field, value: chip } });
}
