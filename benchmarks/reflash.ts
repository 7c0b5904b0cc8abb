/** What flashing again costs: only what changed crosses the line, what is right is skipped, a pulled cable is resumed. */
import pako from 'pako';
import {
  buildImage,
  demoImageSet,
  type FlashPlan,
  flash,
  type ImageSet,
  type NvsItem,
  type NvsRecipe,
  planFlash,
} from '../lib/esp/index.ts';
import { nodePlatform } from '../lib/esp/node.ts';
import { openLink } from '../lib/link/index.ts';
import { startChips } from './bench/chips.ts';
import { atMost, type Row, reported } from './bench/report.ts';
import { chipInSocket } from './bench/socket.ts';

const BAUD = 921_600;
const FLASH_BYTES = 4 << 20;
const APP_BYTES = 1_100_000;
const NVS = { offset: 0x9000, size: 0x6000 };
const PULLS = 50;
/** One MD5 exchange: a request of 24 bytes of header and data, an answer of 26, each between two ENDs. */
const MD5_EXCHANGE = 24 + 26 + 4;

export async function measure(): Promise<Row[]> {
  try {
    const pulled = await pullAtRandomBytes();
    return [
      atMost('wire_ratio', await wireRatio(), 'ratio', 1.05, 'computed: read + compressed write + MD5'),
      atMost('unchanged_seconds', await unchangedSeconds(), 's', 3, null),
      atMost('pull_rewritten', pulled.rewritten, 'ratio', 1, 'the largest region'),
      atMost('pull_noticed_ms', pulled.noticedMs, 'ms', 100, null),
      reported('pulls', pulled.pulls, 'pulls', null),
    ];
  } finally {
    await nodePlatform.close();
  }
}

/** Certificate, key and authority as they lie in NVS, of the usual sizes; another seed gives another device. */
function identity(seed: number): NvsItem[] {
  const text = (bytes: number) => pem(seed, bytes);
  return [
    { namespace: 'scadable_certs', key: 'cert', encoding: 'blob', value: text(1000) },
    { namespace: 'scadable_certs', key: 'key', encoding: 'blob', value: text(240) },
    { namespace: 'scadable_certs', key: 'ca', encoding: 'blob', value: text(1900) },
  ];
}

function pem(seed: number, size: number): Uint8Array {
  const random = randoms(seed + size);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return Uint8Array.from({ length: size }, (_, i) =>
    i % 65 === 64 ? 10 : alphabet.charCodeAt(Math.floor(random() * alphabet.length)),
  );
}

const wifi: NvsItem[] = [
  { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'bench network' },
  { namespace: 'wifi', key: 'pass', encoding: 'string', value: 'of no value to anybody' },
];

/** The provisioning layout with what belongs into it; `ota_0` too, so that most of the 4 MB is used. */
async function layout(recipe: NvsRecipe): Promise<FlashPlan> {
  const set = demoImageSet('esp32c3', 'ota', { size: APP_BYTES });
  const factory = buildImage({ kind: 'app', chip: 'ESP32-C3', project: 'bootstrap', size: APP_BYTES });
  const whole: ImageSet = {
    ...set,
    regions: [...set.regions, { offset: 0x20000, data: factory, name: 'factory', kind: 'app' }],
  };
  return await planFlash(whole, {
    platform: nodePlatform,
    force: ['DEMO_IMAGE'],
    nvs: [{ partition: 'nvs', recipe }],
  });
}

const plain = { scheme: 'none' } as const;

async function wireRatio(): Promise<number> {
  const bench = chipInSocket(new Uint8Array(FLASH_BYTES).fill(0xff));
  try {
    const { chip } = bench;
    const first = await layout({ mode: 'replace', items: [...wifi, ...identity(1)], encryption: plain });
    await flash(await bench.link(), first, { platform: nodePlatform, baudRate: BAUD });
    const plan = await layout({ mode: 'merge', items: identity(2), encryption: plain });
    let wire = Number.NaN;
    chip.on('trace', (text) => {
      if (text.startsWith('runs ')) chip.resetStats();
    });
    await flash(await bench.link(), plan, {
      platform: nodePlatform,
      baudRate: BAUD,
      onProgress: ({ phase }) => {
        const { toChip, toHost } = chip.stats().wireBytes;
        if (phase === 'reset' && Number.isNaN(wire)) wire = toChip + toHost;
      },
    });
    const written = chip.flash.subarray(NVS.offset, NVS.offset + NVS.size);
    const least = NVS.size + pako.deflate(written, { level: 9 }).length + plan.steps.length * MD5_EXCHANGE;
    return wire / least;
  } finally {
    await bench.close();
  }
}

async function unchangedSeconds(): Promise<number> {
  const chips = await startChips(1, 'timed');
  try {
    const plan = await layout({ mode: 'merge', items: [...wifi, ...identity(1)], encryption: plain });
    const run = async (): Promise<number> => {
      const link = await openLink(chips.addresses[0] as string, { owner: 'benchmark' });
      try {
        const result = await flash(link, plan, { platform: nodePlatform, baudRate: BAUD });
        return result.seconds;
      } finally {
        await link.close();
      }
    };
    await run();
    return await run();
  } finally {
    await chips.close();
  }
}

interface Pulled {
  readonly rewritten: number;
  readonly noticedMs: number;
  readonly pulls: number;
}

/** A cable pulled at random bytes of a flash of five regions. */
async function pullAtRandomBytes(): Promise<Pulled> {
  const plan = await fiveRegions();
  const largest = Math.max(...plan.steps.map(({ size }) => size));
  const whole = await pulledAt(plan, null);
  const random = randoms(50);
  let [rewritten, noticedMs, pulls] = [0, 0, 0];
  for (let i = 0; i < PULLS; i++) {
    const one = await pulledAt(plan, Math.floor(random() * whole.toChip));
    rewritten = Math.max(rewritten, (one.programmed - whole.programmed) / largest);
    noticedMs = Math.max(noticedMs, one.noticedMs);
    pulls += one.pulls;
  }
  return { rewritten, noticedMs, pulls };
}

async function fiveRegions(): Promise<FlashPlan> {
  const set = demoImageSet('esp32c3', 'ota', { size: 500_000 });
  const factory = buildImage({ kind: 'app', chip: 'ESP32-C3', project: 'bootstrap', size: 0x20000 });
  const five: ImageSet = {
    ...set,
    regions: [...set.regions, { offset: 0x20000, data: factory, name: 'factory', kind: 'app' }],
  };
  return await planFlash(five, { platform: nodePlatform, force: ['DEMO_IMAGE'] });
}

/** Bytes that the flash was programmed with, as the chip counts them, and what a pull cost. */
async function pulledAt(
  plan: FlashPlan,
  at: number | null,
): Promise<{ programmed: number; toChip: number; noticedMs: number; pulls: number }> {
  const bench = chipInSocket(new Uint8Array(FLASH_BYTES).fill(0x11));
  const { chip, socket, target } = bench;
  let [programmed, pulledSince, noticedMs, pulls] = [0, 0, 0, 0];
  chip.on('flash', ({ offset, size }) => {
    // An erase leaves nothing but 0xFF; no page of these images is blank.
    if (chip.flash.subarray(offset, offset + size).some((byte) => byte !== 0xff)) programmed += size;
  });
  chip.on('pull', () => {
    pulls++;
    pulledSince = performance.now();
    setTimeout(() => socket.plug(), 20);
  });
  if (at !== null) chip.setFault({ kind: 'pull', at });
  try {
    await flash(target, plan, {
      platform: nodePlatform,
      baudRate: BAUD,
      resume: {
        onLost: () => {
          noticedMs = performance.now() - pulledSince;
        },
      },
    });
    for (const { offset, data, name } of plan.steps) {
      if (data === undefined || Buffer.compare(chip.flash.subarray(offset, offset + data.length), data) === 0) continue;
      throw new Error(`"${name}" is not there after the cable was pulled at byte ${at}.`);
    }
    return { programmed, toChip: chip.stats().wireBytes.toChip, noticedMs, pulls };
  } finally {
    await bench.close();
  }
}

/** Numbers from 0 to 1, the same in every run. */
function randoms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
