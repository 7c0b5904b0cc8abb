import { isAbsolute, resolve } from 'node:path';
import { fail } from './errors.ts';

/**
 * A whole path as it is; a name, or what stands for a blank one, in the folder keyway of Node-RED's user folder.
 * @throws BAD_FIELD
 */
export function pathBelow(userDir: unknown, demo: boolean, name: string, otherwise: string): string {
  const path = name.trim() === '' ? otherwise : name.trim();
  if (isAbsolute(path)) return resolve(path);
  if (typeof userDir === 'string' && userDir !== '') return resolve(userDir, 'keyway', demo ? 'demo' : '', path);
  throw fail('BAD_FIELD', 'Node-RED names no user folder that the registry could lie in.', {
    hint: 'Type the whole path of the file.',
    detail: { field: 'file' },
  });
}
