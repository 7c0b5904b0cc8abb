import { readdir } from 'node:fs/promises';
import { isKeywayError } from '../../lib/errors/index.ts';
import type { ImageSet } from '../../lib/esp/index.ts';
import { loadImageSet } from '../../lib/esp/node.ts';
import { fail } from '../shared/identity-errors.ts';

/**
 * The bootstrap firmware from the folder that a person names: a build of ESP-IDF, or a release with its manifest.
 * @throws BOOTSTRAP_IMAGE_MISSING, what the readers throw
 */
export async function bootstrapFrom(folder: string | undefined, chip: string | undefined): Promise<ImageSet> {
  if (folder === undefined) throw missing('The node names no folder of the bootstrap firmware', undefined);
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw missing(`There is no folder "${folder}" with the bootstrap firmware`, folder, error);
  }
  if (names.length === 0) throw missing(`The folder "${folder}" of the bootstrap firmware is empty`, folder);
  try {
    return await loadImageSet({ kind: 'folder', path: folder, ...(chip === undefined ? {} : { chip }) });
  } catch (error) {
    if (!isKeywayError(error, 'FILE_MISSING') && !isKeywayError(error, 'FILE_EMPTY')) throw error;
    throw missing(`The folder "${folder}" holds no whole bootstrap firmware: ${error.message}`, folder, error);
  }
}

function missing(what: string, value: string | undefined, cause?: unknown): Error {
  return fail('BOOTSTRAP_IMAGE_MISSING', /[.!?]$/.test(what) ? what : `${what}.`, {
    hint: 'Build it with ESP-IDF (`idf.py build`) and name its folder build, or name one that holds a release.',
    detail: { field: 'path', ...(value === undefined ? {} : { value }) },
    ...(cause === undefined ? {} : { cause }),
  });
}
