import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, demoImageSet } from '../../lib/esp/formats/index.ts';
import type { VirtualChipOptions } from '../../lib/virtual/index.ts';
import { noise } from '../lib/virtual/bench.ts';
import {
  commandPeer,
  findEsptool,
  Lanes,
  type LocalPeer,
  localPeer,
  type Peer,
  RUN_MS,
  runEsptool,
} from './esptool-chip.ts';

/** Runs of esptool beside each other. They sleep, but each needs the processor for its start. */
const AT_ONCE = 12;
const FLASH = 0x400000;

interface Family {
  readonly model: string;
  readonly name: string;
  /** What esptool calls the chip. */
  readonly type: RegExp;
  readonly features: RegExp;
  /** Chip id of GET_SECURITY_INFO; null where the chip does not know the command. */
  readonly chipId: number | null;
  readonly download: RegExp;
  readonly boot: RegExp;
}

const FAMILIES: readonly Family[] = [
  {
    model: 'esp32',
    name: 'ESP32',
    type: /Chip type: +ESP32-D0WD-V3 \(revision v3\.1\)/,
    features: /Features: +Wi-Fi, BT, Dual Core \+ LP Core, 240MHz, Coding Scheme None/,
    chipId: null,
    download: /boot:0x3 \(DOWNLOAD_BOOT/,
    boot: /boot:0x13 \(SPI_FAST_FLASH_BOOT\)/,
  },
  {
    model: 'esp32s3',
    name: 'ESP32-S3',
    type: /Chip type: +ESP32-S3 \(QFN56\) \(revision v0\.2\)/,
    features: /Features: +Wi-Fi, BT 5 \(LE\), Dual Core \+ LP Core, 240MHz\n/,
    chipId: 9,
    download: /boot:0x0 \(DOWNLOAD/,
    boot: /boot:0x8 \(SPI_FAST_FLASH_BOOT\)/,
  },
  {
    model: 'esp32c3',
    name: 'ESP32-C3',
    type: /Chip type: +ESP32-C3 \(QFN32\) \(revision v0\.4\)/,
    features: /Features: +Wi-Fi, BT 5 \(LE\), Single Core, 160MHz/,
    chipId: 5,
    download: /boot:0x4 \(DOWNLOAD/,
    boot: /boot:0xc \(SPI_FAST_FLASH_BOOT\)/,
  },
];

describe('peers: esptool over RFC 2217', function () {
  this.timeout(RUN_MS * 3);
  const found = findEsptool();
  const esptool = found ?? 'esptool';
  const lanes = new Lanes(AT_ONCE);
  const peers: Peer[] = [];
  /** What all tests run, begun at once: each test takes its results. */
  const begun = new Map<string, Promise<unknown>>();
  let folder: string;

  before(async function () {
    if (found === undefined) {
      if (process.env.KEYWAY_PEERS === 'required') throw new Error('esptool not found, and KEYWAY_PEERS is "required"');
      console.log('    left out: esptool not found');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'keyway-peers-'));
    for (const family of FAMILIES) {
      const { model } = family;
      begin(`${model} with the stub`, [ask(family), write(family), readBack(family), eraseWithStub(family)]);
      begin(`${model} without a stub`, [askRom(family), writeRom(family), readRom(family), eraseRom(family)]);
      begin(`${model} with the legacy stub`, [legacyStub(family)]);
    }
    begin('variants', [slowCrystal(), flashInside(), memoryInside(), secureBoot(), ownUsb()]);
  });

  after(async () => {
    await Promise.allSettled(begun.values());
    await Promise.all(peers.map((peer) => peer.close()));
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  function begin(name: string, jobs: readonly Promise<void>[]): void {
    const all = Promise.all(jobs);
    // The test that waits for it reports what went wrong.
    all.catch(() => undefined);
    begun.set(name, all);
  }

  const take = (name: string) => async () => {
    await begun.get(name);
  };

  for (const { model, name } of FAMILIES) {
    it(`${name}: asks, writes, verifies, reads and erases with the stub`, take(`${model} with the stub`));
    it(`${name}: asks, writes, verifies, reads and erases without a stub`, take(`${model} without a stub`));
    it(`${name}: writes with the legacy stub`, take(`${model} with the legacy stub`));
  }
  it(
    'finds crystals, flash and PSRAM in the package, its way through USB, and what secure boot leaves of the stub',
    take('variants'),
  );

  async function peer(options: Partial<VirtualChipOptions> & { model: string }): Promise<LocalPeer> {
    const made = await localPeer(options);
    peers.push(made);
    return made;
  }

  const run = ({ port }: Peer, ...args: string[]): Promise<string> =>
    lanes.run(() => runEsptool(esptool, ['--port', port, ...args]));

  const file = async (name: string, data: Uint8Array): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, data);
    return path;
  };

  async function ask({ model, type, features, chipId }: Family): Promise<void> {
    const chip = await peer({ model });
    const id = await run(chip, '--chip', model, 'flash-id');
    assert.match(id, type);
    assert.match(id, features);
    assert.match(id, /Crystal frequency: +40MHz\s[\s\S]*Stub flasher running/);
    assert.match(id, /Manufacturer: ef\s+Device: 4016\s+Detected flash size: 4MB/);
    if (model !== 'esp32c3') assert.match(id, /Flash voltage set by a strapping pin: 3\.3V/);
    const asked = await run(chip, '--chip', model, 'chip-id');
    assert.match(asked, /has no chip ID/);
    assert.match(asked, /Stub flasher running\.\s+MAC: +60:55:f9:01:02:03/);
    const security = run(chip, '--chip', model, 'get-security-info');
    if (chipId === null) await assert.rejects(security, /Failed to get security info \(result was FF00/i);
    else assertSecurity(await security, chipId);
  }

  /** Nobody tells esptool which chip it is. */
  async function askRom({ model, name, type, chipId }: Family): Promise<void> {
    const chip = await peer({ model });
    const mac = await run(chip, '--no-stub', 'read-mac');
    assert.match(mac, new RegExp(`Detecting chip type\\.\\.\\. ${name}\\n`));
    assert.match(mac, type);
    assert.match(mac, /MAC: +60:55:f9:01:02:03/);
    assert.doesNotMatch(mac, /Stub flasher running/);
    const security = run(chip, '--no-stub', 'get-security-info');
    if (chipId === null) await assert.rejects(security, /command \(0x14\) is not supported/);
    else assertSecurity(await security, chipId);
  }

  function assertSecurity(output: string, chipId: number): void {
    assert.match(output, new RegExp(`Chip ID: ${chipId}\\n`));
    assert.match(output, /Secure Boot: Disabled\s+Flash Encryption: Disabled/);
  }

  /** At another rate, the ROM's reckoning of which is off on ESP32, and esptool knows. */
  async function write({ model, name, download, boot }: Family): Promise<void> {
    const chip = await peer({ model });
    const set = demoImageSet(name, 'factory', { project: 'peer-app', size: 60_000 });
    const files: string[] = [];
    for (const [i, { offset, data }] of set.regions.entries()) {
      files.push(`0x${offset.toString(16)}`, await file(`${model}-region-${i}.bin`, data));
    }
    const output = await run(chip, '--chip', model, '--baud', '460800', 'write-flash', ...files);
    assert.match(output, /Hash of data verified[\s\S]*Hard resetting via RTS pin/);
    await chip.printed(/peer-app: Hello from peer-app 1\.0\.0/);
    for (const line of [download, /^waiting for download$/, boot, /Loaded app from partition at offset 0x20000/]) {
      assert.ok(
        chip.log.some((text) => line.test(text)),
        `${line}`,
      );
    }
    const expected = Buffer.alloc(FLASH, 0xff);
    for (const { offset, data } of set.regions) expected.set(data, offset);
    assert.equal(Buffer.compare(chip.chip.flash, expected), 0, 'the flash holds what was written, bit by bit');
  }

  async function readBack({ model }: Family): Promise<void> {
    const chip = await peer({ model, flash: noise(FLASH) });
    // esptool pads a file to whole words before it compares.
    const part = noise(FLASH).subarray(0x1230, 0x1230 + 50_000);
    const path = await file(`${model}-part.bin`, part);
    assert.match(await run(chip, '--chip', model, 'verify-flash', '0x1230', path), /Verification successful/);
    const back = join(folder, `${model}-back.bin`);
    await run(chip, '--chip', model, '--baud', '921600', 'read-flash', '0x1230', String(part.length), back);
    assert.equal(Buffer.compare(await readFile(back), part), 0);
    chip.chip.flash[0x1230] = ~(chip.chip.flash[0x1230] as number);
    await assert.rejects(run(chip, '--chip', model, 'verify-flash', '0x1230', path), /Verification failed/);
  }

  async function eraseWithStub({ model }: Family): Promise<void> {
    const chip = await peer({ model, flash: new Uint8Array(FLASH) });
    assert.match(await run(chip, '--chip', model, 'erase-region', '0x3f0000', '0x2000'), /erased successfully/);
    assertErased(chip, 0x3f0000, 0x2000);
    assert.match(await run(chip, '--chip', model, 'erase-flash'), /erased successfully/);
    assertErased(chip, 0, FLASH);
  }

  async function eraseRom({ model }: Family): Promise<void> {
    const chip = await peer({ model, flash: new Uint8Array(FLASH) });
    const output = await run(chip, '--chip', model, '--no-stub', 'erase-region', '0x3f0000', '0x2000');
    assert.match(output, /erased successfully/);
    assertErased(chip, 0x3f0000, 0x2000);
  }

  /** That region and nothing else. */
  function assertErased({ chip }: LocalPeer, offset: number, size: number): void {
    const wanted = Buffer.alloc(FLASH).fill(0xff, offset, offset + size);
    assert.equal(Buffer.compare(chip.flash, wanted), 0);
  }

  /** Beyond the 2 MB that the ROM assumes. */
  async function writeRom({ model }: Family): Promise<void> {
    const chip = await peer({ model });
    const data = noise(2500);
    const path = await file(`${model}-rom.bin`, data);
    const rom = ['--chip', model, '--baud', '460800', '--no-stub'];
    assert.match(await run(chip, ...rom, 'write-flash', '0x310000', path), /Hash of data verified/);
    assert.deepEqual(Buffer.from(chip.chip.flash.subarray(0x310000, 0x310000 + data.length)), Buffer.from(data));
    assert.match(await run(chip, ...rom, 'write-flash', '--no-compress', '0x320000', path), /Hash of data verified/);
    assert.deepEqual(Buffer.from(chip.chip.flash.subarray(0x320000, 0x320000 + data.length)), Buffer.from(data));
  }

  async function readRom({ model }: Family): Promise<void> {
    const chip = await peer({ model, flash: noise(FLASH) });
    const part = noise(FLASH).subarray(0x310010, 0x310010 + 148);
    const path = await file(`${model}-rom-part.bin`, part);
    const rom = ['--chip', model, '--no-stub'];
    assert.match(await run(chip, ...rom, 'verify-flash', '0x310010', path), /Verification successful/);
    const back = join(folder, `${model}-rom-back.bin`);
    await run(chip, ...rom, 'read-flash', '0x310010', '148', back);
    assert.equal(Buffer.compare(await readFile(back), part), 0);
  }

  async function legacyStub({ model }: Family): Promise<void> {
    const chip = await peer({ model });
    const data = noise(20_000);
    const path = await file(`${model}-legacy.bin`, data);
    const output = await run(chip, '--chip', model, '--stub-version', '1', 'write-flash', '0x20000', path);
    assert.match(output, /legacy stub flasher[\s\S]*Hash of data verified/);
    assert.deepEqual(Buffer.from(chip.chip.flash.subarray(0x20000, 0x20000 + data.length)), Buffer.from(data));
  }

  /** By the command, as anyone would start it. The ROM works out a new rate from the crystal it believes in. */
  async function slowCrystal(): Promise<void> {
    const options = ['--crystal', '26', '--revision', 'v1.0', '--package', '0'];
    const chip = await commandPeer('--model', 'esp32', ...options);
    peers.push(chip);
    const output = await run(chip, '--baud', '460800', '--no-stub', 'flash-id');
    assert.match(output, /ESP32-D0WDQ6 \(revision v1\.0\)[\s\S]*Crystal frequency: +26MHz[\s\S]*flash size: 4MB/);
  }

  async function flashInside(): Promise<void> {
    const chip = await peer({ model: 'esp32', package: 5, revision: { major: 1, minor: 1 } });
    const output = await run(chip, '--no-stub', 'flash-id');
    assert.match(output, /ESP32-PICO-D4 \(revision v1\.1\)[\s\S]*Embedded Flash/);
    assert.match(output, /SPI pads configuration \(CLK:6, Q:17, D:8, HD:11, CS:16\)[\s\S]*flash size: 4MB/);
  }

  async function memoryInside(): Promise<void> {
    const chip = await peer({
      model: 'esp32s3',
      package: 1,
      revision: { major: 0, minor: 0 },
      flashSize: 0x800000,
      embeddedFlash: true,
      psram: 0x400000,
    });
    const output = await run(chip, '--no-stub', 'flash-id');
    assert.match(output, /ESP32-S3-PICO-1 \(LGA56\) \(revision v0\.0\)[\s\S]*flash size: 8MB/);
    assert.match(output, /Embedded Flash 8MB \(GD\), Embedded PSRAM 4MB \(AP_3v3\)/);
  }

  /** ESP32-S3 runs it by a detour that esptool knows, ESP32-C3 not at all. */
  async function secureBoot(): Promise<void> {
    const security = { secureBoot: 'v2' } as const;
    const [s3, c3] = await Promise.all([peer({ model: 'esp32s3', security }), peer({ model: 'esp32c3', security })]);
    const [withStub, without] = await Promise.all([run(s3, 'get-security-info'), run(c3, 'get-security-info')]);
    assert.match(withStub, /Stub flasher running[\s\S]*Secure Boot: Enabled/);
    assert.match(without, /Secure Boot: Enabled/);
    assert.match(without, /Stub flasher is not supported on ESP32-C3 with Secure Boot/);
    assert.doesNotMatch(without, /Stub flasher running/);
  }

  /** Their own reset sequence; the stub keeps the watchdogs off, since esptool cannot tell a USB port over the network. */
  async function ownUsb(): Promise<void> {
    await Promise.all(
      ['esp32s3', 'esp32c3'].map(async (model) => {
        const chip = await peer({ model, connection: 'usb-jtag' });
        const output = await run(chip, '--before', 'usb-reset', '--after', 'no-reset', 'read-mac');
        assert.match(output, /Stub flasher running\.\s+MAC: +60:55:f9:01:02:03/);
      }),
    );
  }

  it('finds our images sound', async () => {
    for (const chip of ['ESP32-C3', 'ESP32', 'ESP32-S3']) {
      for (const kind of ['app', 'bootloader'] as const) {
        const path = await file(
          `${kind}.bin`,
          buildImage({ kind, chip, size: 20_000, ...(kind === 'app' ? { project: 'peer', version: '9.8.7' } : {}) }),
        );
        const info = await runEsptool(esptool, ['image-info', path]);
        assert.match(info, new RegExp(`Detected image type: ${chip}`));
        assert.match(info, /Checksum: 0x[0-9a-f]+ \(valid\)/);
        assert.match(info, /Validation hash: [0-9a-f]+ \(valid\)/);
        if (kind === 'app') assert.match(info, /Project name: peer[\s\S]*App version: 9\.8\.7/);
      }
    }
  });
});
