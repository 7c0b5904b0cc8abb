import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { openLink } from '../../../lib/link/index.ts';
import { parseArguments } from '../../../lib/virtual/cli/args.ts';
import { FlashFile } from '../../../lib/virtual/cli/flash-file.ts';

const COMMAND = fileURLToPath(new URL('../../../lib/virtual/cli.ts', import.meta.url));
const CHIP = ['chip', '--model', 'esp32c3', '--mac', '60:55:f9:00:00:01'];

const start = (...args: string[]): ChildProcessWithoutNullStreams => spawn(process.execPath, [COMMAND, ...args]);

async function lines(child: ChildProcessWithoutNullStreams): Promise<AsyncIterator<string>> {
  return createInterface(child.stdout)[Symbol.asyncIterator]();
}

async function ended(child: ChildProcessWithoutNullStreams): Promise<{ code: number | null; error: string }> {
  let error = '';
  child.stderr.on('data', (chunk: Buffer) => {
    error += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, error };
}

describe('keyway-virtual', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-test-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('says in one line of JSON where the chip is, keeps its flash in a file, and ends on SIGTERM', async () => {
    const file = join(folder, 'flash.bin');
    await writeFile(file, Uint8Array.of(1, 2, 3));
    const child = start(
      ...CHIP,
      '--rfc2217',
      '127.0.0.1:0',
      '--tcp',
      '0',
      '--flash',
      file,
      '--line',
      'free',
      '--stats',
    );
    const finished = ended(child);
    const output = await lines(child);
    const ready = JSON.parse((await output.next()).value) as Record<string, unknown>;
    assert.equal(ready.mac, '60:55:f9:00:00:01');
    assert.equal(ready.flashSize, 0x400000);
    assert.match(String(ready.rfc2217), /^rfc2217:\/\/127\.0\.0\.1:[1-9]\d*$/);
    assert.match(String(ready.tcp), /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
    await (await openLink(String(ready.rfc2217), { owner: 'test' })).close();
    child.kill('SIGUSR2');
    assert.ok('stats' in JSON.parse((await output.next()).value));
    child.kill('SIGTERM');
    const { code, error } = await finished;
    assert.deepEqual([code, error], [0, '']);
    assert.ok('stats' in JSON.parse((await output.next()).value));
  });

  it('refuses what it cannot use, with a code, and leaves with 2', async () => {
    for (const [args, pattern] of [
      [[], /^BAD_ARGUMENT: There is no virtual device ""/],
      [['reader'], /^BAD_ARGUMENT: There is no virtual device "reader"/],
      [['chip', '--mac', 'x'], /^BAD_ARGUMENT: --model is missing/],
      [['chip', '--model', 'esp9', '--mac', '60:55:f9:00:00:01', '--tcp', '0'], /^BAD_CHIP_MODEL/],
    ] as const) {
      const { code, error } = await ended(start(...args));
      assert.equal(code, 2, error);
      assert.match(error, pattern);
    }
  });

  it('leaves with 1 when a key file is missing, or holds another number of bytes than the chip takes', async () => {
    const short = join(folder, 'short.key');
    await writeFile(short, new Uint8Array(16));
    for (const [path, code] of [
      [join(folder, 'none.key'), 'BAD_ARGUMENT'],
      [short, 'BAD_CHIP_OPTION'],
    ] as const) {
      const { code: left, error } = await ended(start(...CHIP, '--tcp', '0', '--encryption-key', path));
      assert.deepEqual([left, error.split(':')[0]], [1, code]);
    }
  });

  it('leaves with 1 when the port is taken', async () => {
    const first = start(...CHIP, '--tcp', '0');
    const ready = JSON.parse((await (await lines(first)).next()).value) as { tcp: string };
    const second = await ended(start(...CHIP, '--tcp', ready.tcp.replace('tcp://', '')));
    assert.deepEqual([second.code, /^LISTEN_FAILED/.test(second.error)], [1, true]);
    const finished = ended(first);
    first.kill('SIGINT');
    assert.equal((await finished).code, 0);
  });

  it('reads its arguments', () => {
    assert.equal(parseArguments(['--help']), 'help');
    assert.deepEqual(
      parseArguments([...CHIP, '--rfc2217', '[::1]:4001', '--pty', '--flash-size', '8MB', '--flash-timing', '--log']),
      {
        chip: { model: 'esp32c3', mac: '60:55:f9:00:00:01', line: 'paced', flashTiming: true, flashSize: 0x800000 },
        rfc2217: { host: '::1', port: 4001 },
        pty: true,
        log: true,
        stats: false,
      },
    );
    assert.deepEqual(
      parseArguments([
        'chip',
        ...['--model', 'ESP32-S3', '--mac', '60:55:f9:00:00:01', '--tcp', '0', '--line', 'free'],
        ...['--revision', 'v0.1', '--package', '1', '--psram', '8MB', '--flash-size', '8MB', '--embedded-flash'],
        ...['--connection', 'usb-jtag', '--secure-boot', 'v2', '--signing-digest', 'ab'.repeat(32)],
        ...[
          '--flash-crypt-count',
          '0x7',
          '--manual-encrypt-disabled',
          '--secure-download',
          '--encryption-key',
          'k.bin',
        ],
      ]),
      {
        chip: {
          model: 'ESP32-S3',
          mac: '60:55:f9:00:00:01',
          line: 'free',
          flashTiming: false,
          revision: { major: 0, minor: 1 },
          package: 1,
          psram: 0x800000,
          flashSize: 0x800000,
          connection: 'usb-jtag',
          embeddedFlash: true,
          security: {
            secureBoot: 'v2',
            flashCryptCount: 7,
            signingDigests: [new Uint8Array(32).fill(0xab)],
            manualEncryptDisabled: true,
            secureDownload: true,
          },
        },
        keyFile: 'k.bin',
        tcp: { port: 0 },
        log: false,
        stats: false,
      },
    );
    for (const args of [
      [...CHIP],
      [...CHIP, '--tcp', '0', '--revision', '3'],
      [...CHIP, '--tcp', '0', '--package', 'big'],
      [...CHIP, '--tcp', '0', '--connection', 'otg'],
      [...CHIP, '--tcp', '0', '--secure-boot', 'v3'],
      [...CHIP, '--tcp', '0', '--signing-digest', 'abc'],
      [...CHIP, '--tcp', '0', '--flash-crypt-count', '-1'],
      [...CHIP, '--tcp', 'nowhere'],
      [...CHIP, '--tcp', '1.2.3.4:99999'],
      [...CHIP, '--tcp', '0', '--line', 'fast'],
      [...CHIP, '--tcp', '0', '--flash-size', '4'],
      [...CHIP, '--tcp', '0', '--colour'],
      [...CHIP, '--tcp', '0', 'more'],
    ]) {
      assert.throws(
        () => parseArguments(args),
        (error) => isKeywayError(error, 'BAD_ARGUMENT'),
        args.join(' '),
      );
    }
    for (const args of [
      ['--flash-size', '3MB'],
      ['--secure-boot', 'v1'],
      ['--flash-crypt-count', '8'],
      ['--crystal', '26'],
    ]) {
      assert.throws(
        () => parseArguments([...CHIP, '--tcp', '0', ...args]),
        (error) => isKeywayError(error, 'BAD_CHIP_OPTION'),
        args.join(' '),
      );
    }
  });

  it('replaces the flash file in one step, and says when it cannot', async () => {
    const path = join(folder, 'whole.bin');
    const bytes = new Uint8Array(1000).fill(7);
    const file = new FlashFile(path, bytes, (error) => assert.fail(error));
    file.changed();
    bytes.fill(8);
    file.changed();
    await file.close();
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes);
    assert.ok((await readdir(folder)).every((name) => !name.endsWith('.tmp')));
    const failures: Error[] = [];
    const nowhere = new FlashFile(join(folder, 'missing', 'x.bin'), bytes, (error) => failures.push(error));
    await nowhere.save();
    assert.ok(isKeywayError(failures[0], 'FLASH_FILE'));
  });
});
