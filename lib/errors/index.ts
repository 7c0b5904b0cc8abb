/**
 * The one error of the package. `code` is a stable SCREAMING_SNAKE word, an own property, so that a Catch node
 * sees it as `msg.error.code`. The message says what happened and with which value; `hint` says what to do.
 * Neither ever carries a secret.
 */
export class KeywayError extends Error {
  readonly code: string;
  readonly hint?: string;
  /** Facts for programs: the field that was wrong, its value, how far a partial operation came. Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: KeywayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KeywayError';
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
    if (options.detail !== undefined) this.detail = options.detail;
  }
}

/** What an error may carry beside its code and message. */
export interface KeywayErrorOptions {
  hint?: string;
  cause?: unknown;
  detail?: Readonly<Record<string, unknown>>;
}

/** The codes that one area can raise, each with one line on what it means. */
export type ErrorTable = Readonly<Record<string, string>>;

/**
 * Binds an area's table of codes to a maker of errors, so that a code nobody documented does not compile.
 *
 * @example const fail = errorMaker(linkErrors); throw fail('PORT_BUSY', `${path} is held by ${owner}.`);
 */
export function errorMaker<T extends ErrorTable>(
  _table: T,
): (code: keyof T & string, message: string, options?: KeywayErrorOptions) => KeywayError {
  return (code, message, options) => new KeywayError(code, message, options);
}

/** Whether `error` is ours, optionally with one of the given codes. */
export function isKeywayError(error: unknown, ...codes: string[]): error is KeywayError {
  return error instanceof KeywayError && (codes.length === 0 || codes.includes(error.code));
}

/** The code of any error: ours, an errno of Node's, or `fallback`. */
export function codeOf(error: unknown, fallback = 'INTERNAL'): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return fallback;
}
