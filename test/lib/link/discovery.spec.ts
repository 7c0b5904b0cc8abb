import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { claimPort, listPorts, type PortInfo, plugMemoryPort, watchPorts } from '../../../lib/link/index.ts';
import { fromDriver, listLinuxPorts, type SerialPortFacts } from '../../../lib/link/serial/list.ts';

const adapter: SerialPortFacts = {
  address: '/dev/ttyUSB0',
  stableName: '/dev/serial/by-id/usb-Silicon_Labs_CP2102N_0001-if00-port0',
  usb: { vendorId: '10c4', productId: 'ea60', serialNumber: '0001', manufacturer: 'Silicon Labs', product: 'CP2102N' },
};
const plain: SerialPortFacts = { address: '/dev/ttyAMA0', stableName: '/dev/ttyAMA0' };

/** Looks that the test grants one by one; no time passes by itself. */
class Looks {
  ports: SerialPortFacts[] | Error = [];
  readonly pauses: number[] = [];
  cancelled = 0;
  #next: (() => void) | undefined;

  readonly listSerial = async (): Promise<SerialPortFacts[]> => {
    if (this.ports instanceof Error) throw this.ports;
    return this.ports;
  };
  readonly timer = {
    set: (callback: () => void, ms: number): (() => void) => {
      this.pauses.push(ms);
      this.#next = callback;
      return () => {
        this.cancelled += 1;
        this.#next = undefined;
      };
    },
  };

  /** Lets one more look happen and end. */
  async look(ports: SerialPortFacts[] | Error): Promise<void> {
    this.ports = ports;
    this.#next?.();
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('port discovery', () => {
  let plugs: (() => void)[] = [];
  afterEach(() => {
    for (const out of plugs) out();
    plugs = [];
  });
  const plug = (name: string): void => void plugs.push(plugMemoryPort({ name, attach: () => undefined }));

  it('lists serial and virtual ports, with who holds them', async () => {
    plug('bench-1');
    const release = claimPort('virtual:bench-1', 'flash bench-1');
    const ports = await listPorts({ listSerial: async () => [adapter, plain] });
    release();
    assert.deepEqual(ports, [
      { ...adapter, name: 'Silicon Labs CP2102N (ttyUSB0)', kind: 'serial' },
      { ...plain, name: 'ttyAMA0', kind: 'serial' },
      {
        address: 'virtual:bench-1',
        name: 'bench-1',
        stableName: 'virtual:bench-1',
        kind: 'virtual',
        heldBy: 'flash bench-1',
      },
    ]);
  });

  it('tells of serial ports that come and go, at the interval', async () => {
    const looks = new Looks();
    looks.ports = [plain];
    const events: string[] = [];
    const stop = watchPorts(({ type, port }) => events.push(`${type} ${port.address}`), { ...looks, intervalMs: 250 });
    await settled();
    assert.deepEqual(events, [], 'what is there at first is no event');
    await looks.look([plain, adapter]);
    await looks.look([plain, adapter]);
    await looks.look([
      plain,
      { ...adapter, usb: { ...adapter.usb, vendorId: '10c4', productId: 'ea60', serialNumber: '2' } },
    ]);
    await looks.look([]);
    stop();
    assert.deepEqual(events, [
      'plugged /dev/ttyUSB0',
      'unplugged /dev/ttyUSB0',
      'plugged /dev/ttyUSB0',
      'unplugged /dev/ttyAMA0',
      'unplugged /dev/ttyUSB0',
    ]);
    assert.ok(looks.pauses.every((ms) => ms === 250));
    assert.equal(looks.cancelled, 1);
  });

  it('tells of virtual ports at once', () => {
    const looks = new Looks();
    const events: string[] = [];
    const stop = watchPorts(({ type, port }) => events.push(`${type} ${port.address}`), looks);
    plug('bench-1');
    assert.deepEqual(events, ['plugged virtual:bench-1']);
    plugs[0]?.();
    assert.deepEqual(events, ['plugged virtual:bench-1', 'unplugged virtual:bench-1']);
    stop();
    plug('bench-2');
    assert.equal(events.length, 2);
  });

  it('misses nothing between a list and the watch', async () => {
    const looks = new Looks();
    looks.ports = [adapter];
    const known = await listPorts({ listSerial: async () => [plain] });
    plug('bench-1');
    const events: string[] = [];
    const stop = watchPorts(({ type, port }) => events.push(`${type} ${port.address}`), { ...looks, known });
    await settled();
    stop();
    assert.deepEqual(events, ['plugged virtual:bench-1', 'unplugged /dev/ttyAMA0', 'plugged /dev/ttyUSB0']);
  });

  it('goes on after a look that failed', async () => {
    const looks = new Looks();
    const events: PortInfo[] = [];
    const errors: unknown[] = [];
    const stop = watchPorts(({ port }) => events.push(port), { ...looks, onError: (error) => errors.push(error) });
    await settled();
    await looks.look(new Error('no access'));
    await looks.look([adapter]);
    stop();
    assert.equal(errors.length, 1);
    assert.equal(events.length, 1);
  });

  it('ends with its signal, and tells nothing of a look that was under way', async () => {
    const looks = new Looks();
    const end = new AbortController();
    const events: unknown[] = [];
    watchPorts((event) => events.push(event), { ...looks, signal: end.signal, known: [] });
    looks.ports = [adapter];
    end.abort();
    await settled();
    assert.deepEqual([events, looks.pauses], [[], []]);
    watchPorts((event) => events.push(event), { ...looks, signal: end.signal, known: [] });
    await settled();
    assert.deepEqual([events, looks.pauses], [[], []]);
  });
});

describe('local serial ports', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'keyway-sys-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const file = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const linkTo = (path: string, target: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    mkdirSync(join(root, target), { recursive: true });
    symlinkSync(join(root, target), join(root, path));
  };

  it('reads names and USB identities from sysfs', async () => {
    const usb = 'sys/devices/usb1/1-1';
    for (const [name, text] of Object.entries({
      idVendor: '10C4\n',
      idProduct: 'ea60\n',
      serial: '0001\n',
      manufacturer: 'Silicon Labs\n',
      product: 'CP2102N\n',
    })) {
      file(`${usb}/${name}`, text);
    }
    linkTo('sys/class/tty/ttyUSB0/device', `${usb}/1-1:1.0/ttyUSB0`);
    linkTo('sys/class/tty/ttyUSB10/device', 'sys/devices/other/a/b');
    linkTo('sys/class/tty/ttyUSB2/device', 'sys/devices/other/a/c');
    linkTo('sys/class/tty/ttyS0/device', 'sys/devices/legacy');
    file('sys/class/tty/ttyS0/type', '0\n');
    linkTo('sys/class/tty/ttyS1/device', 'sys/devices/board');
    file('sys/class/tty/ttyS1/type', '4\n');
    mkdirSync(join(root, 'sys/class/tty/tty1'), { recursive: true });
    file('dev/ttyUSB0', '');
    mkdirSync(join(root, 'dev/serial/by-id'), { recursive: true });
    symlinkSync('../../ttyUSB0', join(root, 'dev/serial/by-id/usb-Silicon_Labs_CP2102N_0001-if00-port0'));
    const dev = join(root, 'dev');

    assert.deepEqual(await listLinuxPorts(join(root, 'sys'), dev), [
      { address: `${dev}/ttyS1`, stableName: `${dev}/ttyS1` },
      {
        address: `${dev}/ttyUSB0`,
        stableName: `${dev}/serial/by-id/usb-Silicon_Labs_CP2102N_0001-if00-port0`,
        usb: adapter.usb,
      },
      { address: `${dev}/ttyUSB2`, stableName: `${dev}/ttyUSB2` },
      { address: `${dev}/ttyUSB10`, stableName: `${dev}/ttyUSB10` },
    ]);
  });

  it('lists nothing where there is no sysfs', async () => {
    assert.deepEqual(await listLinuxPorts(join(root, 'none'), join(root, 'none')), []);
  });

  it('reads the rows of the driver elsewhere', () => {
    assert.deepEqual(
      fromDriver({
        path: 'COM3',
        vendorId: '10C4',
        productId: 'EA60',
        serialNumber: '0001',
        manufacturer: 'Silicon Labs',
      }),
      {
        address: 'COM3',
        stableName: 'COM3',
        usb: { vendorId: '10c4', productId: 'ea60', serialNumber: '0001', manufacturer: 'Silicon Labs' },
      },
    );
    assert.deepEqual(fromDriver({ path: 'COM1', manufacturer: 'x' }), { address: 'COM1', stableName: 'COM1' });
  });
});
