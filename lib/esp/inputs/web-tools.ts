import { chipByName } from '../chips.ts';
import { fail } from '../errors.ts';
import type { ImageSet } from '../types.ts';
import { familyName } from './file-list.ts';
import { asObject, badManifest, type JsonObject, readJson } from './json.ts';
import { type BareRegion, checkCount, checkInnerPath, completeSet, type Load, loadPart, readOffset } from './parts.ts';

/** Which of the builds to take. */
export interface WebToolsOptions {
  /** How the chip is attached: its own USB ("cdc") or a bridge ("uart"). A build may be for one of them. */
  readonly serialType?: 'cdc' | 'uart';
}

const WHAT = 'The manifest';

/** A family that the manifest's build is for, and by which way it is attached. */
interface Build {
  readonly field: string;
  readonly chip: string;
  readonly serialType: string | undefined;
  readonly parts: readonly unknown[];
}

/**
 * A set of images from an ESP Web Tools manifest: of its builds, the one for the chip and the way it is attached.
 * @param json the manifest's text, or the object it holds
 * @param chipName the chip it is for; left out, the manifest must have builds for one family alone
 * @throws BAD_MANIFEST, NO_BUILD_FOR_CHIP, UNKNOWN_CHIP, EMPTY_INPUT, BAD_OFFSET, FILE_OUTSIDE, REMOTE_PATH,
 * FILE_MISSING, FILE_EMPTY
 */
export async function readWebToolsManifest(
  json: unknown,
  chipName: string | undefined,
  load: Load,
  options: WebToolsOptions = {},
): Promise<ImageSet> {
  const manifest = readJson(json, WHAT);
  const wanted = familyName(chipName, 'chip');
  const build = chooseBuild(readBuilds(manifest), wanted, options.serialType);
  const field = `${build.field}.parts`;
  checkCount(build.parts.length, field, WHAT);
  const parts = build.parts.map((value, index) => {
    const part = asObject(value);
    if (part === null) throw badManifest(WHAT, `${field}[${index}]`, value, `${field}[${index}] is no object`);
    const path = checkInnerPath(part.path, `${field}[${index}].path`, WHAT);
    return { path, offset: readOffset(part.offset, `${field}[${index}].offset`) };
  });
  const regions: BareRegion[] = [];
  for (const [index, { path, offset }] of parts.entries()) {
    regions.push({ offset, name: path, data: await loadPart(path, `${field}[${index}].path`, load) });
  }
  const name = text(manifest, 'name') ?? 'firmware';
  const version = text(manifest, 'version');
  const set = { name, chip: build.chip, source: 'web-tools' as const, erase: [] };
  return completeSet(version === undefined ? set : { ...set, version }, regions);
}

function text(manifest: JsonObject, field: string): string | undefined {
  const value = manifest[field];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw badManifest(WHAT, field, value, `${field} is no text`);
  return value;
}

function readBuilds(manifest: JsonObject): Build[] {
  const { builds } = manifest;
  if (!Array.isArray(builds)) {
    throw badManifest(
      WHAT,
      'builds',
      typeof builds,
      'it has no list of builds',
      'an ESP Web Tools manifest has "builds"',
    );
  }
  checkCount(builds.length, 'builds', WHAT);
  return builds.map((value, index) => {
    const field = `builds[${index}]`;
    const build = asObject(value);
    if (build === null) throw badManifest(WHAT, field, value, `${field} is no object`);
    const { chipFamily, serialType, parts } = build;
    if (typeof chipFamily !== 'string') {
      throw badManifest(WHAT, `${field}.chipFamily`, chipFamily, `${field} names no chipFamily`);
    }
    if (serialType !== undefined && serialType !== 'cdc' && serialType !== 'uart') {
      throw badManifest(WHAT, `${field}.serialType`, serialType, `${field}.serialType is neither "cdc" nor "uart"`);
    }
    if (!Array.isArray(parts)) throw badManifest(WHAT, `${field}.parts`, typeof parts, `${field} has no list of parts`);
    // A family nobody knows yet does no harm while another build is the right one.
    return { field, chip: chipByName(chipFamily)?.name ?? chipFamily, serialType, parts };
  });
}

function chooseBuild(builds: readonly Build[], wanted: string | undefined, serialType: string | undefined): Build {
  const families = [...new Set(builds.map(({ chip }) => chip))];
  const chip = wanted ?? (families.length === 1 ? families[0] : undefined);
  const none = (why: string, hint: string): Error =>
    fail('NO_BUILD_FOR_CHIP', `${WHAT} ${why}.`, {
      hint,
      detail: { field: 'builds', value: wanted ?? null, families },
    });
  if (chip === undefined) throw none(`has builds for ${families.join(', ')}`, 'say which chip it is for');
  const fitting = builds.filter((build) => build.chip === chip);
  if (fitting.length === 0)
    throw none(`has no build for ${chip}, only for ${families.join(', ')}`, 'use firmware for this chip');
  const chosen =
    fitting.find((build) => serialType !== undefined && build.serialType === serialType) ??
    fitting.find((build) => build.serialType === undefined) ??
    (serialType === undefined ? fitting[0] : undefined);
  if (chosen === undefined) {
    throw none(`has builds for ${chip}, none of them for a chip attached by ${serialType}`, 'attach it the other way');
  }
  return chosen;
}
