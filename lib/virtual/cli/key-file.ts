import { readFile } from 'node:fs/promises';
import { codeOf } from '../../errors/index.ts';
import { fail } from '../errors.ts';

/** Reads a key from a file of bare bytes. Its length is for the chip to judge. @throws BAD_ARGUMENT */
export async function readKeyFile(field: string, path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw fail('BAD_ARGUMENT', `The key file ${path} cannot be read (${codeOf(cause)}).`, {
      hint: 'Check the path and who may read it.',
      detail: { field, value: path },
      cause,
    });
  }
}
