import { fail } from './errors.ts';
import type { Message, Red, RedNode } from './types.ts';

export interface NumberRules {
  min?: number;
  max?: number;
  /** What a blank field means; without it a blank field is an error. */
  blank?: number;
}

/**
 * A node's typed inputs, evaluated for one message. A field `x` is saved as `x` and `xType`; what its type says is
 * where its value comes from, and nothing else is looked at.
 */
export class Fields<C extends object> {
  readonly #red: Red;
  readonly #node: RedNode;
  readonly #config: Record<string, unknown>;
  readonly #msg: Message;
  readonly #where: string;

  constructor(red: Red, node: RedNode, config: C, msg: Message, where = '') {
    this.#red = red;
    this.#node = node;
    this.#config = config as Record<string, unknown>;
    this.#msg = msg;
    this.#where = where;
  }

  /** The typed inputs of a row of a table; `where` names it in errors: "entries[2]". */
  of<R extends object>(row: R, where: string): Fields<R> {
    return new Fields(this.#red, this.#node, row, this.#msg, `${where}.`);
  }

  /** The value, of whatever type; undefined when blank. @throws BAD_EXPRESSION */
  async value(field: keyof C & string): Promise<unknown> {
    const text = this.#config[field];
    const type = String(this.#config[`${field}Type`] ?? 'str');
    if (text === undefined || text === null) return undefined;
    switch (type) {
      case 'msg':
      case 'flow':
      case 'global':
      case 'env':
      case 'jsonata':
      case 'json':
      case 'bin':
      case 'bool':
        if (text === '') return undefined;
        return await this.#evaluate(field, String(text), type);
      default:
        // str, num and the lists of choices of our own: the text itself, read by whoever asks.
        return text === '' ? undefined : text;
    }
  }

  async text(field: keyof C & string): Promise<string | undefined> {
    const value = await this.value(field);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string' || typeof value === 'number') return String(value).trim();
    throw this.#bad(field, value, 'a text');
  }

  /** A whole number: decimal, 0x hexadecimal, or with K/KB, M/MB (powers of 1024). @throws BAD_FIELD */
  async number(field: keyof C & string, rules: NumberRules = {}): Promise<number> {
    const value = await this.value(field);
    if (value === undefined || value === null || value === '') {
      if (rules.blank !== undefined) return rules.blank;
      throw this.#bad(field, value, 'a number');
    }
    const number = typeof value === 'number' ? value : typeof value === 'string' ? parseSize(value) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw this.#bad(field, value, 'a whole number');
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = rules;
    if (number < min || number > max) throw this.#bad(field, value, `between ${min} and ${max}`);
    return number;
  }

  /** True, false, or their spellings. */
  async boolean(field: keyof C & string): Promise<boolean> {
    const value = await this.value(field);
    if (typeof value === 'boolean') return value;
    if (value === undefined || value === null || value === '') return false;
    if (value === 'true' || value === 'false') return value === 'true';
    throw this.#bad(field, value, 'true or false');
  }

  /** One of a fixed list of words. @throws BAD_FIELD */
  async choice<T extends string>(field: keyof C & string, choices: readonly T[]): Promise<T> {
    const value = await this.value(field);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw this.#bad(field, value, `one of ${choices.join(', ')}`);
    return found;
  }

  /** A list of words: an array, or a text with commas or spaces between. */
  async words(field: keyof C & string): Promise<string[]> {
    const value = await this.value(field);
    if (value === undefined || value === null) return [];
    const list = typeof value === 'string' ? value.split(/[\s,;]+/) : value;
    if (!Array.isArray(list)) throw this.#bad(field, value, 'a list of words');
    return list.map((word) => String(word)).filter((word) => word !== '');
  }

  /** Seconds as milliseconds; 0 when blank. Fractions are allowed. */
  async seconds(field: keyof C & string): Promise<number> {
    const value = await this.value(field);
    if (value === undefined || value === null || value === '') return 0;
    const seconds = Number(value);
    if (!Number.isFinite(seconds) || seconds < 0 || seconds > 86400) {
      throw this.#bad(field, value, 'between 0 and 86400 seconds');
    }
    return Math.round(seconds * 1000);
  }

  #evaluate(field: string, text: string, type: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const refuse = (cause: unknown): void =>
        reject(
          fail(
            'BAD_EXPRESSION',
            `The field "${this.#where}${field}" (${type}) cannot be evaluated: ${reasonOf(cause)}`,
            {
              cause,
              hint: 'Open the node and correct the field.',
              detail: { field: `${this.#where}${field}`, type },
            },
          ),
        );
      try {
        this.#red.util.evaluateNodeProperty(text, type, this.#node, this.#msg, (error, value) => {
          // A path through a property that is not there is a blank field, not a mistake.
          if (error && type === 'msg') resolve(undefined);
          else if (error) refuse(error);
          else resolve(value);
        });
      } catch (error) {
        refuse(error);
      }
    });
  }

  #bad(field: string, value: unknown, wanted: string): Error {
    const shown = value === undefined ? 'blank' : `${JSON.stringify(value)}`.slice(0, 60);
    return fail('BAD_FIELD', `The field "${this.#where}${field}" must be ${wanted}; it is ${shown}.`, {
      hint: 'Open the node and look where the field takes its value from.',
      detail: { field: `${this.#where}${field}` },
    });
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** "0x10000", "64K", "4MB", "4096" in bytes; NaN for anything else. */
export function parseSize(text: string): number {
  const trimmed = text.trim();
  if (/^0x[0-9a-f]+$/i.test(trimmed)) return Number.parseInt(trimmed, 16);
  const parts = /^(\d+)\s*(?:([km])(?:i?b)?|b)?$/i.exec(trimmed);
  if (parts === null) return Number.NaN;
  const unit = parts[2]?.toLowerCase();
  return Number(parts[1]) * (unit === 'm' ? 1024 * 1024 : unit === 'k' ? 1024 : 1);
}
