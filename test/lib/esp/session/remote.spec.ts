import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { connectChip, flash } from '../../../../lib/esp/session/index.ts';
import { type Link, openLink } from '../../../../lib/link/index.ts';
import { app, bytes, imageSet, region, wholeSet } from '../plan/sets.ts';
import { platform } from './bench.ts';
import { refused } from './refused.ts';

const cli = fileURLToPath(new URL('../../../../lib/virtual/cli.ts', import.meta.url));

/** Resolves when the chip on the link has printed it. */
function printed(link: Link, wanted: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const stop = link.onData((chunk) => {
      text += Buffer.from(chunk).toString('latin1');
      if (!wanted.test(text)) return;
      stop();
      resolve(text);
    });
  });
}

describe('a chip in another process', () => {
  let chip: ChildProcess;
  let at: { rfc2217: string; tcp: string };

  before(async () => {
    chip = spawn(
      process.execPath,
      [
        cli,
        'chip',
        '--model',
        'esp32c3',
        '--mac',
        '60:55:f9:00:00:42',
        '--line',
        'free',
        '--rfc2217',
        '127.0.0.1:0',
        '--tcp',
        '127.0.0.1:0',
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines = createInterface({ input: chip.stdout as NodeJS.ReadableStream });
    const [line] = (await once(lines, 'line')) as [string];
    at = JSON.parse(line) as typeof at;
  });

  after(async () => {
    chip.kill('SIGTERM');
    await once(chip, 'exit');
    await platform.close();
  });

  it('over RFC 2217: flashed, verified, restarted, booted', async () => {
    const link = await openLink(at.rfc2217, { owner: 'test' });
    const plan = await planFlash(wholeSet(), { platform });
    await refused('DEMO_IMAGE', flash(link, plan, { platform }));
    const booted = printed(link, /SPI_FAST_FLASH_BOOT[\s\S]*blink/);
    const result = await flash(link, plan, { platform, baudRate: 921_600, force: ['DEMO_IMAGE'] });
    assert.equal(result.chip.mac, '60:55:f9:00:00:42');
    assert.equal(result.restarted, true);
    assert.match(await booted, /1\.2\.3/);
    await link.close();
  });

  it('closed is closed: a server of one client takes the next one at once, thirty times', async () => {
    for (let i = 0; i < 30; i++) {
      const link = await openLink(i % 2 === 0 ? at.rfc2217 : at.tcp, { owner: 'test' });
      await link.close();
    }
    const last = await openLink(at.rfc2217, { owner: 'test' });
    const session = await connectChip(last, { platform });
    assert.equal(session.facts.mac, '60:55:f9:00:00:42');
    await session.close();
    await last.close();
  });

  it('over bare TCP: no control lines, the stub of the session before is found and used', async () => {
    const first = await openLink(at.rfc2217, { owner: 'test' });
    const session = await connectChip(first, { platform });
    await session.startStub();
    await session.close();
    await first.close();
    const link = await openLink(at.tcp, { owner: 'test' });
    const data = bytes(0x6000, 0x77);
    const plan = await planFlash(imageSet([region(0x9000, data, 'nvs', 'nvs')]), { platform });
    const result = await flash(link, plan, { platform, baudRate: 921_600 });
    assert.equal(result.baudRate, 115_200, "the rate is the port server's business");
    assert.equal(result.restarted, false);
    const again = await connectChip(link, { platform, patienceMs: 0 });
    assert.deepEqual(await again.readFlash(0x20000, app.length), app);
    assert.deepEqual(await again.readFlash(0x9000, 0x6000), data);
    await again.close();
    await link.close();
  });
});
