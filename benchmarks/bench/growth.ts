/** Whether the registry answers as fast with a million devices in it as with a thousand. */
import { randomInt } from 'node:crypto';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NewDevice, openSqliteRegistry, type Registry, type Sealer } from '../../lib/registry/index.ts';
import { atLeast, median, type Row, reported } from './report.ts';

const SMALL = 1_000;
const LARGE = 1_000_000;
/** Requests in flight, as many devices at once would send them. */
const IN_FLIGHT = 64;
const LOOKUPS = 20_000;
const INSERTS = 4_000;
/** Odd: the median is one of them. */
const ROUNDS = 7;
const WARM_UP = 120_000;
const BAR = 0.85;
const NAMESPACE = 'benchmark';

/** What was measured of each round, in answered requests a second. */
type Rates = Record<'lookup' | 'insert', { small: number[]; large: number[] }>;

/**
 * The rows `lookup_growth` and `insert_growth`: answered requests a second at 1,000,000 devices ÷ at 1,000. Rounds on
 * the small and on the large registry take turns, each on one that was opened anew and warmed up; the small one is put
 * back before each, as it would grow.
 */
export async function measureGrowth(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'keyway-registry-'));
  const rates: Rates = { lookup: { small: [], large: [] }, insert: { small: [], large: [] } };
  try {
    for (const size of [SMALL, LARGE]) await fill(join(folder, `${size}.db`), size);
    for (let round = 0; round < ROUNDS; round++) {
      const path = join(folder, `round-${round}.db`);
      for (const end of ['', '.revoked']) await copyFile(join(folder, `${SMALL}.db${end}`), `${path}${end}`);
      await measureRound(rates, 'small', path, SMALL, round);
      await measureRound(rates, 'large', join(folder, `${LARGE}.db`), LARGE, round);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return [
    growth('lookup_growth', rates.lookup),
    growth('insert_growth', rates.insert),
    reported('lookup_rate', median(rates.lookup.large), 'requests/s at 1,000,000', null),
    reported('insert_rate', median(rates.insert.large), 'requests/s at 1,000,000', null),
  ];
}

async function measureRound(
  rates: Rates,
  which: 'small' | 'large',
  path: string,
  size: number,
  round: number,
): Promise<void> {
  const registry = await openSqliteRegistry({ path, keystore });
  try {
    await inFlight(WARM_UP, () => lookUp(registry, size));
    rates.lookup[which].push(await rate(LOOKUPS, () => lookUp(registry, size)));
    const from = LARGE + round * INSERTS;
    rates.insert[which].push(await rate(INSERTS, (i) => registry.addDevice(deviceOf(from + i))));
  } finally {
    await registry.close();
  }
}

/** The two of a round are measured close together: what else the machine does slows both. */
function growth(measure: string, { small, large }: { small: number[]; large: number[] }): Row {
  const ratios = large.map((rate, round) => rate / (small[round] ?? Number.NaN));
  return atLeast(measure, median(ratios), 'ratio', BAR, 'the same registry with 1,000 devices');
}

/** The benchmark measures the store, not the keystore. */
const keystore: Sealer = { seal: (_purpose, bytes) => bytes.slice(), unseal: (_purpose, bytes) => bytes.slice() };

async function fill(path: string, size: number): Promise<void> {
  const registry = await openSqliteRegistry({ path, keystore });
  try {
    await registry.putNamespace({ name: NAMESPACE, settings: {} });
    for (let from = 0; from < size; from += 50_000) {
      const count = Math.min(50_000, size - from);
      await registry.importDevices(Array.from({ length: count }, (_, i) => deviceOf(from + i)));
    }
  } finally {
    await registry.close();
  }
}

/** Chips come on reels, and a reel has MACs of one range (four a chip), taken from it in no order. Names count up. */
function deviceOf(index: number): NewDevice {
  return { namespace: NAMESPACE, mac: macOf(index), name: `unit-${String(index).padStart(8, '0')}` };
}

const REEL = 5_000;

function macOf(index: number): string {
  // A reel's range lies anywhere; the ranges of two reels do not overlap: 2^15 addresses each.
  const range = (Math.floor(index / REEL) * 7919) % 2 ** 25;
  const chip = ((index % REEL) * 1237) % REEL;
  return `02${(range * 2 ** 15 + chip * 4).toString(16).padStart(10, '0')}`;
}

async function lookUp(registry: Registry, size: number): Promise<void> {
  const found = await registry.device({ namespace: NAMESPACE, mac: macOf(randomInt(size)) });
  if (found === undefined) throw new Error('A device that was put in is not found.');
}

async function rate(count: number, ask: (index: number) => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await inFlight(count, ask);
  return (count / (performance.now() - begin)) * 1000;
}

async function inFlight(count: number, ask: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await ask(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}
