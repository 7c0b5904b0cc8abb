import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openLink } from '../../../../lib/link/index.ts';
import { Panel } from '../../../../lib/osdp/index.ts';
import { parseReaderArguments } from '../../../../lib/virtual/cli/reader-options.ts';
import { KEY } from '../../osdp/support.ts';

const COMMAND = fileURLToPath(new URL('../../../../lib/virtual/cli.ts', import.meta.url));

describe('keyway-virtual readers', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const start = (...args: string[]): ChildProcessWithoutNullStreams => {
    const child = spawn(process.execPath, [COMMAND, 'readers', ...args]);
    closers.push(() => child.kill('SIGKILL'));
    return child;
  };

  it('says in one line of JSON where the readers are, and ends on SIGTERM', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyway-test-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'key.bin'), KEY);
    const natures = ['--personality', 'normal,keyed+secure-only', '--key', join(folder, 'key.bin')];
    const child = start('--count', '2', '--tcp', '0', '--line', 'free', ...natures);
    const exited = once(child, 'exit');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const ready = JSON.parse(line) as { tcp: string; readers: object[] };
    assert.deepEqual(ready.readers, [
      { address: 0, baudRate: 9600, serial: 0x10000000, keyed: false },
      { address: 1, baudRate: 9600, serial: 0x10000001, keyed: true },
    ]);
    const panel = new Panel(await openLink(ready.tcp, { owner: 'test' }));
    closers.push(() => panel.close());
    panel.add({ address: 1, key: KEY, poll: false });
    assert.equal((await panel.reader(1).status()).local?.tamper, false);
    assert.ok(panel.reader(1).hasSession);
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });

  it('leaves with 2 and a code when its arguments cannot be used', async () => {
    const child = start('--count', '4');
    const [[said], [code]] = await Promise.all([once(child.stderr, 'data'), once(child, 'exit')]);
    assert.equal(code, 2);
    assert.match(String(said), /^BAD_ARGUMENT: .*--rfc2217, --tcp or --pty/);
  });

  it('reads its arguments', () => {
    assert.deepEqual(
      parseReaderArguments(['--addresses', '1,5', '--baud', '115200', '--personality', 'no-mark', '--pty']),
      { count: 2, addresses: [1, 5], baudRate: 115200, natures: ['no-mark'], line: 'paced', pty: true },
    );
    assert.deepEqual(parseReaderArguments(['--rfc2217', '0', '--reply', '20', '--line', 'free', '--key', 'k']), {
      count: 1,
      baudRate: 9600,
      natures: [],
      line: 'free',
      replyMs: 20,
      keyFile: 'k',
      rfc2217: { port: 0 },
    });
    const refused = (argv: string[], code: string) =>
      assert.throws(() => parseReaderArguments(['--pty', ...argv]), { code }, argv.join(' '));
    refused(['--count', 'four'], 'BAD_ARGUMENT');
    refused(['--count', '127'], 'BAD_READER_OPTION');
    refused(['--addresses', '1,127'], 'BAD_OSDP_ADDRESS');
    refused(['--baud', '1200'], 'BAD_OSDP_BAUD');
    refused(['--personality', 'friendly'], 'BAD_READER_OPTION');
    refused(['--line', 'slow'], 'BAD_ARGUMENT');
    refused(['--tcp', 'here'], 'BAD_ARGUMENT');
    refused(['--colour', 'red'], 'BAD_ARGUMENT');
  });
});
