import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKeywayError } from '../../../lib/errors/index.ts';
import {
  buildImage,
  describePlan,
  type FlashPlan,
  flash,
  type ImageSet,
  planFlash,
  readFileList,
  readFlasherArgs,
  readWebToolsManifest,
} from '../../../lib/esp/index.ts';
import { loadImageSet } from '../../../lib/esp/node.ts';
import { type Link, openLink } from '../../../lib/link/index.ts';
import { VirtualChip, VirtualSocket } from '../../../lib/virtual/index.ts';
import { bootloader, bytes, imageSet, region, wholeSet } from './plan/sets.ts';
import { connecting, platform } from './session/bench.ts';

/** What must be in the way of a bad value: a code, and the field and the value it is about. */
interface Case {
  readonly code: string;
  readonly field: string | RegExp;
  readonly value: unknown;
  /** Makes the set, or throws. */
  readonly set?: () => ImageSet | Promise<ImageSet>;
  /** Changes the plan on its way to the chip. */
  readonly plan?: (plan: FlashPlan) => FlashPlan;
  /** The port; the socket of the bench when left out. */
  readonly port?: string | (() => string | Promise<string>);
  /** Whether the chip may be asked what it is before it is refused. */
  readonly asks?: true;
}

const nothing = async (): Promise<Uint8Array> => {
  throw new Error('no such file');
};
const empty = async (): Promise<Uint8Array> => new Uint8Array(0);
const s3 = buildImage({ kind: 'app', chip: 'ESP32-S3', size: 5000 });
const list = (entry: object) => readFileList([entry], nothing);
const stepsAt = (change: object) => (plan: FlashPlan) => ({
  ...plan,
  steps: plan.steps.map((step, i) => (i === 1 ? { ...step, ...change } : step)),
});

describe('bad input: refused with a code, the field and the value, before the first write', () => {
  let socket: VirtualSocket;
  let chip: VirtualChip;
  let folder: string;
  const closing: (() => Promise<unknown> | unknown)[] = [];

  beforeEach(async () => {
    socket = new VirtualSocket({ name: 'bad-input' });
    chip = new VirtualChip({ model: 'esp32c3', mac: '7c:df:a1:00:00:01', flash: new Uint8Array(4 << 20).fill(0x11) });
    socket.insert(chip);
    folder = await mkdtemp(join(tmpdir(), 'keyway-bad-'));
  });

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    socket.close();
    await rm(folder, { recursive: true, force: true });
  });

  const inFolder = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };

  const cases: Record<string, Case> = {
    'text that is no port': { code: 'BAD_ADDRESS', field: 'address', value: 'usb1', port: 'usb1' },
    'a serial port that is not there': {
      code: 'PORT_NOT_FOUND',
      field: 'address',
      value: '/dev/ttyKEYWAY9',
      port: '/dev/ttyKEYWAY9',
    },
    'a virtual port that is not there': {
      code: 'PORT_NOT_FOUND',
      field: 'address',
      value: 'virtual:nowhere',
      port: 'virtual:nowhere',
    },
    'a port server that is not there': {
      code: 'PORT_UNREACHABLE',
      field: 'address',
      value: /^rfc2217:\/\/127\.0\.0\.1:\d+$/,
      port: async () => `rfc2217://127.0.0.1:${await unusedPort()}`,
    },
    'a port in use': {
      code: 'PORT_BUSY',
      field: 'address',
      value: 'virtual:bad-input',
      port: async () => {
        const held = await openLink('virtual:bad-input', { owner: 'another flow' });
        closing.push(() => held.close());
        return 'virtual:bad-input';
      },
    },
    'an empty list of files': { code: 'EMPTY_INPUT', field: 'files', value: 0, set: () => readFileList([], nothing) },
    'an empty set': { code: 'EMPTY_PLAN', field: 'regions', value: 0, set: () => imageSet([]) },
    'an empty plan': { code: 'EMPTY_PLAN', field: 'steps', value: 0, plan: (plan) => ({ ...plan, steps: [] }) },
    'a plan without its bytes': {
      code: 'PLAN_WITHOUT_BYTES',
      field: /^steps\[\d\]\.data$/,
      value: 0,
      plan: describePlan,
    },
    'a plan cut short': {
      code: 'PLAN_WITHOUT_BYTES',
      field: 'steps[1].data',
      value: 9,
      plan: stepsAt({ action: 'write', data: bytes(9) }),
    },
    'a plan whose bytes are a list of numbers': {
      code: 'PLAN_WITHOUT_BYTES',
      field: 'steps[1].data',
      value: 0,
      // As it comes out of JSON: the right length, and no bytes.
      plan: stepsAt({ action: 'write', data: Array(4096).fill(7) as unknown as Uint8Array }),
    },
    'a plan moved by a byte': {
      code: 'BAD_OFFSET',
      field: 'steps[1].offset',
      value: 0x9001,
      plan: stepsAt({ offset: 0x9001 }),
    },
    'a plan that erases half a sector': {
      code: 'BAD_SIZE',
      field: 'steps[1].size',
      value: 2048,
      plan: stepsAt({ action: 'erase', size: 2048 }),
    },
    'a negative offset of a file': {
      code: 'BAD_OFFSET',
      field: 'files[0].offset',
      value: -4096,
      set: () => list({ path: 'a.bin', offset: -4096 }),
    },
    'an unaligned offset of a file': {
      code: 'BAD_OFFSET',
      field: 'files[0].offset',
      value: '0x10010',
      set: () => list({ path: 'a.bin', offset: '0x10010' }),
    },
    'a negative offset in a manifest': {
      code: 'BAD_OFFSET',
      field: 'builds[0].parts[0].offset',
      value: -1,
      set: () =>
        readWebToolsManifest(
          { builds: [{ chipFamily: 'ESP32-C3', parts: [{ path: 'a.bin', offset: -1 }] }] },
          undefined,
          nothing,
        ),
    },
    'an unaligned offset in flasher_args.json': {
      code: 'BAD_OFFSET',
      field: 'flash_files["0x10"]',
      value: '0x10',
      set: () => readFlasherArgs({ flash_files: { '0x10': 'a.bin' } }, nothing),
    },
    'an unaligned offset of bytes at hand': {
      code: 'BAD_OFFSET',
      field: 'regions[0].offset',
      value: 100,
      set: () => imageSet([region(100, bytes(9), 'x')]),
    },
    'a missing file': {
      code: 'FILE_MISSING',
      field: 'files[0].path',
      value: 'a.bin',
      set: () => loadImageSet({ kind: 'files', folder, files: [{ path: 'a.bin', offset: 0 }] }),
    },
    'a missing file of a manifest': {
      code: 'FILE_MISSING',
      field: 'builds[0].parts[0].path',
      value: 'a.bin',
      set: async () => {
        const manifest = { builds: [{ chipFamily: 'ESP32-C3', parts: [{ path: 'a.bin', offset: 0 }] }] };
        return loadImageSet({ kind: 'web-tools', path: await inFolder('manifest.json', JSON.stringify(manifest)) });
      },
    },
    'an empty file': {
      code: 'FILE_EMPTY',
      field: 'files[0].path',
      value: 'a.bin',
      set: async () => {
        await inFolder('a.bin', '');
        return loadImageSet({ kind: 'files', folder, files: [{ path: 'a.bin', offset: 0 }] });
      },
    },
    'an empty file of a build folder': {
      code: 'FILE_EMPTY',
      field: 'flash_files["0x10000"]',
      value: 'a.bin',
      set: () => readFlasherArgs({ flash_files: { '0x10000': 'a.bin' } }, empty),
    },
    'empty bytes': {
      code: 'EMPTY_REGION',
      field: 'regions[0].data',
      value: 0,
      set: () => imageSet([region(0x10000, bytes(0), 'x')]),
    },
    'images for two chips': {
      code: 'WRONG_CHIP',
      field: 's3.bin',
      value: 'ESP32-S3',
      set: () => imageSet([region(0, bootloader, 'b', 'bootloader'), region(0x20000, s3, 's3.bin', 'app')]),
    },
    'an image for another chip than the one on the port': {
      code: 'WRONG_CHIP',
      field: 'chip',
      value: 'ESP32-S3',
      set: () => imageSet([region(0x20000, s3, 's3.bin', 'app')]),
      asks: true,
    },
    'files over each other': {
      code: 'OVERLAP',
      field: 'regions',
      value: ['a', 'b'],
      set: () => imageSet([region(0x10000, bytes(0x1001), 'a'), region(0x11000, bytes(1), 'b')]),
    },
    'more than the bootloader is built for': {
      code: 'BEYOND_FLASH',
      field: 'x',
      value: 0x1000009,
      set: () => imageSet([region(0, bootloader, 'b', 'bootloader'), region(0x1000000, bytes(9), 'x')]),
    },
    'more than the flash of the chip on the port': {
      code: 'BEYOND_FLASH',
      field: 'x',
      value: 0x400009,
      set: () => imageSet([region(0x400000, bytes(9), 'x')]),
      asks: true,
    },
    'a manifest that is no JSON': {
      code: 'BAD_MANIFEST',
      field: 'text',
      value: '}',
      set: () => readWebToolsManifest('{"name": }', 'esp32c3', nothing),
    },
    'a manifest without builds': {
      code: 'BAD_MANIFEST',
      field: 'builds',
      value: 'undefined',
      set: () => readWebToolsManifest('{"name": "x"}', 'esp32c3', nothing),
    },
    'flasher_args.json that is no JSON': {
      code: 'BAD_MANIFEST',
      field: 'text',
      value: '',
      set: () => readFlasherArgs('{"flash_files": ', nothing),
    },
  };

  for (const [
    name,
    { code, field, value, set = wholeSet, plan: change = (plan: FlashPlan) => plan, port, asks },
  ] of Object.entries(cases)) {
    it(`${code}: ${name}`, async () => {
      const before = chip.flash.slice();
      const commands: string[] = [];
      const boots: string[] = [];
      chip.on('command', (command) => commands.push(command.name));
      chip.on('boot', ({ mode }) => boots.push(mode));
      let link: Link | undefined;
      try {
        // In the order of a flow: what is read, the plan, the port, the chip.
        const plan = change(await planFlash(await set(), { platform }));
        const address = typeof port === 'function' ? await port() : (port ?? 'virtual:bad-input');
        link = await openLink(address, { owner: 'test' });
        await flash(link, plan, connecting);
        assert.fail('it was taken');
      } catch (error) {
        if (!isKeywayError(error)) throw error;
        assert.equal(error.code, code);
        const detail = error.detail ?? {};
        if (field instanceof RegExp) assert.match(String(detail.field), field);
        else assert.equal(detail.field, field);
        if (value instanceof RegExp) assert.match(String(detail.value), value);
        else assert.deepEqual(detail.value, value);
      }
      await link?.close();
      assert.deepEqual(chip.flash, before, 'the flash is as it was');
      if (asks === undefined) assert.deepEqual([commands, boots.includes('download')], [[], false], 'nobody asked');
      else assert.ok(!commands.some((command) => /FLASH_|ERASE|MEM_/.test(command)), commands.join());
    });
  }
});

/** A port on which nobody listens. */
function unusedPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
