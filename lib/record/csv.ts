import { fail } from './errors.ts';

/** What a column of a record may hold. Null and undefined are written as a blank. */
export type Cell = string | number | boolean | null | undefined;

/** A text that spreadsheets would run as a formula (CWE-1236), also behind blanks and apostrophes. */
const FORMULA = /^[\s']*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^'*[\t\r\n]/;
const NEEDS_QUOTES = /[",\r\n;]|^\s|\s$/;

/**
 * One row of RFC 4180, with its line end. A text that a spreadsheet would run gets an apostrophe before it, which
 * `unguard` takes away again; numbers stay as they are.
 *
 * @throws BAD_RECORD naming the column.
 */
export function formatRow(cells: readonly { column: string; value: Cell }[]): string {
  const fields = cells.map(({ column, value }) => quote(textOf(column, value)));
  // A row of nothing at all would be an empty line, which readers leave out.
  return `${fields.length === 1 && fields[0] === '' ? '""' : fields.join(',')}\r\n`;
}

/** The text of a field as it was before it was guarded. */
export function unguard(field: string): string {
  return field.startsWith("'") && FORMULA.test(field.slice(1)) ? field.slice(1) : field;
}

/** The fields of one row, without its line end; a quote that is never closed is closed at the end. */
export function parseRow(row: string): string[] {
  const fields: string[] = [];
  let field = '';
  let at = 0;
  for (;;) {
    if (row[at] === '"' && field === '') {
      for (at += 1; at < row.length; at++) {
        if (row[at] !== '"') field += row[at];
        else if (row[at + 1] === '"') field += row[++at];
        else break;
      }
      at += 1;
    }
    while (at < row.length && row[at] !== ',') field += row[at++];
    fields.push(field);
    if (at >= row.length) return fields;
    field = '';
    at += 1;
  }
}

function textOf(column: string, value: Cell): string {
  switch (typeof value) {
    case 'undefined':
      return '';
    case 'boolean':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return String(value);
      break;
    case 'string': {
      // A power cut leaves zeros behind, which must not be mistaken for a text.
      const text = value.replaceAll('\0', '\uFFFD');
      return FORMULA.test(text) ? `'${text}` : text;
    }
    default:
      if (value === null) return '';
  }
  throw fail('BAD_RECORD', `The column "${column}" of the record holds ${kindOf(value)}.`, {
    hint: 'A record is flat: give each column a text, a number, true, false or nothing.',
    detail: { field: column },
  });
}

function kindOf(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
}

function quote(field: string): string {
  return NEEDS_QUOTES.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
