import assert from 'node:assert/strict';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import {
  buildNvs,
  formatNvsCsv,
  looksLikeNvs,
  mergeNvs,
  type NvsEntry,
  parseNvs,
  parseNvsCsv,
} from '../../../../lib/esp/nvs/index.ts';
import { FUZZ_TIMEOUT, fuzzAsync, mutate, mutateText, type Random } from '../formats/fuzz.ts';
import { Device } from './device.ts';
import { blank, PAGE, repair } from './forge.ts';
import { byName, csv, file, image, keys, SAMPLES } from './samples.ts';

/** What a chip made of a partition at run time: updates, erasures, a page that was freed. */
function used(): Uint8Array {
  const device = new Device(0x3000);
  for (let round = 0; round < 30; round++) {
    const namespace = round % 3 === 0 ? 'wifi' : 'app';
    device.set({ namespace, key: 'count', encoding: 'u32', value: round });
    device.set({ namespace, key: 'text', encoding: 'string', value: 'x'.repeat(round * 4) });
    device.set({ namespace, key: 'blob', encoding: 'blob', value: new Uint8Array(round * 20).fill(round) });
  }
  return device.flash;
}

const images = [image('scalars'), image('boundary'), image('bigblob'), used()].map((whole) =>
  whole.subarray(0, 0x3000),
);

/** Changes heads, bitmaps and headers rather than what blobs hold, and never the length. */
function damage(whole: Uint8Array, random: Random): Uint8Array {
  const out = whole.slice();
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const page = random.below(2) * PAGE;
    const kind = random.below(6);
    const place =
      kind === 0
        ? random.below(32)
        : kind === 1
          ? 32 + random.below(32)
          : 64 + random.below(24) * 32 + random.below(32);
    out.set(mutate(out.subarray(page + place, page + place + 4), random).subarray(0, 4), page + place);
  }
  return out;
}

describe('NVS, fuzzed', () => {
  it('image: reads or refuses with a place, and what it reads it can write', async () => {
    let read = 0;
    let refused = 0;
    const make = (random: Random, run: number): Uint8Array => {
      if (run % 8 === 0) return mutate(random.bytes(random.below(256)), random);
      if (run % 8 === 1) return mutate(random.pick(images), random);
      const broken = damage(random.pick(images), random);
      return run % 8 < 7 ? repair(broken) : broken;
    };
    await fuzzAsync(make, async (bytes) => {
      looksLikeNvs(bytes);
      const content = await parseNvs(bytes, { platform }).catch((error: unknown) => {
        if (isKeywayError(error)) assert.equal(typeof error.detail?.offset, 'number', error.message);
        refused++;
        throw error;
      });
      read++;
      // Old firmware's twins, a NUL within a string and the like are read, kept and merged, but not built anew.
      const items: NvsEntry[] = [{ namespace: 'fuzz', key: 'k', encoding: 'u8', value: 1 }];
      const merged = await mergeNvs(bytes, { items }, { platform });
      const { entries } = await parseNvs(merged.bytes, { platform });
      const kept = content.entries.filter(({ namespace }) => namespace !== 'fuzz');
      assert.deepEqual(byName(entries), byName([...kept, ...items]));
    });
    assert.ok(read > 0 && refused > 0, `${read} read, ${refused} refused`);
  });

  it('encrypted image: reads or refuses', async () => {
    // Few entries, since each is deciphered in every run.
    const entries: NvsEntry[] = [
      { namespace: 'a', key: 'number', encoding: 'u32', value: 1 },
      { namespace: 'a', key: 'text', encoding: 'string', value: 'some text that takes two entries' },
      { namespace: 'b', key: 'blob', encoding: 'blob', value: blank(40) },
    ];
    const whole = await buildNvs(entries, { size: 0x3000, platform, keys });
    await fuzzAsync(
      (random) => damage(whole, random),
      async (bytes) => {
        await parseNvs(bytes, { platform, keys });
      },
    );
  });

  it('CSV: reads or refuses with a line, and what it reads it can write', async () => {
    let read = 0;
    const texts = SAMPLES.filter((sample) => sample !== 'boundary').map(csv);
    const alphabet = 'key,type data#"\n\r:u8;0xFF=blob_fill()namespace';
    const noise = (random: Random): string =>
      Array.from({ length: random.below(120) }, () => alphabet[random.below(alphabet.length)]).join('');
    const make = (random: Random, run: number): string => {
      if (run % 4 === 0) return noise(random);
      if (run % 4 === 1) return `key,type,encoding,value\nn,namespace,,\n${noise(random)}`;
      return mutateText(random.pick(texts), random);
    };
    const load = async (path: string): Promise<Uint8Array> =>
      path.endsWith('.pem') ? file('identity', 'ca.pem') : blank(50);
    await fuzzAsync(make, async (text) => {
      const entries = await parseNvsCsv(text, load).catch((error: unknown) => {
        if (isKeywayError(error)) assert.equal(typeof error.detail?.line, 'number', error.message);
        throw error;
      });
      read++;
      await buildNvs(entries, { size: 0x8000, platform });
      const again = await parseNvsCsv(formatNvsCsv(entries), load);
      assert.deepEqual(byName(again), byName(entries));
    });
    assert.ok(read > 0, 'some of the mutated texts are still CSV');
  });
}).timeout(FUZZ_TIMEOUT);
