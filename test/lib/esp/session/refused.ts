import assert from 'node:assert/strict';
import { isKeywayError, type KeywayError } from '../../../../lib/errors/index.ts';

/** Waits for a coded error and hands it on. */
export async function refused(code: string, work: Promise<unknown>): Promise<KeywayError> {
  try {
    await work;
  } catch (error) {
    assert.ok(isKeywayError(error, code), `${code} expected, got ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: `${code} expected, but it succeeded` });
}
