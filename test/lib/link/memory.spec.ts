import assert from 'node:assert/strict';
import {
  createMemoryPair,
  type DeviceEnd,
  holderOf,
  openLink,
  plugMemoryPort,
  watchMemoryPorts,
} from '../../../lib/link/index.ts';
import { collect, endOf, failure } from './support/collect.ts';

describe('in-memory link', () => {
  it('carries bytes, lines and the rate to the device and bytes back', async () => {
    const { host, device } = createMemoryPair({ name: 'desk', baudRate: 9600 });
    const seen: unknown[] = [];
    device.onData((chunk) => seen.push([...chunk]));
    device.onLines((lines) => seen.push(lines));
    device.onBaudRate((baudRate) => seen.push(baudRate));
    await host.write(Uint8Array.of(1, 2));
    await host.setLines({ dtr: true, rts: false });
    await host.setBaudRate(921600);
    assert.deepEqual(seen, [[1, 2], { dtr: true, rts: false }, 921600]);
    assert.deepEqual([device.lines, device.baudRate], [{ dtr: true, rts: false }, 921600]);
    assert.deepEqual([host.lines, host.baudRate], [{ dtr: true, rts: false }, 921600]);

    const got = collect(host);
    const reused = Uint8Array.of(7, 8);
    device.send(reused);
    reused.fill(0);
    assert.deepEqual([...(await got.bytes(2))], [7, 8]);
  });

  it('ends with PORT_GONE when the device is unplugged, once, and refuses everything after', async () => {
    const { host, device } = createMemoryPair({ name: 'desk' });
    let deviceClosed = 0;
    device.onClose(() => {
      deviceClosed += 1;
    });
    const end = endOf(host);
    device.unplug();
    device.unplug();
    assert.equal(host.isOpen, false);
    assert.equal(deviceClosed, 1);
    assert.equal(((await end) as { code?: string }).code, 'PORT_GONE');
    for (const work of [
      host.write(Uint8Array.of(1)),
      host.setLines({ dtr: false, rts: false }),
      host.setBaudRate(9600),
    ]) {
      assert.equal((await failure(work)).code, 'PORT_GONE');
    }
    assert.equal(((await endOf(host)) as { code?: string }).code, 'PORT_GONE', 'a late listener is told too');
  });

  it('ends without an error when the host closes', async () => {
    const { host, device } = createMemoryPair({ name: 'desk' });
    const deviceEnd = new Promise<void>((resolve) => device.onClose(resolve));
    const end = endOf(host);
    await host.close();
    await host.close();
    await deviceEnd;
    assert.equal(await end, undefined);
    assert.equal((await failure(host.write(Uint8Array.of(1)))).code, 'PORT_GONE');
  });

  it('stops telling a listener that has left', async () => {
    const { host, device } = createMemoryPair({ name: 'desk' });
    const got: number[] = [];
    const stopData = host.onData((chunk) => got.push(...chunk));
    const stopClose = host.onClose(() => got.push(-1));
    const rest = collect(host);
    device.send(Uint8Array.of(1));
    await rest.bytes(1);
    stopData();
    stopClose();
    device.send(Uint8Array.of(2));
    await rest.bytes(2);
    device.unplug();
    assert.deepEqual(got, [1]);
  });

  for (const baudRate of [0, -1, 1.5, Number.NaN, 1e9]) {
    it(`refuses ${baudRate} baud`, async () => {
      const { host } = createMemoryPair({ name: 'desk' });
      assert.equal((await failure(host.setBaudRate(baudRate))).code, 'BAD_BAUD_RATE');
      assert.equal((await failure(openLink('virtual:desk', { owner: 'test', baudRate }))).code, 'BAD_BAUD_RATE');
    });
  }
});

describe('openLink on a virtual port', () => {
  let unplug: (() => void)[] = [];
  let ends: DeviceEnd[] = [];
  const plug = (name: string): void => {
    unplug.push(plugMemoryPort({ name, attach: (end) => void ends.push(end) }));
  };

  afterEach(() => {
    for (const out of unplug) out();
    unplug = [];
    ends = [];
  });

  it('attaches the device and says what it is', async () => {
    plug('bench-1');
    const link = await openLink('virtual:bench-1', { owner: 'test', baudRate: 74880, name: 'my chip' });
    assert.deepEqual(link.info, {
      address: 'virtual:bench-1',
      kind: 'virtual',
      name: 'my chip',
      hasControlLines: true,
      hasBaudControl: true,
      isLocal: true,
    });
    assert.deepEqual([link.isOpen, link.baudRate, ends[0]?.baudRate], [true, 74880, 74880]);
    await link.close();
  });

  it('names the holder, and lets go when the link ends either way', async () => {
    plug('bench-1');
    const link = await openLink('virtual:bench-1', { owner: 'flash bench-1' });
    assert.equal(holderOf('virtual:bench-1'), 'flash bench-1');
    const error = await failure(openLink('virtual:bench-1', { owner: 'console' }));
    assert.equal(error.code, 'PORT_BUSY');
    assert.match(error.message, /is held by flash bench-1\.$/);
    assert.equal(ends.length, 1);
    await link.close();
    assert.equal(holderOf('virtual:bench-1'), undefined);

    const again = await openLink('virtual:bench-1', { owner: 'console' });
    ends[1]?.unplug();
    assert.equal(again.isOpen, false);
    assert.equal(holderOf('virtual:bench-1'), undefined);
  });

  it('lets go when the device refuses to be attached', async () => {
    unplug.push(
      plugMemoryPort({
        name: 'broken',
        attach() {
          throw new Error('no chip in the socket');
        },
      }),
    );
    assert.match((await failure(openLink('virtual:broken', { owner: 'test' }))).message, /no chip/);
    assert.equal(holderOf('virtual:broken'), undefined);
  });

  it('lists what is there when there is no such port', async () => {
    plug('bench-1');
    const error = await failure(openLink('virtual:bench-2', { owner: 'test' }));
    assert.equal(error.code, 'PORT_NOT_FOUND');
    assert.match(error.hint ?? '', /virtual:bench-1/);
    assert.equal(holderOf('virtual:bench-2'), undefined);
  });

  it('does not open when it is cancelled before', async () => {
    plug('bench-1');
    const error = await failure(openLink('virtual:bench-1', { owner: 'test', signal: AbortSignal.abort() }));
    assert.equal(error.code, 'CANCELLED');
    assert.equal(ends.length, 0);
  });

  it('refuses a second port of the same name, and tells of ports that come and go', () => {
    let changes = 0;
    const stop = watchMemoryPorts(() => {
      changes += 1;
    });
    plug('bench-1');
    assert.throws(() => plugMemoryPort({ name: 'bench-1', attach: () => undefined }), { code: 'PORT_BUSY' });
    unplug[0]?.();
    unplug[0]?.();
    assert.equal(changes, 2);
    stop();
    plug('bench-2');
    assert.equal(changes, 2);
  });
});
