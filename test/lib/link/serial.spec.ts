import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { holderOf, openLink } from '../../../lib/link/index.ts';
import { classifyOpenFailure, findHolder, openError } from '../../../lib/link/serial/open-error.ts';
import { setBoth } from '../../../lib/link/serial/serial-link.ts';
import { collect, endOf, failure } from './support/collect.ts';
import { closePtys, hasSocat, openPty } from './support/pty.ts';

describe('serial link, on a pseudo terminal', function () {
  this.timeout(15_000);

  before(function () {
    if (hasSocat()) return;
    console.log('      left out: no socat on this machine (Debian: apt-get install socat)');
    this.skip();
  });
  afterEach(closePtys);

  it('carries every byte both ways, and knows that there are no control lines', async () => {
    const pty = await openPty();
    const link = await openLink(pty.path, { owner: 'test' });
    assert.deepEqual(link.info, {
      address: pty.path,
      kind: 'serial',
      name: pty.path,
      hasControlLines: false,
      hasBaudControl: true,
      isLocal: true,
    });
    const all = Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 7) & 255));
    const got = collect(link);
    const [device] = await Promise.all([pty.received(all.length), link.write(all)]);
    assert.ok(device.equals(all));
    pty.send(all);
    assert.ok((await got.bytes(all.length)).equals(all));
    await link.setLines({ dtr: true, rts: false });
    assert.deepEqual(link.lines, { dtr: true, rts: false });
    await link.close();
  });

  it('changes the rate in place, odd ones too', async () => {
    const pty = await openPty();
    const link = await openLink(pty.path, { owner: 'test' });
    for (const baudRate of [921600, 250000, 74880]) {
      await link.setBaudRate(baudRate);
      assert.equal(link.baudRate, baudRate);
    }
    await link.write(Uint8Array.of(1, 2, 3));
    assert.deepEqual([...(await pty.received(3))], [1, 2, 3]);
    await link.close();
  });

  it('opens again as soon as it is closed', async () => {
    const pty = await openPty();
    for (let turn = 0; turn < 5; turn += 1) {
      const link = await openLink(pty.path, { owner: 'test' });
      const end = endOf(link);
      await Promise.all([link.close(), link.close()]);
      assert.equal(await end, undefined);
      assert.equal((await failure(link.write(Uint8Array.of(1)))).code, 'PORT_GONE');
    }
  });

  it('says PORT_GONE when the cable is pulled, and lets go of the port', async () => {
    const pty = await openPty();
    const link = await openLink(pty.path, { owner: 'test' });
    const end = endOf(link);
    await pty.pull();
    const error = (await end) as Error & { code?: string };
    assert.equal(error.code, 'PORT_GONE');
    assert.ok(error.message.includes(pty.path));
    assert.equal(link.isOpen, false);
    assert.equal(holderOf(pty.path), undefined);
    for (const work of [
      link.write(Uint8Array.of(1)),
      link.setBaudRate(9600),
      link.setLines({ dtr: true, rts: true }),
    ]) {
      assert.equal((await failure(work)).code, 'PORT_GONE');
    }
    await link.close();
  });

  it('rejects a write that is stuck when the cable is pulled', async () => {
    const pty = await openPty();
    const link = await openLink(pty.path, { owner: 'test' });
    const end = endOf(link);
    const writing = failure(link.write(new Uint8Array(8 * 1024 * 1024)));
    await pty.pull();
    assert.equal((await writing).code, 'PORT_GONE');
    assert.equal(((await end) as { code?: string }).code, 'PORT_GONE');
  });

  it('closes while a write is under way', async () => {
    const pty = await openPty();
    const link = await openLink(pty.path, { owner: 'test' });
    const writing = failure(link.write(new Uint8Array(8 * 1024 * 1024)));
    await link.close();
    assert.equal((await writing).code, 'PORT_GONE');
  });

  it('names the process that holds the port', async function () {
    if (process.platform !== 'linux') {
      console.log('      left out: only Linux tells who holds a port');
      this.skip();
    }
    const pty = await openPty();
    // The lock is the one that serial programs share: flock on the device.
    const holder = spawn('flock', ['-x', pty.path, 'sh', '-c', 'echo held; read line'], { stdio: 'pipe' });
    await once(holder.stdout, 'data');
    const error = await failure(openLink(pty.path, { owner: 'test' }));
    holder.stdin.end();
    await once(holder, 'exit');
    assert.equal(error.code, 'PORT_BUSY');
    assert.match(error.message, /^The port .* is held by .+ \(pid \d+\)\.$/);
    const link = await openLink(pty.path, { owner: 'test' });
    assert.match((await findHolder(pty.path)) ?? '', /\(pid \d+\)/);
    await link.close();
  });
});

describe('control lines of a serial port', () => {
  it('are always set together, with low latency where there is such a thing', async () => {
    const asked: unknown[] = [];
    const port = {
      set(flags: object, done?: (error: Error | null) => void) {
        asked.push(flags);
        done?.(null);
      },
    };
    const rest = { brk: false, cts: false, dsr: false };
    await setBoth(port, { dtr: true, rts: false }, 'linux');
    await setBoth(port, { dtr: false, rts: true }, 'darwin');
    assert.deepEqual(asked, [
      { ...rest, dtr: true, rts: false, lowLatency: true },
      { ...rest, dtr: false, rts: true },
    ]);
  });

  it('pass a failure of the driver on', async () => {
    const port = {
      set(_flags: object, done?: (error: Error | null) => void) {
        done?.(new Error('cannot set'));
      },
    };
    assert.match((await failure(setBoth(port, { dtr: true, rts: true }))).message, /cannot set/);
  });
});

describe('opening a serial port that cannot be opened', () => {
  it('says PORT_NOT_FOUND with what is there', async () => {
    const error = await failure(openLink('/dev/keyway-no-such-port', { owner: 'test' }));
    assert.equal(error.code, 'PORT_NOT_FOUND');
    assert.match(error.message, /\/dev\/keyway-no-such-port/);
    assert.match(error.hint ?? '', /Ports that are there|No serial port is plugged in/);
    assert.equal(holderOf('/dev/keyway-no-such-port'), undefined);
  });

  it('says PORT_FAILED for what is no serial port', async () => {
    const error = await failure(openLink('/dev/null', { owner: 'test' }));
    assert.equal(error.code, 'PORT_FAILED');
    assert.ok(error.cause instanceof Error);
  });

  for (const [text, failureKind] of [
    ['Error: Permission denied, cannot open /dev/ttyUSB0', 'denied'],
    ['Error: No such file or directory, cannot open /dev/ttyUSB0', 'missing'],
    ['Error: No such device or address, cannot open /dev/ttyUSB0', 'missing'],
    ['Error Resource temporarily unavailable Cannot lock port', 'busy'],
    ['Error: Device or resource busy, cannot open /dev/ttyUSB0', 'busy'],
    ['Opening COM3: Access denied', 'busy'],
    ['Opening COM3: File not found', 'missing'],
    ['Error: Input/output error, cannot open /dev/ttyUSB0', 'other'],
  ] as const) {
    it(`reads "${text}"`, () => assert.equal(classifyOpenFailure(text), failureKind));
  }

  it('says what to do about a refusal', async () => {
    const cause = new Error('Error: Permission denied, cannot open /dev/ttyUSB7');
    const error = (await openError('/dev/ttyUSB7', cause)) as Error & { code?: string; hint?: string };
    assert.equal(error.code, 'PORT_PERMISSION');
    assert.match(error.hint ?? '', /usermod -aG dialout/);
    assert.match(error.hint ?? '', /--device \/dev\/ttyUSB7/);
    assert.equal(error.cause, cause);
  });
});
