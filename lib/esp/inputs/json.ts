import { fail } from '../errors.ts';

/** Manifests are a few kilobytes; more than this is something else. */
const MAX_TEXT = 1 << 20;

const TOKEN =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

/** What may come next while reading JSON. */
type Expect = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' | 'nothing';

/** Where the first thing stands that is no JSON: an index into `text`. */
export function jsonErrorAt(text: string): number {
  const open: ('{' | '[')[] = [];
  let expect: Expect = 'value';
  TOKEN.lastIndex = 0;
  for (;;) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    const at = match ? TOKEN.lastIndex - match[0].trimStart().length : skipSpace(text, from);
    if (match === null) return at;
    const next = step(expect, match, open);
    if (next === null) return at;
    expect = next;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text[at] as string)) at++;
  return at;
}

function step(expect: Expect, [, mark, string, word]: RegExpExecArray, open: ('{' | '[')[]): Expect | null {
  const after = (): Expect => (open.length === 0 ? 'nothing' : ', or end');
  const wantsValue = expect === 'value' || expect === 'value or ]';
  const wantsKey = expect === 'key' || expect === 'key or }';
  if (string !== undefined) {
    if (wantsKey) return ':';
    return wantsValue ? after() : null;
  }
  if (word !== undefined) return wantsValue ? after() : null;
  if (mark === ':') return expect === ':' ? 'value' : null;
  if (mark === ',') {
    if (expect !== ', or end') return null;
    return open.at(-1) === '{' ? 'key' : 'value';
  }
  if (mark === '{' || mark === '[') {
    if (!wantsValue) return null;
    open.push(mark);
    return mark === '{' ? 'key or }' : 'value or ]';
  }
  const closes = mark === '}' ? '{' : '[';
  const may = expect === ', or end' || expect === (mark === '}' ? 'key or }' : 'value or ]');
  if (!may || open.at(-1) !== closes) return null;
  open.pop();
  return after();
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** An object, or null for anything else: arrays and null are no objects here. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** A coded error that names the file's kind, the field and the value. */
export function badManifest(what: string, field: string, value: unknown, problem: string, hint?: string): Error {
  return fail('BAD_MANIFEST', `${what}: ${problem}.`, {
    detail: { field, value },
    ...(hint === undefined ? {} : { hint }),
  });
}

/**
 * The object that a JSON text holds, or the object itself where somebody has parsed it already.
 * @param what how messages call it: "The manifest"
 * @throws BAD_MANIFEST with detail.line, detail.column and detail.position where the text is no JSON
 */
export function readJson(json: unknown, what: string): JsonObject {
  let value = json;
  if (typeof json === 'string') {
    if (json.length > MAX_TEXT) throw badManifest(what, 'text', json.length, `it has more than ${MAX_TEXT} characters`);
    const text = json.replace(/^\ufeff/, '');
    try {
      value = JSON.parse(text);
    } catch (cause) {
      const position = jsonErrorAt(text);
      const lines = text.slice(0, position).split('\n');
      const line = lines.length;
      const column = (lines.at(-1) ?? '').length + 1;
      const found = position < text.length ? `"${text.slice(position, position + 12)}"` : 'the end';
      throw fail(
        'BAD_MANIFEST',
        `${what} is no JSON: line ${line}, column ${column} has ${found} where it cannot be.`,
        {
          detail: { field: 'text', value: text.slice(position, position + 12), line, column, position },
          cause,
        },
      );
    }
  }
  const object = asObject(value);
  if (object === null) throw badManifest(what, 'text', typeof value, 'it holds no object');
  return object;
}
