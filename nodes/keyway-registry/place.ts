import type { KeystoreSource } from '../../lib/vault/index.ts';
import { fail } from '../shared/errors.ts';
import { pathBelow } from '../shared/path-below.ts';
import type { RegistryConfig } from './config.ts';

/** What names of environment variables look like; ${NAME} was replaced by its value, which is the key, by now. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export type Where = Omit<RegistryConfig, 'id' | 'type' | 'z' | 'name' | 'version'>;

/** Where a registry lies, and where the keys are that seal, or sealed, what is in it. */
export interface RegistryPlace {
  readonly path: string;
  readonly source: KeystoreSource;
  /** Keys from before a rotation. */
  readonly previous: readonly KeystoreSource[];
  /** The folder of backups. */
  readonly backups: string;
}

/** @throws BAD_FIELD */
export function placeOf(where: Where, userDir: unknown): RegistryPlace {
  const typed = (name: string, otherwise: string): string => pathBelow(userDir, where.demo, name, otherwise);
  return {
    path: typed(where.file, 'registry.sqlite'),
    ...keysOf(where, typed),
    backups: typed(where.backups, 'backups'),
  };
}

function keysOf(
  where: Where,
  typed: (name: string, otherwise: string) => string,
): Pick<RegistryPlace, 'source' | 'previous'> {
  // A demonstration makes its own key, and keeps it.
  if (where.demo) return { source: { file: typed('', 'keystore.key') }, previous: [] };
  const source = sourceOf('key', where.keySource, where, typed);
  if (where.previousSource === 'none') return { source, previous: [] };
  return { source, previous: [sourceOf('previous', where.previousSource, where, typed)] };
}

function sourceOf(
  which: 'key' | 'previous',
  kind: RegistryConfig['keySource'],
  where: Where,
  typed: (name: string, otherwise: string) => string,
): KeystoreSource {
  const otherwise = { key: 'keystore.key', previous: 'keystore-before.key' } as const;
  if (kind === 'file') return { file: typed(where[`${which}File`], otherwise[which]) };
  if (kind === 'credential') return { credential: where[`${which}Credential`].trim() };
  const environment = where[`${which}Variable`].trim();
  if (VARIABLE.test(environment)) return { environment };
  // What the field holds is not told: it may be the key.
  throw fail('BAD_FIELD', `The field "${which}Variable" holds no name of an environment variable.`, {
    hint: 'Type the name alone, without $ and braces.',
    detail: { field: `${which}Variable` },
  });
}
