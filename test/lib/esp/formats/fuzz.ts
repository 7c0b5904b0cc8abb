import assert from 'node:assert/strict';
import { KeywayError } from '../../../../lib/errors/index.ts';

/** Inputs a test: KEYWAY_FUZZ, else 2000. */
export const FUZZ_RUNS = Number(process.env.KEYWAY_FUZZ ?? 2000);
/** Milliseconds a test may take: 20 s, and a millisecond an input on a busy machine. */
export const FUZZ_TIMEOUT = 20000 + FUZZ_RUNS;
/** Where the generator starts: KEYWAY_FUZZ_SEED, else always the same. */
const SEED = Number(process.env.KEYWAY_FUZZ_SEED ?? 20261122);

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 … 2³² − 1 */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** 0 … below − 1 */
  below(below: number): number {
    return this.word() % below;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.word() >>> 24);
  }
}

const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0xc0, 0xdb, 0xe9, 0xaa, 0xeb];

/** A copy of the bytes with one to four changes: flips, edge values, cuts, repeats, insertions. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(Math.max(1, out.length));
    const kind = random.below(16);
    if (kind < 7 && out.length > 0) out[at] = (out[at] as number) ^ (1 << random.below(8));
    else if (kind < 12 && out.length > 0) out.fill(random.pick(EDGES), at, at + 1 + random.below(4));
    else if (kind === 12) out = out.slice(0, at);
    else if (kind === 13) out = join(out.subarray(0, at), random.bytes(random.below(8)), out.subarray(at));
    else if (kind === 14) out = join(out.subarray(0, at), out.subarray(at + 1 + random.below(40)));
    else out = join(out, out.subarray(at, at + 64));
  }
  return out;
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A copy of the text with one to three changes. */
export function mutateText(text: string, random: Random): string {
  const scraps = [
    '"',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '-',
    '0x',
    '\0',
    '\u2028',
    'null',
    '../',
    'http://x/',
    '1e400',
    '\n',
    '#',
    'M',
    ' ',
  ];
  let out = text;
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(out.length + 1);
    const kind = random.below(3);
    if (kind === 0) out = out.slice(0, at) + random.pick(scraps) + out.slice(at);
    else if (kind === 1) out = out.slice(0, at) + out.slice(at + 1 + random.below(6));
    else out = out.slice(0, at) + String.fromCharCode(random.below(0x180)) + out.slice(at + 1);
  }
  return out;
}

/** Runs `one` with FUZZ_RUNS inputs; an error that is none of ours fails the test and names the run. */
export function fuzz<T>(make: (random: Random, run: number) => T, one: (input: T) => void, runs = FUZZ_RUNS): void {
  const random = new Random(SEED);
  for (let run = 0; run < runs; run++) {
    const input = make(random, run);
    try {
      one(input);
    } catch (error) {
      if (!(error instanceof KeywayError)) report(error, input, run);
    }
  }
}

export async function fuzzAsync<T>(
  make: (random: Random, run: number) => T,
  one: (input: T) => Promise<unknown>,
): Promise<void> {
  const random = new Random(SEED);
  for (let run = 0; run < FUZZ_RUNS; run++) {
    const input = make(random, run);
    try {
      await one(input);
    } catch (error) {
      if (!(error instanceof KeywayError)) report(error, input, run);
    }
  }
}

function report(error: unknown, input: unknown, run: number): never {
  const shown = input instanceof Uint8Array ? Buffer.from(input).toString('hex').slice(0, 2000) : JSON.stringify(input);
  assert.fail(`run ${run} of seed ${SEED}: ${error instanceof Error ? error.stack : String(error)}\ninput: ${shown}`);
}
