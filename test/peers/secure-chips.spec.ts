import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ESP32_CIPHER, type FlashCipher, XTS_CIPHER } from '../../lib/virtual/chip/flash-cipher.ts';
import {
  type Service,
  serveRfc2217,
  VirtualChip,
  type VirtualChipOptions,
  VirtualSocket,
} from '../../lib/virtual/index.ts';
import { noise } from '../lib/virtual/bench.ts';

/** pySerial takes 0.2 s a command over RFC 2217: a run of esptool takes 10 to 40 s, whatever the chip does. */
const RUN_MS = 180_000;
const SIZE = 8192;
const KEY = noise(32, 3);

function findEsptool(): string | undefined {
  const named = process.env.KEYWAY_ESPTOOL;
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'esptool'))
    .find((path) => existsSync(path));
}

describe('peers: esptool and chips with security burnt in', function () {
  this.timeout(RUN_MS * 2);
  const esptool = findEsptool();
  const plain = noise(SIZE);
  let folder: string;
  let file: string;
  const open: { close(): unknown }[] = [];

  before(async function () {
    if (esptool === undefined) {
      if (process.env.KEYWAY_PEERS === 'required') throw new Error('esptool not found, and KEYWAY_PEERS is "required"');
      console.log('    left out: esptool not found');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'keyway-secure-'));
    file = join(folder, 'plain.bin');
    await writeFile(file, plain);
  });

  after(async () => {
    for (const thing of open.reverse()) await thing.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** Runs esptool on a chip; what it printed, with its exit code in front. */
  async function run(
    name: string,
    options: Omit<VirtualChipOptions, 'mac'>,
    ...args: string[]
  ): Promise<{ out: string; chip: VirtualChip }> {
    const chip = new VirtualChip({ mac: '60:55:f9:00:00:01', ...options });
    const socket = new VirtualSocket({ name: `secure-chips ${name}` });
    open.push(socket);
    socket.insert(chip);
    const service: Service = await serveRfc2217(socket, { port: 0 });
    open.push(service);
    const all = ['--chip', options.model, '--port', service.address, '--baud', '460800', ...args];
    const out = await new Promise<string>((resolve) => {
      execFile(esptool as string, all, { timeout: RUN_MS, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
        resolve(`exit ${error === null ? 0 : error.code}\n${stdout}${stderr}`);
      });
    });
    return { out, chip };
  }

  const stored = (chip: VirtualChip): Buffer => Buffer.from(chip.flash.subarray(0x10000, 0x10000 + SIZE));

  it('writes encrypted, sees secure boot and secure download mode, and is refused in release mode', async () => {
    const development = { flashCryptCount: 1, encryptionKey: KEY };
    const encrypted = async (model: string, cipher: FlashCipher, ...before: string[]): Promise<void> => {
      const name = `${model} ${before.join(' ')}`;
      const write = [...before, 'write-flash', '--encrypt', '0x10000', file];
      const { out, chip } = await run(name, { model, security: development }, ...write);
      assert.match(out, /^exit 0\n[\s\S]*Cannot verify written data if encrypted/);
      assert.deepEqual(stored(chip), Buffer.from(cipher.encrypt(KEY, 0x10000, plain)), name);
    };
    await Promise.all([
      encrypted('esp32', ESP32_CIPHER),
      encrypted('esp32s3', XTS_CIPHER, '--no-stub'),
      encrypted('esp32c3', XTS_CIPHER),
      (async () => {
        const security = { ...development, manualEncryptDisabled: true };
        const { out, chip } = await run('release', { model: 'esp32c3', security }, 'write-flash', '0x10000', file);
        assert.match(out, /^exit 2\n[\s\S]*Detected flash encryption enabled and download manual encrypt disabled/);
        assert.ok(stored(chip).every((byte) => byte === 0xff));
      })(),
      (async () => {
        const options = { model: 'esp32s3', security: { secureDownload: true } };
        const { out, chip } = await run('download', options, 'write-flash', '--flash-size', '4MB', '0x10000', file);
        assert.match(out, /^exit 0\n[\s\S]*ESP32-S3 in Secure Download Mode/);
        assert.deepEqual(stored(chip), Buffer.from(plain));
      })(),
      (async () => {
        const { out } = await run('s3 boot', { model: 'esp32s3', security: { secureBoot: 'v2' } }, 'flash-id');
        assert.match(out, /^exit 0\n[\s\S]*Stub flasher running[\s\S]*Detected flash size: 4MB/);
      })(),
      (async () => {
        const options = { model: 'esp32c3', connection: 'usb-jtag', security: { secureBoot: 'v2' } } as const;
        const { out } = await run('c3 boot', options, '--before', 'usb-reset', 'get-security-info');
        assert.match(out, /^exit 0\n[\s\S]*SECURE_BOOT_DIGEST0[\s\S]*Secure Boot: Enabled/);
        assert.match(out, /not supported on ESP32-C3 with Secure Boot/);
      })(),
    ]);
  });
});
