import type { ImageSet } from '../types.ts';
import { familyName } from './file-list.ts';
import { asObject, badManifest, type JsonObject, readJson } from './json.ts';
import { type BareRegion, checkCount, checkInnerPath, completeSet, type Load, loadPart, readOffset } from './parts.ts';

/** What the build wanted the flash to be driven with; "keep" or "detect" come as they are. */
export interface FlashSettings {
  readonly mode?: string;
  readonly frequency?: string;
  /** As written: "4MB". */
  readonly size?: string;
}

/** A set of images with what else ESP-IDF's build says about it. */
export interface FlasherArgsSet extends ImageSet {
  readonly settings: FlashSettings;
}

const WHAT = 'flasher_args.json';

/**
 * A set of images from the `flasher_args.json` of an ESP-IDF build folder; paths are relative to that folder.
 * The settings are noted, not applied: images are written as they were built.
 * @param json the file's text, or the object it holds
 * @throws BAD_MANIFEST, UNKNOWN_CHIP, EMPTY_INPUT, BAD_OFFSET, FILE_OUTSIDE, REMOTE_PATH, FILE_MISSING, FILE_EMPTY
 */
export async function readFlasherArgs(json: unknown, load: Load): Promise<FlasherArgsSet> {
  const args = readJson(json, WHAT);
  const files = asObject(args.flash_files);
  if (files === null) {
    throw badManifest(
      WHAT,
      'flash_files',
      typeof args.flash_files,
      'it has no flash_files',
      'take the one from the build folder',
    );
  }
  const chip = readChip(args);
  const settings = readSettings(args);
  const entries = Object.entries(files);
  checkCount(entries.length, 'flash_files', WHAT);
  const parts = entries.map(([key, value]) => {
    const field = `flash_files["${key.slice(0, 40)}"]`;
    return { field, offset: readOffset(key, field), path: checkInnerPath(value, field, WHAT) };
  });
  const regions: BareRegion[] = [];
  for (const { field, offset, path } of parts) {
    regions.push({ offset, name: path, data: await loadPart(path, field, load) });
  }
  const set = { name: readName(args), source: 'flasher-args' as const, erase: [] };
  return { ...completeSet(chip === undefined ? set : { ...set, chip }, regions), settings };
}

function readChip(args: JsonObject): string | undefined {
  const chip = asObject(args.extra_esptool_args)?.chip;
  if (chip === undefined || chip === 'auto') return undefined;
  const field = 'extra_esptool_args.chip';
  if (typeof chip !== 'string') throw badManifest(WHAT, field, chip, `${field} is no text`);
  return familyName(chip, field);
}

function readName(args: JsonObject): string {
  const file = asObject(args.app)?.file;
  const base = typeof file === 'string' ? file.split(/[\\/]/).at(-1) : undefined;
  return base?.replace(/\.bin$/i, '') || 'firmware';
}

function readSettings(args: JsonObject): FlashSettings {
  const given = asObject(args.flash_settings) ?? {};
  const text = (key: string): string | undefined => {
    const value = given[key];
    if (value === undefined) return undefined;
    if (typeof value === 'string') return value;
    throw badManifest(WHAT, `flash_settings.${key}`, value, `flash_settings.${key} is no text`);
  };
  const mode = text('flash_mode');
  const frequency = text('flash_freq');
  const size = text('flash_size');
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(frequency === undefined ? {} : { frequency }),
    ...(size === undefined ? {} : { size }),
  };
}
