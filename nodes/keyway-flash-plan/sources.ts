import { isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import { demoImageSet, type ImageSet, readMergedImage } from '../../lib/esp/index.ts';
import { type ImageSource, loadImageSet } from '../../lib/esp/node.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { bootstrapFrom } from './bootstrap.ts';
import type { FlashPlanConfig } from './config.ts';

/** The image set that the node is to plan, wherever it comes from. @throws NO_IMAGES, BAD_FIELD, what the readers throw */
export async function imagesFrom(
  config: FlashPlanConfig,
  fields: Fields<FlashPlanConfig>,
  chip: string | undefined,
): Promise<ImageSet> {
  const named = chip === undefined ? {} : { chip };
  switch (config.source) {
    case 'msg':
      return asImageSet(await fields.value('images'));
    case 'none':
      return { name: 'NVS', source: 'built', regions: [], erase: [], ...named };
    case 'demo':
      return demoImageSet(chip ?? 'ESP32-C3');
    case 'bootstrap':
      return await bootstrapFrom(await fields.text('path'), chip);
    case 'files':
      return await loadImageSet({ kind: 'files', files: config.files, ...named });
    case 'merged': {
      const source = await fields.value('path');
      if (source instanceof Uint8Array) return readMergedImage(source, chip);
      return await loadImageSet({ kind: 'merged', path: asPath(source), ...named });
    }
    case 'flasher-args':
      return await fromDisk({ kind: 'flasher-args', path: asPath(await fields.value('path')) });
    default:
      return await fromDisk({ kind: config.source, path: asPath(await fields.value('path')), ...named });
  }
}

/** What is wrong inside a file is told with the path of that file. */
async function fromDisk(source: Extract<ImageSource, { path: string }>): Promise<ImageSet> {
  try {
    return await loadImageSet(source);
  } catch (error) {
    if (!isKeywayError(error) || error.message.includes(source.path)) throw error;
    throw new KeywayError(error.code, `${source.path}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      detail: { ...error.detail, path: source.path },
      cause: error,
    });
  }
}

function asPath(value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw fail('BAD_FIELD', 'The field "path" must name a file or folder.', {
    hint: 'Type the path, or point the field at where the message holds it.',
    detail: { field: 'path' },
  });
}

/** An image set that came in a message: its shape is checked here, its content by the plan. */
function asImageSet(value: unknown): ImageSet {
  const set = value as Partial<ImageSet> | undefined | null;
  const regions: unknown = set?.regions;
  if (typeof set !== 'object' || set === null || !Array.isArray(regions)) {
    throw fail('NO_IMAGES', 'There is no image set in the message.', {
      hint: 'Put an image node in front, choose another source, or point the field at where the set is.',
      detail: { field: 'images' },
    });
  }
  const erase = Array.isArray(set.erase) ? set.erase : [];
  for (const [index, region] of regions.entries()) {
    if (region?.data instanceof Uint8Array && typeof region.offset === 'number') continue;
    throw fail('NO_IMAGES', `The region ${index} of the image set has no bytes or no offset.`, {
      hint: 'A region is { offset, data, name, kind } with a Buffer as data; a set that went through JSON has lost it.',
      detail: { field: `images.regions[${index}]` },
    });
  }
  const { name = 'images', source = 'files' } = set;
  return { ...set, name, source, erase, regions };
}
