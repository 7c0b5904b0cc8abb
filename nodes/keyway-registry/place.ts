import { isAbsolute, resolve } from 'node:path';
import type { KeystoreSource } from '../../lib/vault/index.ts';
import { fail } from '../shared/errors.ts';
import type { RegistryConfig } from './config.ts';

/** What names of environment variables look like; ${NAME} was replaced by its value, which is the key, by now. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export type Where = Pick<RegistryConfig, 'demo' | 'file' | 'keySource' | 'keyFile' | 'keyVariable' | 'keyCredential'>;

/** Where a registry lies, and where the key is that seals what is in it. */
export interface RegistryPlace {
  readonly path: string;
  readonly source: KeystoreSource;
}

/** @throws BAD_FIELD */
export function placeOf(where: Where, userDir: unknown): RegistryPlace {
  const below = (name: string): string => {
    if (typeof userDir === 'string' && userDir !== '') {
      return resolve(userDir, 'keyway', where.demo ? 'demo' : '', name);
    }
    throw fail('BAD_FIELD', 'Node-RED names no user folder that the registry could lie in.', {
      hint: 'Type the whole path of the file.',
      detail: { field: 'file' },
    });
  };
  const typed = (name: string, otherwise: string): string => {
    const path = name.trim();
    return isAbsolute(path) ? resolve(path) : below(path === '' ? otherwise : path);
  };
  return { path: typed(where.file, 'registry.sqlite'), source: sourceOf(where, typed) };
}

function sourceOf(where: Where, typed: (name: string, otherwise: string) => string): KeystoreSource {
  // A demonstration makes its own key.
  if (where.demo || where.keySource === 'file') return { file: typed(where.demo ? '' : where.keyFile, 'keystore.key') };
  if (where.keySource === 'credential') return { credential: where.keyCredential.trim() };
  const environment = where.keyVariable.trim();
  if (VARIABLE.test(environment)) return { environment };
  // What the field holds is not told: it may be the key.
  throw fail('BAD_FIELD', 'The field "keyVariable" holds no name of an environment variable.', {
    hint: 'Type the name alone, without $ and braces.',
    detail: { field: 'keyVariable' },
  });
}
