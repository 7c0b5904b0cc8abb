import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { buildImage, demoImageSet } from '../../lib/esp/formats/index.ts';
import { ESP32_CIPHER, XTS_CIPHER } from '../../lib/virtual/chip/flash-cipher.ts';
import type { SecurityOptions } from '../../lib/virtual/index.ts';
import { Bench, noise } from '../lib/virtual/bench.ts';

const RUN_MS = 60_000;
const FACTORY = 0x20000;

function findEspsecure(): string | undefined {
  const named = process.env.KEYWAY_ESPSECURE;
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'espsecure'))
    .find((path) => existsSync(path));
}

describe('peers: espsecure', function () {
  this.timeout(RUN_MS * 4);
  const espsecure = findEspsecure();
  let folder: string;

  before(async function () {
    if (espsecure === undefined) {
      if (process.env.KEYWAY_PEERS === 'required')
        throw new Error('espsecure not found, and KEYWAY_PEERS is "required"');
      console.log('    left out: espsecure not found');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'keyway-espsecure-'));
  });

  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const at = (name: string): string => join(folder, name);
  const save = async (name: string, bytes: Uint8Array): Promise<string> => {
    await writeFile(at(name), bytes);
    return at(name);
  };
  const run = (...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(espsecure as string, args, { timeout: RUN_MS }, (error, out, err) => {
        if (error === null) resolve(out + err);
        else reject(new Error(`espsecure ${args.join(' ')}\n${out}${err}`, { cause: error }));
      });
    });

  const SCHEMES = [
    { name: 'ESP32, AES-256', cipher: ESP32_CIPHER, keyBytes: 32, args: [] },
    { name: 'XTS-AES-128', cipher: XTS_CIPHER, keyBytes: 32, args: ['--aes-xts'] },
    { name: 'XTS-AES-256', cipher: XTS_CIPHER, keyBytes: 64, args: ['--aes-xts'] },
  ] as const;

  for (const { name, cipher, keyBytes, args } of SCHEMES) {
    it(`encrypts and decrypts flash as the virtual chips do: ${name}`, async () => {
      const prefix = name.replace(/\W/g, '');
      const key = noise(keyBytes, keyBytes + args.length);
      const keyFile = await save(`${prefix}.key`, key);
      for (const [offset, size] of [
        [0x1000, 0x2000],
        [0x110010, 1296],
        [0xfffff0 - 0x400, 0x410],
      ] as const) {
        const plain = noise(size, offset + size);
        const input = await save(`${prefix}.plain`, plain);
        const common = [...args, '--keyfile', keyFile, '--address', `0x${offset.toString(16)}`];
        await run('encrypt-flash-data', ...common, '--output', at(`${prefix}.enc`), input);
        const stored = await readFile(at(`${prefix}.enc`));
        assert.deepEqual(Buffer.from(cipher.encrypt(key, offset, plain)), stored);
        const ours = await save(`${prefix}.ours`, cipher.encrypt(key, offset, plain));
        await run('decrypt-flash-data', ...common, '--output', at(`${prefix}.dec`), ours);
        assert.deepEqual(await readFile(at(`${prefix}.dec`)), Buffer.from(plain));
      }
    });
  }

  async function boot(model: string, flash: Uint8Array, security: Partial<SecurityOptions>): Promise<string> {
    const bench = new Bench({ model, flash, security });
    await bench.clock.advance(1500);
    return bench.log.join('\n');
  }

  /** A flash with the demo partition table alone. */
  function flashOf(chip: string): Uint8Array {
    const flash = new Uint8Array(0x400000).fill(0xff);
    for (const { offset, data, kind } of demoImageSet(chip).regions) {
      if (kind === 'partition-table') flash.set(data, offset);
    }
    return flash;
  }

  const images = (chip: string): { bootloader: Uint8Array; app: Uint8Array } => ({
    bootloader: buildImage({ kind: 'bootloader', chip }),
    app: buildImage({ kind: 'app', chip, project: 'signed', version: '1.0.0', size: 30_000, message: 'it runs' }),
  });

  it('signs images that the virtual chips start under secure boot v2', async () => {
    const key = at('v2.pem');
    await run('generate-signing-key', '--version', '2', '--scheme', 'rsa3072', key);
    await run('digest-sbv2-public-key', '--keyfile', key, '--output', at('v2.digest'));
    const digest = await readFile(at('v2.digest'));
    for (const [model, chip, offset] of [
      ['esp32', 'ESP32', 0x1000],
      ['esp32s3', 'ESP32-S3', 0],
      ['esp32c3', 'ESP32-C3', 0],
    ] as const) {
      const { bootloader, app } = images(chip);
      const flash = flashOf(chip);
      for (const [name, image, place] of [
        ['bootloader', bootloader, offset],
        ['app', app, FACTORY],
      ] as const) {
        const input = await save(`${model}-${name}.bin`, image);
        const output = at(`${model}-${name}-signed.bin`);
        await run('sign-data', '--version', '2', '--keyfile', key, '--output', output, input);
        flash.set(await readFile(output), place);
      }
      assert.match(await boot(model, flash, { secureBoot: 'v2', signingDigests: [digest] }), /it runs/);
    }
  });

  it('makes digests and signatures that a virtual ESP32 starts by under secure boot v1', async () => {
    const { bootloader, app } = images('ESP32');
    const signingKey = at('v1.pem');
    await run('generate-signing-key', '--version', '1', signingKey);
    await run('extract-public-key', '--version', '1', '--keyfile', signingKey, at('v1.pub'));
    const bootKey = noise(32, 5);
    const input = await save('v1-bootloader.bin', bootloader);
    const keyFile = await save('v1-boot.key', bootKey);
    await run('digest-secure-bootloader', '--keyfile', keyFile, '--output', at('v1-digest.bin'), input);
    const appFile = await save('v1-app.bin', app);
    await run('sign-data', '--version', '1', '--keyfile', signingKey, '--output', at('v1-app-signed.bin'), appFile);
    const flash = flashOf('ESP32');
    flash.set((await readFile(at('v1-digest.bin'))).subarray(0, 192));
    flash.set(bootloader, 0x1000);
    flash.set(await readFile(at('v1-app-signed.bin')), FACTORY);
    const security = { secureBoot: 'v1', secureBootKey: bootKey, appSigningKey: await readFile(at('v1.pub')) } as const;
    assert.match(await boot('esp32', flash, security), /it runs/);
  });
});
