import type { Link } from '../../../../lib/link/index.ts';

/** Collects what a link receives; `bytes(n)` resolves when there are n. */
export function collect(link: Link): { bytes(count: number): Promise<Buffer> } {
  let got = Buffer.alloc(0);
  let wake = (): void => undefined;
  link.onData((chunk) => {
    got = Buffer.concat([got, chunk]);
    wake();
  });
  return {
    async bytes(count) {
      while (got.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return got;
    },
  };
}

/** Resolves with the error with which a link ends. */
export function endOf(link: Link): Promise<Error | undefined> {
  return new Promise((resolve) => link.onClose(resolve));
}

/** The error that a promise rejects with. @throws when it does not. */
export async function failure(work: Promise<unknown>): Promise<Error & { code?: string; hint?: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('It was expected to fail, and did not.');
}
