import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildImage, demoImageSet } from '../../lib/esp/formats/index.ts';
import { noise } from '../lib/virtual/bench.ts';

const COMMAND = fileURLToPath(new URL('../../lib/virtual/cli.ts', import.meta.url));
const MAC = '60:55:f9:01:02:03';
/** pySerial takes 0.2 s a command over RFC 2217: a run of esptool takes 10 to 30 s, whatever the chip does. */
const RUN_MS = 180_000;

function findEsptool(): string | undefined {
  const named = process.env.KEYWAY_ESPTOOL;
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'esptool'))
    .find((path) => existsSync(path));
}

/** A virtual chip in another process. */
class Peer {
  readonly #esptool: string;
  readonly #child: ChildProcess;
  readonly flash: string;
  port = '';
  /** What the chip printed. */
  log = '';

  constructor(esptool: string, flash: string) {
    this.#esptool = esptool;
    this.flash = flash;
    const args = ['chip', '--model', 'esp32c3', '--mac', MAC, '--rfc2217', '127.0.0.1:0', '--flash', flash, '--log'];
    this.#child = spawn(process.execPath, [COMMAND, ...args]);
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
  }

  async start(): Promise<this> {
    const input = this.#child.stdout;
    if (input === null) throw new Error('no output');
    for await (const line of createInterface(input)) {
      this.port = (JSON.parse(line) as { rfc2217: string }).rfc2217;
      break;
    }
    return this;
  }

  run(...args: string[]): Promise<string> {
    return run(this.#esptool, ['--chip', 'esp32c3', '--port', this.port, '--baud', '460800', ...args]);
  }

  /** Ends the chip; its flash file is then complete. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => {
      this.#child.once('close', resolve);
    });
    this.#child.kill('SIGTERM');
    await ended;
    assert.equal(this.#child.exitCode, 0);
  }
}

function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: RUN_MS, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out + err);
      else reject(new Error(`esptool ${args.join(' ')}\n${out}${err}`, { cause: error }));
    });
  });
}

describe('peers: esptool over RFC 2217', function () {
  this.timeout(RUN_MS * 3);
  const esptool = findEsptool();
  let folder: string;
  const peers: Peer[] = [];

  before(async function () {
    if (esptool === undefined) {
      if (process.env.KEYWAY_PEERS === 'required') throw new Error('esptool not found, and KEYWAY_PEERS is "required"');
      console.log('    left out: esptool not found');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'keyway-peers-'));
  });

  after(async () => {
    await Promise.all(peers.map((peer) => peer.stop()));
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const peer = async (name: string): Promise<Peer> => {
    const made = await new Peer(esptool as string, join(folder, `${name}.bin`)).start();
    peers.push(made);
    return made;
  };

  it('asks, writes, verifies, reads and erases with the stub, and without', async () => {
    await Promise.all([ask(await peer('ask')), write(await peer('write')), withoutStub(await peer('rom'))]);
  });

  async function ask(chip: Peer): Promise<void> {
    const id = await chip.run('chip-id');
    assert.match(id, /ESP32-C3 \(QFN32\) \(revision v0\.4\)[\s\S]*Stub flasher running[\s\S]*MAC: +60:55:f9:01:02:03/);
    assert.match(await chip.run('read-mac'), /MAC: +60:55:f9:01:02:03/);
    assert.match(await chip.run('flash-id'), /Manufacturer: ef\s+Device: 4016\s+Detected flash size: 4MB/);
    const security = await chip.run('get-security-info');
    assert.match(security, /Chip ID: 5[\s\S]*Secure Boot: Disabled\s+Flash Encryption: Disabled/);
  }

  async function write(chip: Peer): Promise<void> {
    const set = demoImageSet('ESP32-C3', 'factory', { project: 'peer-app', size: 90_000 });
    const files: string[] = [];
    for (const [i, { offset, data }] of set.regions.entries()) {
      const file = join(folder, `region-${i}.bin`);
      await writeFile(file, data);
      files.push(`0x${offset.toString(16)}`, file);
    }
    assert.match(await chip.run('write-flash', ...files), /Hash of data verified[\s\S]*Hard resetting via RTS pin/);
    await settled(() => /peer-app: Hello from peer-app 1\.0\.0/.test(chip.log), 'the chip boots what was written');
    assert.match(
      chip.log,
      /waiting for download[\s\S]*boot:0xc \(SPI_FAST_FLASH_BOOT\)[\s\S]*Loaded app from partition at offset 0x20000/,
    );
    assert.match(await chip.run('verify-flash', ...files), /Verification successful \(digest matched\)/);
    const app = set.regions.find(({ kind }) => kind === 'app');
    if (app === undefined) throw new Error('no app');
    const back = join(folder, 'back.bin');
    await chip.run('read-flash', `0x${app.offset.toString(16)}`, String(app.data.length), back);
    assert.deepEqual(await readFile(back), Buffer.from(app.data));
    assert.match(await chip.run('erase-region', '0x20000', '0x2000'), /erased successfully/);
    await settled(() => /Factory app partition is not bootable/.test(chip.log), 'the erased app does not boot');
    await chip.stop();
    const flash = await readFile(chip.flash);
    const expected = Buffer.alloc(0x400000, 0xff);
    for (const { offset, data } of set.regions) expected.set(data, offset);
    expected.fill(0xff, 0x20000, 0x22000);
    assert.equal(Buffer.compare(flash, expected), 0, 'the flash file holds what was written, bit by bit');
  }

  async function withoutStub(chip: Peer): Promise<void> {
    const file = join(folder, 'small.bin');
    await writeFile(file, noise(5000));
    assert.match(await chip.run('--no-stub', 'write-flash', '0x10000', file), /Hash of data verified/);
    assert.match(await chip.run('--no-stub', 'verify-flash', '0x10000', file), /Verification successful/);
    await chip.run('--stub-version', '1', 'write-flash', '0x20000', file);
    await chip.stop();
    const flash = await readFile(chip.flash);
    for (const offset of [0x10000, 0x20000]) {
      assert.deepEqual(flash.subarray(offset, offset + 5000), Buffer.from(noise(5000)));
    }
  }

  it('finds our images sound', async () => {
    for (const chip of ['ESP32-C3', 'ESP32', 'ESP32-S3']) {
      for (const kind of ['app', 'bootloader'] as const) {
        const file = join(folder, `${kind}.bin`);
        await writeFile(
          file,
          buildImage({ kind, chip, size: 20_000, ...(kind === 'app' ? { project: 'peer', version: '9.8.7' } : {}) }),
        );
        const info = await run(esptool as string, ['image-info', file]);
        assert.match(info, new RegExp(`Detected image type: ${chip}`));
        assert.match(info, /Checksum: 0x[0-9a-f]+ \(valid\)/);
        assert.match(info, /Validation hash: [0-9a-f]+ \(valid\)/);
        if (kind === 'app') assert.match(info, /Project name: peer[\s\S]*App version: 9\.8\.7/);
      }
    }
  });
});

/** Waits for something that another process prints. */
async function settled(is: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 100 && !is(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(is(), what);
}
