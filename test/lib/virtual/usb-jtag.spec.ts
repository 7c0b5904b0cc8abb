import assert from 'node:assert/strict';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { slipEncode } from '../../../lib/esp/slip.ts';
import { createMemoryPair, type Link, listPorts, openLink } from '../../../lib/link/index.ts';
import { ManualClock, VirtualChip, type VirtualChipOptions, VirtualSocket } from '../../../lib/virtual/index.ts';
import { esptoolJsStub, request, syncBody, words } from './bench.ts';

const NAME = 'usb-test';
const MAC = '60:55:f9:00:00:0a';

describe('virtual chip: USB-Serial/JTAG', () => {
  let clock: ManualClock;
  let socket: VirtualSocket;
  let links: Link[];
  beforeEach(() => {
    clock = new ManualClock();
    socket = new VirtualSocket({ name: NAME });
    links = [];
  });
  afterEach(async () => {
    await Promise.all(links.map((link) => link.close()));
    socket.close();
  });

  const makeChip = (options: Partial<VirtualChipOptions> = {}): VirtualChip =>
    new VirtualChip({ model: 'esp32c3', mac: MAC, clock, connection: 'usb-jtag', ...options });

  const open = async (address: string): Promise<Link> => {
    const link = await openLink(address, { owner: 'test' });
    links.push(link);
    return link;
  };

  /** Into the loader, as hosts do it on this port; SYNC is left to the caller. */
  const intoLoader = async (link: Link): Promise<void> => {
    for (const lines of [
      { dtr: false, rts: false },
      { dtr: true, rts: false },
      { dtr: true, rts: true },
      { dtr: false, rts: true },
      { dtr: false, rts: false },
    ]) {
      await link.setLines(lines);
      await clock.advance(100);
    }
  };

  /** Into the loader, and talking to it. */
  const connect = async (link: Link): Promise<void> => {
    await intoLoader(link);
    await link.write(slipEncode(request(0x08, syncBody())));
    await clock.advance(50);
  };

  const write = async (link: Link, address: number, value: number): Promise<void> => {
    await link.write(slipEncode(request(0x09, words(address, value, 0xffffffff, 0))));
    await clock.advance(10);
  };

  const ours = async (): Promise<{ address: string; serial: string | undefined }[]> =>
    (await listPorts({ listSerial: async () => [] }))
      .filter(({ address }) => address.startsWith(`virtual:${NAME}`))
      .map(({ address, usb }) => ({ address, serial: usb?.serialNumber }));

  it('is a port some tens of ms after the chip has power, with Espressif’s identity and the MAC as serial number', async () => {
    assert.equal(socket.hasPort, true);
    socket.insert(makeChip());
    assert.equal(socket.hasPort, false);
    assert.deepEqual(await ours(), []);
    await clock.advance(100);
    assert.deepEqual(await ours(), [{ address: `virtual:${NAME}`, serial: MAC.toUpperCase() }]);
    assert.equal(socket.usb?.vendorId, '303a');
    assert.equal(socket.usb?.productId, '1001');
    socket.pull();
    assert.deepEqual(await ours(), []);
    assert.equal(socket.chip?.isPowered, false);
    socket.plug();
    assert.deepEqual(await ours(), []);
    await clock.advance(100);
    assert.equal(socket.address, `virtual:${NAME}`);
    socket.remove();
    assert.deepEqual(await ours(), []);
  });

  it('is reset by RTS alone, into the loader when DTR alone came before, and keeps its port', async () => {
    const chip = makeChip();
    socket.insert(chip);
    await clock.advance(100);
    const boots: string[] = [];
    chip.on('boot', ({ mode, reason }) => boots.push(`${mode} ${reason}`));
    const log: string[] = [];
    chip.on('log', (line) => log.push(line));
    const link = await open(`virtual:${NAME}`);
    await intoLoader(link);
    assert.deepEqual(boots, ['download usb']);
    assert.match(log.join('\n'), /rst:0x15 \(USB_UART_CHIP_RESET\),boot:0x4 \(DOWNLOAD/);
    await link.setLines({ dtr: false, rts: true });
    await clock.advance(100);
    assert.deepEqual(boots, ['download usb', 'flash usb']);
    assert.equal(link.isOpen, true);
  });

  it('does not mistake the reset of a UART bridge for its own', async () => {
    const chip = makeChip();
    socket.insert(chip);
    await clock.advance(100);
    const modes: string[] = [];
    chip.on('boot', ({ mode }) => modes.push(mode));
    const link = await open(`virtual:${NAME}`);
    for (const lines of [
      { dtr: false, rts: true },
      { dtr: true, rts: false },
      { dtr: false, rts: false },
    ]) {
      await link.setLines(lines);
      await clock.advance(100);
    }
    assert.deepEqual(modes, ['flash']);
  });

  it('goes away and comes back when a watchdog resets the chip: under the same name once the host let go', async () => {
    const chip = makeChip();
    socket.insert(chip);
    await clock.advance(100);
    const link = await open(`virtual:${NAME}`);
    await connect(link);
    let gone: Error | undefined;
    link.onClose((error) => {
      gone = error;
      void link.close();
    });
    await write(link, 0x600080a8, 0x50d83aa1);
    await write(link, 0x60008094, 2000);
    await write(link, 0x60008090, 0xd0000102);
    await clock.advance(15);
    assert.ok(isKeywayError(gone, 'PORT_GONE'));
    assert.deepEqual(await ours(), []);
    await clock.advance(60);
    assert.deepEqual(await ours(), [{ address: `virtual:${NAME}`, serial: MAC.toUpperCase() }]);
  });

  it('comes back under another name while the old handle is held, and under the first when it is free again', async () => {
    const chip = makeChip();
    socket.insert(chip);
    await clock.advance(100);
    const first = await open(`virtual:${NAME}`);
    chip.setFault({ kind: 'reset' });
    await first.write(Uint8Array.of(0)).catch(() => undefined);
    assert.equal(first.isOpen, false);
    await clock.advance(100);
    assert.deepEqual(await ours(), [{ address: `virtual:${NAME}#2`, serial: MAC.toUpperCase() }]);
    await assert.rejects(open(`virtual:${NAME}`), (error) => isKeywayError(error, 'PORT_NOT_FOUND'));
    const second = await open(`virtual:${NAME}#2`);
    await first.close();
    chip.setFault({ kind: 'brownout' });
    await second.write(Uint8Array.of(0)).catch(() => undefined);
    await clock.advance(200);
    assert.equal(socket.address, `virtual:${NAME}`);
  });

  it('is bitten by the watchdogs that a reset over USB leaves running, unless the host looks after both', async () => {
    for (const [rtc, superFed, expected] of [
      [false, false, 'watchdog'],
      [true, false, 'super-watchdog'],
      [false, true, 'watchdog'],
      [true, true, undefined],
    ] as const) {
      const chip = makeChip();
      socket.insert(chip);
      await clock.advance(100);
      const link = await open(socket.address as string);
      await connect(link);
      if (rtc) {
        await write(link, 0x600080a8, 0x50d83aa1);
        await write(link, 0x60008090, 0);
      }
      if (superFed) {
        await write(link, 0x600080b0, 0x8f1d312a);
        await write(link, 0x600080ac, 0x80000000);
      }
      let bitten: string | undefined;
      chip.once('boot', ({ reason }) => {
        bitten = reason;
      });
      await clock.advance(13_000);
      assert.equal(bitten, expected);
      assert.equal(link.isOpen, expected === undefined);
      await link.close();
      socket.remove();
    }
  });

  it('is left alone by them once the newer stub runs, and on a UART from the start', async () => {
    const uart = makeChip({ connection: 'uart' });
    const { host, device } = createMemoryPair({ name: 'uart' });
    uart.attach(device);
    await host.setLines({ dtr: false, rts: true });
    await clock.advance(100);
    await host.setLines({ dtr: true, rts: false });
    await clock.advance(50);
    let again = 0;
    uart.on('boot', () => again++);
    await clock.advance(13_000);
    assert.equal(again, 0);
    await host.close();

    const chip = makeChip();
    socket.insert(chip);
    await clock.advance(100);
    const link = await open(`virtual:${NAME}`);
    await connect(link);
    const { segments, entry } = esptoolJsStub('esp32c3');
    for (const { address, bytes } of segments) {
      await link.write(slipEncode(request(0x05, words(bytes.length, 1, 0x1800, address))));
      await clock.advance(20);
      const data = new Uint8Array(16 + bytes.length);
      data.set(words(bytes.length, 0, 0, 0));
      data.set(bytes, 16);
      const sum = bytes.reduce((all, byte) => all ^ byte, 0xef);
      await link.write(slipEncode(request(0x07, data, sum)));
      await clock.advance(20);
    }
    await link.write(slipEncode(request(0x06, words(0, entry))));
    chip.on('boot', () => again++);
    await clock.advance(13_000);
    assert.equal(again, 0);
    assert.equal(link.isOpen, true);
  });

  it('carries bytes at its own rate, whatever the host sets', async () => {
    const chip = makeChip({ line: 'paced' });
    socket.insert(chip);
    await clock.advance(100);
    const link = await open(`virtual:${NAME}`);
    const heard: number[] = [];
    link.onData((chunk) => heard.push(...chunk));
    await link.setBaudRate(9600);
    await intoLoader(link);
    await link.setBaudRate(3_000_000);
    const before = heard.length;
    await link.write(slipEncode(request(0x08, syncBody())));
    await clock.advance(2);
    assert.equal(heard.length - before, 8 * 14);
  });

  it('stays in its loader after a reset over USB when it came up with BOOT held, until a watchdog resets it', async () => {
    const chip = makeChip();
    const modes: string[] = [];
    chip.on('boot', ({ mode, reason }) => modes.push(`${mode} ${reason}`));
    chip.pressBoot(true);
    socket.insert(chip);
    await clock.advance(100);
    chip.pressBoot(false);
    const link = await open(`virtual:${NAME}`);
    await link.setLines({ dtr: false, rts: true });
    await clock.advance(100);
    await link.setLines({ dtr: false, rts: false });
    assert.deepEqual(modes, ['download power-on', 'download usb']);
    await link.write(slipEncode(request(0x08, syncBody())));
    await clock.advance(50);
    await write(link, 0x600080a8, 0x50d83aa1);
    await write(link, 0x60008090, 0xd0000102);
    await clock.advance(100);
    assert.deepEqual(modes.slice(2), ['flash watchdog']);
  });

  it('loses its port while EN is held, and hangs up on a server’s client that comes meanwhile', async () => {
    const chip = makeChip();
    socket.insert(chip);
    await clock.advance(100);
    chip.pressEnable(true);
    assert.equal(socket.hasPort, false);
    const { host, device } = createMemoryPair({ name: 'elsewhere' });
    socket.attach(device);
    assert.equal(host.isOpen, false);
    chip.pressEnable(false);
    await clock.advance(100);
    assert.equal(socket.hasPort, true);
  });

  it('is not to be had on ESP32', () => {
    assert.throws(
      () => makeChip({ model: 'esp32' }),
      (error) => isKeywayError(error, 'BAD_CHIP_OPTION'),
    );
  });
});
