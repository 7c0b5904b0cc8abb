import assert from 'node:assert/strict';
import {
  type ImageSet,
  readFileList,
  readFlasherArgs,
  readMergedImage,
  readWebToolsManifest,
} from '../../../../lib/esp/index.ts';
import { jsonErrorAt } from '../../../../lib/esp/inputs/json.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT, fuzz, fuzzAsync, mutate, mutateText, type Random } from '../formats/fuzz.ts';
import { demo } from './helpers.ts';

const WORDS = [
  null,
  0,
  -1,
  4096,
  1.5,
  '',
  'a.bin',
  '../a',
  'http://x',
  '0x1000',
  '0x10',
  true,
  [],
  {},
  'ESP32-C3',
  'ESP32',
  'cdc',
];
const manifest = {
  name: 'n',
  version: 'v',
  builds: [{ chipFamily: 'ESP32-C3', parts: [{ path: 'a.bin', offset: 4096 }] }],
};
const args = {
  flash_files: { '0x1000': 'a.bin' },
  flash_settings: { flash_mode: 'dio' },
  extra_esptool_args: { chip: 'esp32c3' },
};
const list = [{ path: 'a.bin', offset: '0x1000' }];

/** A copy with some values, at any depth, replaced by others. */
function shake(value: unknown, random: Random): unknown {
  if (random.chance(8)) return random.pick(WORDS);
  if (Array.isArray(value)) return value.map((entry) => shake(entry, random));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      random.chance(12) ? String(random.pick(WORDS)) : key,
      shake(entry, random),
    ]),
  );
}

const load = async (path: string): Promise<Uint8Array> => {
  assert.ok(!/(^|\/)\.\.(\/|$)|^\/|:\/\/|\0/.test(path), `asked for ${path}`);
  return Uint8Array.of(1);
};

function check(set: ImageSet): void {
  assert.ok(set.regions.length > 0);
  for (const { offset, data } of set.regions) assert.ok(offset >= 0 && offset % 4096 === 0 && data.length > 0);
}

describe('inputs, fuzzed', () => {
  it('manifests', async () => {
    const make = (random: Random, run: number): unknown =>
      run % 2 === 0 ? shake(manifest, random) : mutateText(JSON.stringify(manifest), random);
    await fuzzAsync(make, async (json) => check(await readWebToolsManifest(json, 'esp32c3', load)));
  });

  it('flasher_args.json', async () => {
    const make = (random: Random, run: number): unknown =>
      run % 2 === 0 ? shake(args, random) : mutateText(JSON.stringify(args), random);
    await fuzzAsync(make, async (json) => check(await readFlasherArgs(json, load)));
  });

  it('file lists', async () => {
    const any = async (): Promise<Uint8Array> => Uint8Array.of(1);
    await fuzzAsync(
      (random) => shake(list, random),
      async (value) => check(await readFileList(value, any)),
    );
  });

  it('finds an error wherever JSON.parse does, and nowhere else', () => {
    const make = (random: Random): string => mutateText(JSON.stringify([manifest, -1.5e3, 'a\\"b']), random);
    fuzz(make, (text) => {
      let fails = false;
      try {
        JSON.parse(text);
      } catch {
        fails = true;
      }
      const at = jsonErrorAt(text);
      assert.ok(at >= 0 && at <= text.length);
      if (!fails) assert.equal(at, text.length);
    });
  });

  it('merged images', () => {
    const flash = new Uint8Array(0xb000).fill(0xff);
    for (const { offset, data } of demo.regions) if (offset < 0x9000) flash.set(data, offset);
    const make = (random: Random): Uint8Array => mutate(flash, random);
    fuzz(make, (bytes) => check(readMergedImage(bytes)), FUZZ_RUNS / 20);
  });
}).timeout(FUZZ_TIMEOUT);
