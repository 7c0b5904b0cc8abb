import { fail } from './errors.ts';

type Source = Readonly<Record<string, unknown>>;

/** One field of a profile that somebody typed or sent: read strictly, with errors that name it. */
export class Field {
  readonly #source: Source;
  readonly #prefix: string;

  constructor(source: Source, prefix = '') {
    this.#source = source;
    this.#prefix = prefix;
  }

  /** @throws BAD_PROFILE_FIELD for a field that is none of these. Its value is not shown: it may be a secret. */
  only(names: readonly string[]): void {
    const unknown = Object.keys(this.#source).find((name) => !names.includes(name));
    if (unknown === undefined) return;
    const field = `${this.#prefix}${unknown}`.slice(0, 60);
    throw fail('BAD_PROFILE_FIELD', `A provisioning profile has no field ${JSON.stringify(field)}.`, {
      hint: `Take it out. Keys and seeds never belong into a profile. Its fields are ${names.join(', ')}.`,
      detail: { field },
    });
  }

  text(name: string, most: number): string {
    const value = this.#source[name];
    const length = typeof value === 'string' ? [...value.trim()].length : 0;
    if (typeof value === 'string' && length >= 1 && length <= most && !/\p{C}|\p{Zl}|\p{Zp}/u.test(value.trim()))
      return value.trim();
    throw this.bad(name, `a text of 1 to ${most} characters without control characters`);
  }

  whole(name: string, least: number, most: number, blank?: number): number {
    const value = this.#source[name] ?? (this.has(name) ? null : blank);
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw this.bad(name, `a whole number from ${least} to ${most}`);
  }

  /** Above 0. */
  positive(name: string, most: number, blank: number): number {
    const value = this.has(name) ? this.#source[name] : blank;
    if (typeof value === 'number' && value > 0 && value <= most) return value;
    throw this.bad(name, `a number above 0, up to ${most}`);
  }

  flag(name: string, blank: boolean): boolean {
    const value = this.has(name) ? this.#source[name] : blank;
    if (typeof value === 'boolean') return value;
    throw this.bad(name, 'true or false');
  }

  choice<T>(name: string, choices: readonly T[], blank?: T): T {
    const value = this.has(name) ? this.#source[name] : blank;
    const found = choices.find((one) => one === value);
    if (found !== undefined) return found;
    throw this.bad(name, `one of ${choices.join(', ')}`);
  }

  list(name: string, most: number): readonly unknown[] {
    const value = this.has(name) ? this.#source[name] : [];
    if (Array.isArray(value) && value.length <= most) return value;
    throw this.bad(name, `a list of up to ${most}`);
  }

  /** Undefined when it is not there. */
  object(name: string): Field | undefined {
    const value = this.#source[name];
    if (!this.has(name)) return undefined;
    if (isObject(value)) return new Field(value, `${this.#prefix}${name}.`);
    throw this.bad(name, 'an object');
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#source, name) && this.#source[name] !== undefined;
  }

  bad(name: string, wanted: string, value: unknown = this.#source[name]): Error {
    const field = `${this.#prefix}${name}`;
    return fail('BAD_PROFILE_FIELD', `The field "${field}" of the profile must be ${wanted}; it is ${shown(value)}.`, {
      hint: 'Correct it; nothing was written.',
      detail: { field, value: simple(value) },
    });
  }
}

export function isObject(value: unknown): value is Source {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** For people: short, and never the inside of an object. */
function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value).slice(0, 60);
}

function simple(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  return shown(value);
}
