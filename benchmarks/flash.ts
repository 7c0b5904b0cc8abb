/** How near flashing comes to what the line allows, beside esptool-js on the same line in the same run. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { buildImage, flash, type ImageSet, planFlash } from '../lib/esp/index.ts';
import { nodePlatform } from '../lib/esp/node.ts';
import { openLink } from '../lib/link/index.ts';
import type { LineStats } from '../lib/virtual/index.ts';
import { type Chips, startChips } from './bench/chips.ts';
import { flashWithEsptoolJs } from './bench/esptool-js.ts';
import { idealOf } from './bench/ideal.ts';
import { atMost, type Row, reported } from './bench/report.ts';

const BAUD = 921_600;
const OFFSET = 0x10000;
const IMAGE_BYTES = 1_200_000;
const MANY = 8;

const image = buildImage({ kind: 'app', chip: 'ESP32-C3', project: 'benchmark', version: '1', size: IMAGE_BYTES });
const set: ImageSet = {
  name: 'benchmark',
  source: 'built',
  regions: [{ offset: OFFSET, data: image, name: 'app', kind: 'app' }],
  erase: [],
};

export async function measure(): Promise<Row[]> {
  const ideal = idealOf(image);
  const idealMs = (ideal.wireBytes * 10 * 1000) / BAUD;
  const chips = await startChips(MANY);
  try {
    // Connecting once warms up both processes; compressing is done before the line is, once for all boards.
    await flashOurs(chips, 1);
    const delays = monitorEventLoopDelay({ resolution: 10 });
    delays.enable();
    const one = await flashOurs(chips, 1);
    const many = await flashOurs(chips, MANY);
    delays.disable();
    const theirs = await flashTheirs(chips);
    const ratio = (stats: LineStats | undefined) => duration(stats) / idealMs;
    const peer = ideal.packer;
    return [
      atMost('line_ratio', ratio(one[0]), 'ratio', 1.03, peer),
      reported('line_ratio_esptool_js', ratio(theirs[0]), 'ratio', 'esptool-js 0.7.0'),
      atMost('line_ratio_8', Math.max(...many.map(ratio)), 'ratio', 1.05, peer),
      atMost('loop_p99_ms', delays.percentile(99) / 1e6, 'ms', 20, null),
      atMost('turnaround_ms', one[0]?.turnaround.median ?? Number.POSITIVE_INFINITY, 'ms', 1, null),
    ];
  } finally {
    await chips.close();
    await nodePlatform.close();
  }
}

/** From the first FLASH_DEFL_BEGIN to the last MD5 reply, as the chip saw it, in ms. */
function duration(stats: LineStats | undefined): number {
  if (stats?.flashFrom == null || stats.flashTo === null) return Number.POSITIVE_INFINITY;
  return stats.flashTo - stats.flashFrom;
}

async function flashOurs(chips: Chips, count: number): Promise<readonly LineStats[]> {
  await chips.reset();
  const plan = await planFlash(set, { platform: nodePlatform, force: ['DEMO_IMAGE'] });
  await Promise.all(
    chips.addresses.slice(0, count).map(async (address) => {
      const link = await openLink(address, { owner: 'benchmark' });
      try {
        await flash(link, plan, { platform: nodePlatform, baudRate: BAUD });
      } finally {
        await link.close();
      }
    }),
  );
  return (await chips.stats()).slice(0, count);
}

async function flashTheirs(chips: Chips): Promise<readonly LineStats[]> {
  await chips.reset();
  const link = await openLink(chips.addresses[0] as string, { owner: 'benchmark' });
  try {
    await flashWithEsptoolJs(link, image, OFFSET, BAUD);
  } finally {
    await link.close();
  }
  return await chips.stats();
}
