import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';

export const root = resolve(import.meta.dirname, '..', '..');

/** Files below a folder of the checkout, as paths with forward slashes from its root. */
export function filesBelow(folder: string, matches: (path: string) => boolean): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter(matches)
    .sort();
}

export interface Import {
  /** The importing file, from the root. */
  readonly from: string;
  /** A file of ours from the root, or a package's name. */
  readonly to: string;
  /** Whether it is ours. */
  readonly own: boolean;
  /** `import type` or `export type`: gone at run time. */
  readonly typeOnly: boolean;
}

const STATEMENT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?['"]([^'"]+)['"]/g;
const DYNAMIC = /import\(\s*['"]([^'"]+)['"]/g;

/** Every import of a TypeScript file, static and dynamic. */
export function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(STATEMENT)) found.push(resolved(file, match[2] ?? '', match[1] !== undefined));
  for (const match of text.matchAll(DYNAMIC)) found.push(resolved(file, match[1] ?? '', false));
  return found;
}

function resolved(from: string, specifier: string, typeOnly: boolean): Import {
  if (!specifier.startsWith('.')) return { from, to: specifier, own: false, typeOnly };
  return { from, to: posix.normalize(posix.join(dirname(from), specifier)), own: true, typeOnly };
}

/** `lib/<area>` or the top folder. */
export function areaOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'lib' ? `lib/${second}` : top;
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as T;
}
