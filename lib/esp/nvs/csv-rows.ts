import { badCsv } from './csv-values.ts';

/** One row and the line on which it begins, counted from 1. */
export interface CsvRow {
  readonly line: number;
  readonly fields: readonly string[];
}

/** Room for a few of the largest blobs in hexadecimal; keeps nonsense from being read for seconds. */
const MAX_TEXT = 8 << 20;

/**
 * Splits CSV (RFC 4180) into rows, the way Espressif's generator reads it: any line that begins with `#` is left out,
 * even within quotes; line ends become `\n`; a quote counts at the beginning of a field only. Blank rows are left out.
 * @throws BAD_NVS_CSV
 */
export function readRows(text: string): CsvRow[] {
  if (text.length > MAX_TEXT) {
    throw badCsv(1, 1, 'text', `the text has ${text.length} characters`, `At most ${MAX_TEXT} are read.`);
  }
  const lines = text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .map((content, index) => ({ content, line: index + 1 }))
    .filter(({ content }) => !content.startsWith('#'));
  const rows: CsvRow[] = [];
  for (let at = 0; at < lines.length; ) {
    const splitter = new RowSplitter((lines[at] as { line: number }).line);
    while (at < lines.length && splitter.take((lines[at++] as { content: string }).content));
    const row = splitter.end();
    if (row.fields.some((field) => field.trim() !== '')) rows.push(row);
  }
  return rows;
}

class RowSplitter {
  readonly #line: number;
  readonly #fields: string[] = [];
  /** The parts of a quoted field that is still open; its line breaks lie between them. */
  #open: string[] | undefined;

  constructor(line: number) {
    this.#line = line;
  }

  /** Takes a line; true when a quoted field goes on in the next. */
  take(content: string): boolean {
    let at = 0;
    for (;;) {
      if (this.#open === undefined && content[at] === '"') {
        this.#open = [''];
        at++;
      } else if (this.#open !== undefined) this.#open.push('\n');
      if (this.#open !== undefined) {
        const next = this.#quoted(content, at, this.#open);
        if (next === undefined) return true;
        this.#fields.push(this.#open.join(''));
        this.#open = undefined;
        at = next;
      } else {
        const comma = content.indexOf(',', at);
        const end = comma < 0 ? content.length : comma;
        this.#fields.push(content.slice(at, end));
        at = end;
      }
      if (at >= content.length) return false;
      at++;
      if (at === content.length) {
        this.#fields.push('');
        return false;
      }
    }
  }

  /** Reads on within quotes; returns where the field ends, or undefined where the line ends first. */
  #quoted(content: string, from: number, parts: string[]): number | undefined {
    let at = from;
    for (;;) {
      const quote = content.indexOf('"', at);
      parts.push(content.slice(at, quote < 0 ? undefined : quote));
      if (quote < 0) return undefined;
      if (content[quote + 1] !== '"') {
        const after = quote + 1;
        if (after === content.length || content[after] === ',') return after;
        throw this.#bad('text follows a closing quote', 'Double the quotes that belong to the value.');
      }
      parts.push('"');
      at = quote + 2;
    }
  }

  end(): CsvRow {
    if (this.#open !== undefined) throw this.#bad('a quote is not closed', 'Close it, or double it.');
    return { line: this.#line, fields: this.#fields };
  }

  #bad(what: string, hint: string): Error {
    return badCsv(this.#line, this.#fields.length + 1, 'text', what, hint);
  }
}

/** A field that reads back as it is. */
export const quoteField = (text: string): string => (/[",\n]|^#/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
