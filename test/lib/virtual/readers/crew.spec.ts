import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { openLink } from '../../../../lib/link/index.ts';
import { Panel } from '../../../../lib/osdp/index.ts';
import {
  makeReaders,
  NORMAL,
  PERSONALITIES,
  parseNature,
  ReaderBus,
  servePty,
  serveRfc2217,
  serveTcp,
  VirtualReader,
} from '../../../../lib/virtual/index.ts';
import { KEY } from '../../osdp/support.ts';

describe('virtual readers that are made together', () => {
  it('have addresses, natures and keys as asked for', () => {
    const readers = makeReaders({
      addresses: [3, 3, 9],
      natures: ['normal', 'keyed+no-crc'],
      baudRate: 19200,
      key: KEY,
    });
    assert.deepEqual(
      readers.map((one) => [one.address, one.baudRate, one.isKeyed, one.personality.noCrc]),
      [
        [3, 19200, false, false],
        [3, 19200, true, true],
        [9, 19200, true, true],
      ],
    );
    assert.ok(readers[1]?.holdsKey(KEY));
    assert.deepEqual(
      makeReaders({}).map((one) => one.address),
      [0],
    );
    assert.deepEqual(makeReaders({ count: 126 }).at(-1)?.address, 125);
    const [one, two] = makeReaders({ count: 2, natures: ['keyed'] });
    assert.ok(one?.isKeyed && two?.isKeyed && !one.holdsKey(KEY));
  });

  it('know a word for every trait of a reader', () => {
    const traits = new Set(Object.values(PERSONALITIES).flatMap((one) => Object.keys(one)));
    const byNumber = ['comAddress', 'comBaudRate'];
    assert.deepEqual([...traits, ...byNumber].sort(), Object.keys(NORMAL).sort());
    assert.deepEqual(parseNature('normal'), { personality: NORMAL, keyed: false, busy: 0, switchMs: undefined });
    const { personality, ...rest } = parseNature('no-mark+keyed+busy-3+com-address-9+com-baud-19200+switch-300');
    assert.deepEqual(personality, { ...NORMAL, noMark: true, comAddress: 9, comBaudRate: 19200 });
    assert.deepEqual(rest, { keyed: true, busy: 3, switchMs: 300 });
    const [reader] = makeReaders({ natures: ['busy-3+switch-300'], switchMs: 5 });
    assert.deepEqual([reader?.busy, reader?.switchMs], [3, 300]);
  });

  it('refuse what cannot be', () => {
    const refused = (options: Parameters<typeof makeReaders>[0], code: string) =>
      assert.throws(() => makeReaders(options), { code }, JSON.stringify(options));
    refused({ count: 0 }, 'BAD_READER_OPTION');
    refused({ count: 127 }, 'BAD_READER_OPTION');
    refused({ count: 2, addresses: [1] }, 'BAD_READER_OPTION');
    refused({ addresses: [127] }, 'BAD_OSDP_ADDRESS');
    refused({ baudRate: 1200 }, 'BAD_OSDP_BAUD');
    for (const word of ['friendly', 'busy', 'busy-', 'busy-1001', 'com-address-127', 'switch-501', 'no-mark-1', '']) {
      refused({ natures: [word] }, 'BAD_READER_OPTION');
    }
    refused({ key: KEY.subarray(1) }, 'BAD_READER_OPTION');
  });
});

describe('a cable to a virtual bus', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  function start(name: string): ReaderBus {
    const bus = new ReaderBus({ name, mode: 'free' });
    closers.push(() => bus.close());
    bus.add(new VirtualReader({ address: 7, baudRate: 38400 }));
    return bus;
  }

  it('tells the bus the rate of its host where RFC 2217 does', async () => {
    const service = await serveRfc2217(start('readers-rfc').cable(), { port: 0 });
    closers.push(() => service.close());
    const panel = new Panel(await openLink(service.address, { owner: 'test', baudRate: 9600 }));
    closers.push(() => panel.close());
    await assert.rejects(panel.reader(7).identify({ retries: 0 }), (error: { code: string }) =>
      ['NO_REPLY', 'GARBAGE_ONLY'].includes(error.code),
    );
    await panel.setBaudRate(38400);
    assert.equal((await panel.reader(7).identify()).serial, 0x10000007);
  });

  it('is held by one host, beside those at other cables, and goes with the bus', async () => {
    const bus = start('readers-cables');
    const one = bus.cable();
    const services = [await serveTcp(one, { port: 0 }), await serveTcp(bus.cable(), { port: 0 })];
    for (const service of services) closers.push(() => service.close());
    const changes: boolean[] = [];
    closers.push(one.onChange(() => changes.push(one.isHeld)));
    const links = [];
    for (const service of services) links.push(await openLink(service.address, { owner: 'test' }));
    for (const link of links) closers.push(() => link.close());
    const late = connect(Number(new URL(services[0]?.address ?? '').port), '127.0.0.1');
    closers.push(() => late.destroy());
    await once(late, 'close');
    assert.deepEqual([one.isHeld, one.hasPort], [true, true]);
    const gone = Promise.all(links.map((link) => new Promise((resolve) => link.onClose(resolve))));
    bus.close();
    await gone;
    assert.deepEqual([one.isHeld, one.hasPort, changes.at(-1)], [false, false, false]);
  });

  it('is a pseudo-terminal where there is who makes one', async function () {
    const cable = start('readers-pty').cable();
    let service: Awaited<ReturnType<typeof servePty>>;
    try {
      service = await servePty(cable);
    } catch (error) {
      if (!isKeywayError(error, 'PTY_HELPER_MISSING')) throw error;
      assert.notEqual(process.env.KEYWAY_PEERS, 'required', 'socat or python3 is required here and not found');
      console.log('      left out: neither socat nor python3 on this machine');
      this.skip();
    }
    closers.push(() => service.close());
    const panel = new Panel(await openLink(service.address, { owner: 'test', baudRate: 115200 }));
    closers.push(() => panel.close());
    assert.equal((await panel.reader(7).identify()).serial, 0x10000007);
    assert.equal(cable.isHeld, true);
  });

  it('pulls the adapter and puts it in again', async () => {
    const bus = start('readers-adapter');
    const link = await openLink('virtual:readers-adapter', { owner: 'test', baudRate: 38400 });
    const gone = new Promise<Error | undefined>((resolve) => link.onClose(resolve));
    bus.pull();
    assert.equal(((await gone) as { code?: string }).code, 'PORT_GONE');
    assert.equal(bus.isPlugged(), false);
    bus.plug('readers-adapter');
    const again = await openLink('virtual:readers-adapter', { owner: 'test', baudRate: 38400 });
    closers.push(() => again.close());
    assert.equal(bus.isPlugged(), true);
  });
});
