/** What identities cost: minting, enrolling, keeping a million devices, and the way into a chip. */
import { mintHttp } from './bench/enrol.ts';
import { measureGrowth } from './bench/growth.ts';
import { mintCore, mintPool } from './bench/mint.ts';
import type { Row } from './bench/report.ts';
import { identityRoundTrip } from './bench/round-trip.ts';

export async function measure(): Promise<Row[]> {
  return [
    ...(await mintCore()),
    ...(await mintPool()),
    ...(await mintHttp()),
    ...(await measureGrowth()),
    ...(await identityRoundTrip()),
  ];
}
