import { fail } from '../errors.ts';

/** A row of CSV with the line on which it begins, from 1. */
export interface CsvRow {
  readonly line: number;
  readonly fields: readonly string[];
}

/** Reads CSV as RFC 4180 has it, with either line end and a comma, semicolon or tab between fields. Empty lines go. */
export function parseCsv(source: string): CsvRow[] {
  const text = source.startsWith('\ufeff') ? source.slice(1) : source;
  const comma = separatorOf(text);
  const rows: CsvRow[] = [];
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const begins = line;
    const fields: string[] = [];
    for (;;) {
      const read = text[at] === '"' ? quoted(text, at, line) : plain(text, at, comma);
      line += read.lines;
      fields.push(read.field);
      at = read.next;
      if (text[at] !== comma) break;
      at += 1;
    }
    if (at < text.length && text[at] !== '\r' && text[at] !== '\n') {
      throw fail('BAD_IMPORT', `Line ${line} of the CSV has text after a closing quote.`, {
        hint: 'Double the quotes inside a field, and put nothing after its last one.',
        detail: { line },
      });
    }
    at += text.startsWith('\r\n', at) ? 2 : 1;
    line += 1;
    if (fields.length > 1 || fields[0] !== '') rows.push({ line: begins, fields });
  }
  return rows;
}

/** Of the header: whichever is in it most. */
function separatorOf(text: string): string {
  const header = /^[^\r\n]*/.exec(text)?.[0] ?? '';
  const counts = [',', ';', '\t'].map((mark) => [header.split(mark).length, mark] as const);
  return counts.reduce((best, one) => (one[0] > best[0] ? one : best))[1];
}

interface Field {
  readonly field: string;
  readonly next: number;
  readonly lines: number;
}

function plain(text: string, at: number, comma: string): Field {
  let end = at;
  while (end < text.length && text[end] !== comma && text[end] !== '\r' && text[end] !== '\n') end += 1;
  return { field: text.slice(at, end), next: end, lines: 0 };
}

function quoted(text: string, at: number, line: number): Field {
  let field = '';
  for (let from = at + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) {
      throw fail('BAD_IMPORT', `A field that begins on line ${line} of the CSV is not closed.`, {
        hint: 'Close it with a quote.',
        detail: { line },
      });
    }
    field += text.slice(from, quote);
    if (text[quote + 1] !== '"') return { field, next: quote + 1, lines: field.split('\n').length - 1 };
    field += '"';
    from = quote + 2;
  }
}
