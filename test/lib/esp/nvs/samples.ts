import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeNvsKeys, type NvsEntry, type NvsKeys, parseNvsCsv } from '../../../../lib/esp/nvs/index.ts';

const DATA = new URL('../../../data/nvs/', import.meta.url);

export const SIZES = {
  scalars: 0x4000,
  identity: 0x6000,
  bigblob: 0x8000,
  boundary: 0x4000,
  encrypted: 0x6000,
} as const;
export type Sample = keyof typeof SIZES;
export const SAMPLES = Object.keys(SIZES) as Sample[];

export const file = (sample: Sample, name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`${sample}/${name}`, DATA)));

export const image = (sample: Sample): Uint8Array =>
  file(sample, sample === 'encrypted' ? 'encrypted.bin' : 'plain.bin');

export const csv = (sample: Sample): string => new TextDecoder().decode(file(sample, 'input.csv'));

export const entriesOf = (sample: Sample): Promise<NvsEntry[]> =>
  parseNvsCsv(csv(sample), async (path) => file(sample, path));

/** Those of the encrypted sample. */
export const keys: NvsKeys = decodeNvsKeys(file('encrypted', 'nvs_keys.bin'));

/** Keys for tests that differ by `seed`. */
export const testKeys = (seed = 1): NvsKeys => ({
  encryption: Uint8Array.from({ length: 32 }, (_, i) => i * 3 + seed),
  tweak: Uint8Array.from({ length: 32 }, (_, i) => i * 5 + seed + 100),
});

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 15 })
  .filter((text) => new TextEncoder().encode(text).length <= 15 && !text.includes('\0'));

const integers = (['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64'] as const).map((encoding) => {
  const bits = BigInt(encoding.slice(1));
  const [min, max] = encoding.startsWith('i')
    ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n]
    : [0n, (1n << bits) - 1n];
  const big = fc.bigInt({ min, max });
  return fc.record({ encoding: fc.constant(encoding), value: bits === 64n ? big : big.map(Number) });
});

const value = fc.oneof(
  ...integers,
  fc.record({
    encoding: fc.constant('string' as const),
    value: fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 80 }).map((text) => text.replaceAll('\0', '')),
      fc.integer({ min: 0, max: 3999 }).map((length) => 'x'.repeat(length)),
    ),
  }),
  fc.record({
    encoding: fc.constant('blob' as const),
    value: fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.integer({ min: 0, max: 9000 }).map((length) => Uint8Array.from({ length }, (_, i) => i)),
    ),
  }),
);

/** Entries that can be stored, no key twice. */
export const anyEntries: fc.Arbitrary<NvsEntry[]> = fc
  .tuple(
    fc.uniqueArray(name, { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(), name, value), { maxLength: 30 }),
  )
  .map(([namespaces, rows]) => {
    const seen = new Set<string>();
    return rows.flatMap(([pick, key, rest]): NvsEntry[] => {
      const namespace = namespaces[pick % namespaces.length] as string;
      const id = JSON.stringify([namespace, key]);
      if (seen.has(id)) return [];
      seen.add(id);
      return [{ namespace, key, ...rest }];
    });
  });

/** Entries by namespace and key, for comparing without order. */
export const byName = (entries: readonly NvsEntry[]): Map<string, NvsEntry> =>
  new Map(
    entries
      // A plain object, whatever prototype a generated one has.
      .map((entry) => [`${entry.namespace}/${entry.key}/${entry.encoding}`, { ...entry }] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
