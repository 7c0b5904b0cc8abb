import { fail } from './errors.ts';

/** Reads a value that came from the other side. `at` is its place, for the message. @throws BAD_MESSAGE */
export type Check<T> = (value: unknown, at: string) => T;

/** What a check makes of a value. */
export type Checked<C> = C extends Check<infer T> ? T : never;

type OptionalKey<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];
/** One check a field. */
export type Fields<T> = { readonly [K in keyof T]-?: Check<Exclude<T[K], undefined>> };

const SHOWN = 60;

/** @param wanted "a whole number from 0 to 126" */
export function wrong(at: string, value: unknown, wanted: string): Error {
  const shown = show(value);
  return fail('BAD_MESSAGE', `${at} is ${shown}, where ${wanted} is expected.`, {
    hint: 'The two sides may be of different versions: update both.',
    detail: { field: at, value: shown },
  });
}

function show(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return `"${value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value}"`;
  if (typeof value === 'object') return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
  return String(value);
}

export const whole =
  (least: number, most: number): Check<number> =>
  (value, at) => {
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw wrong(at, value, `a whole number from ${least} to ${most}`);
  };

/** A number that may have a fraction. */
export const between =
  (least: number, most: number): Check<number> =>
  (value, at) => {
    if (typeof value === 'number' && value >= least && value <= most) return value;
    throw wrong(at, value, `a number from ${least} to ${most}`);
  };

export const flag: Check<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value;
  throw wrong(at, value, 'true or false');
};

const CONTROL = /[\p{Cc}\p{Cs}\u2028\u2029]/u;

/** A text of `least` to `most` UTF-16 units without control characters. */
export const text =
  (least: number, most: number): Check<string> =>
  (value, at) => {
    if (typeof value === 'string' && value.length >= least && value.length <= most && !CONTROL.test(value))
      return value;
    throw wrong(at, value, `a text of ${least} to ${most} characters`);
  };

/** What people read: it is clipped, and what would break a line becomes a blank, rather than a link be ended by it. */
export const prose =
  (most: number): Check<string> =>
  (value, at) => {
    if (typeof value === 'string') return value.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, ' ').slice(0, most);
    throw wrong(at, value, 'a text');
  };

/** A text of one form. */
export const like =
  (pattern: RegExp, wanted: string): Check<string> =>
  (value, at) => {
    if (typeof value === 'string' && value.length <= 256 && pattern.test(value)) return value;
    throw wrong(at, value, wanted);
  };

export const oneOf =
  <const T extends string | number | boolean>(values: readonly T[]): Check<T> =>
  (value, at) => {
    if ((values as readonly unknown[]).includes(value)) return value as T;
    throw wrong(at, value, `one of ${values.join(', ')}`);
  };

export const nullOr =
  <T>(check: Check<T>): Check<T | null> =>
  (value, at) =>
    value === null ? null : check(value, at);

export const either =
  <A, B>(first: Check<A>, isFirst: (value: unknown) => boolean, second: Check<B>): Check<A | B> =>
  (value, at) =>
    isFirst(value) ? first(value, at) : second(value, at);

export const list =
  <T>(check: Check<T>, most: number, least = 0): Check<readonly T[]> =>
  (value, at) => {
    if (!Array.isArray(value) || value.length < least || value.length > most) {
      throw wrong(at, value, `a list of ${least} to ${most}`);
    }
    return value.map((one: unknown, i) => check(one, `${at}[${i}]`));
  };

function fieldsOf(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(at, value, 'an object');
}

function read<T extends object>(fields: Fields<T>, optional: readonly OptionalKey<T>[]): Check<T> {
  const checks = Object.entries(fields) as [string, Check<unknown>][];
  const free = new Set<PropertyKey>(optional);
  return (value, at) => {
    const given = fieldsOf(value, at);
    const out: Record<string, unknown> = {};
    for (const [name, check] of checks) {
      const has = Object.hasOwn(given, name);
      if (!has && free.has(name)) continue;
      out[name] = check(has ? given[name] : undefined, at === '' ? name : `${at}.${name}`);
    }
    return out as T;
  };
}

/** An object. Fields that are not known are left out: a later version may have more to tell. */
export const open = <T extends object>(fields: Fields<T>, optional: readonly OptionalKey<T>[] = []): Check<T> =>
  read(fields, optional);

/** An object of a request. A field that is not known is refused: what it asks for would not be done. */
export function closed<T extends object>(fields: Fields<T>, optional: readonly OptionalKey<T>[] = []): Check<T> {
  const check = read(fields, optional);
  return (value, at) => {
    for (const name of Object.keys(fieldsOf(value, at))) {
      if (!Object.hasOwn(fields, name)) {
        throw wrong(at === '' ? name.slice(0, SHOWN) : `${at}.${name.slice(0, SHOWN)}`, 'given', 'no such field');
      }
    }
    return check(value, at);
  };
}

/** What JSON can hold, to a depth; for facts that are shown and not acted upon. */
export const facts =
  (depth: number): Check<unknown> =>
  (value, at) => {
    if (value === null || typeof value !== 'object') return value;
    if (depth === 0) throw wrong(at, value, 'no more depth');
    const inner = facts(depth - 1);
    if (Array.isArray(value)) return value.map((one: unknown, i) => inner(one, `${at}[${i}]`));
    const pairs = Object.entries(value).filter(([name]) => name !== '__proto__');
    return Object.fromEntries(pairs.map(([name, one]) => [name, inner(one, `${at}.${name.slice(0, SHOWN)}`)]));
  };
