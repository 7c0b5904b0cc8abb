import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A reading of RFC 4180 that shares nothing with the one under test: rows of fields; throws where the text is not CSV. */
export function readCsv(text: string): string[][] {
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/y;
  const rows: string[][] = [];
  let row: string[] = [];
  while (field.lastIndex < text.length) {
    const from = field.lastIndex;
    const found = field.exec(text);
    if (found === null) throw new Error(`no CSV at ${from}: ${JSON.stringify(text.slice(from, from + 60))}`);
    const [, raw = '', end] = found;
    row.push(raw.startsWith('"') ? raw.slice(1, -1).split('""').join('"') : raw);
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

/** A folder for one test; `done` takes it away. */
export function folder(): { path(name: string): string; done(): void } {
  const root = mkdtempSync(join(tmpdir(), 'keyway-record-'));
  return { path: (name) => join(root, name), done: () => rmSync(root, { recursive: true, force: true }) };
}
