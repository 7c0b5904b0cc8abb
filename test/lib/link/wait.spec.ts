import assert from 'node:assert/strict';
import net from 'node:net';
import { type PortInfo, plugMemoryPort, type UsbIdentity, waitForDevice } from '../../../lib/link/index.ts';
import type { SerialPortFacts } from '../../../lib/link/serial/list.ts';

/** Timers that the test moves; no time passes by itself. */
class HandTimer {
  #now = 0;
  readonly #set = new Set<{ at: number; callback: () => void }>();

  readonly set = (callback: () => void, ms: number): (() => void) => {
    const entry = { at: this.#now + ms, callback };
    this.#set.add(entry);
    return () => this.#set.delete(entry);
  };

  get pending(): number {
    return this.#set.size;
  }

  async move(ms: number): Promise<void> {
    await settled();
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#set].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#set.delete(next);
      this.#now = next.at;
      next.callback();
      await settled();
    }
    this.#now = until;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const usb = (serialNumber?: string): UsbIdentity => ({
  vendorId: '303a',
  productId: '1001',
  ...(serialNumber === undefined ? {} : { serialNumber }),
});
const serialPort = (address: string, identity?: UsbIdentity): SerialPortFacts => ({
  address,
  stableName: address,
  ...(identity === undefined ? {} : { usb: identity }),
});

describe('waiting for a device', () => {
  let plugs: (() => void)[] = [];
  afterEach(() => {
    for (const out of plugs) out();
    plugs = [];
  });
  const plug = (name: string, identity?: UsbIdentity): void =>
    void plugs.push(plugMemoryPort({ name, attach: () => undefined, ...(identity ? { usb: identity } : {}) }));

  /** A wait with its hand-moved time and the list of local ports as it is now. */
  function wait(device: Parameters<typeof waitForDevice>[0], at: { ports?: SerialPortFacts[]; signal?: AbortSignal }) {
    const timer = new HandTimer();
    const seen: string[] = [];
    const state = { ports: at.ports ?? [], failure: undefined as Error | undefined };
    const result = waitForDevice(device, {
      timeoutMs: 10_000,
      timer,
      listSerial: async () => {
        if (state.failure !== undefined) throw state.failure;
        return state.ports;
      },
      onPort: (port: PortInfo) => seen.push(port.address),
      ...(at.signal === undefined ? {} : { signal: at.signal }),
    });
    let settledWith: string | undefined;
    result.then(
      (port) => {
        settledWith = port.address;
      },
      (error: { code: string }) => {
        settledWith = error.code;
      },
    );
    return { result, timer, seen, state, end: () => settledWith };
  }

  it('has a virtual port in the moment it is plugged in, and leaves nothing behind', async () => {
    const waiting = wait({ address: 'virtual:bench-1' }, {});
    await settled();
    assert.equal(waiting.end(), undefined);
    plug('bench-2');
    plug('bench-1');
    assert.equal((await waiting.result).address, 'virtual:bench-1');
    assert.deepEqual(waiting.seen, ['virtual:bench-2']);
    await settled();
    assert.equal(waiting.timer.pending, 0);
  });

  it('has a port at once that is there already', async () => {
    plug('bench-1');
    assert.equal((await wait({ address: 'virtual:bench-1' }, {}).result).name, 'bench-1');
    const serial = wait({ address: '/dev/ttyS9' }, { ports: [serialPort('/dev/ttyS9')] });
    assert.equal((await serial.result).address, '/dev/ttyS9');
  });

  it('finds a serial port by polling every 250 ms', async () => {
    const waiting = wait({ address: '/dev/ttyUSB0', usb: usb() }, {});
    await settled();
    waiting.state.ports = [serialPort('/dev/ttyUSB0', usb())];
    await waiting.timer.move(249);
    assert.equal(waiting.end(), undefined);
    await waiting.timer.move(1);
    assert.equal(waiting.end(), '/dev/ttyUSB0');
    assert.equal(waiting.timer.pending, 0);
  });

  it('knows the same USB serial number at another address', async () => {
    const waiting = wait({ address: '/dev/ttyACM0', usb: usb('A0:B1') }, {});
    await settled();
    waiting.state.ports = [serialPort('/dev/ttyACM1', usb('a0:b1'))];
    await waiting.timer.move(250);
    assert.equal(waiting.end(), '/dev/ttyACM1');
    const virtual = wait({ address: 'virtual:jtag', usb: usb('A0:B1') }, {});
    plug('jtag#2', usb('A0:B1'));
    assert.equal((await virtual.result).address, 'virtual:jtag#2');
  });

  it('is not taken in by another device at the same address', async () => {
    const other = { ...usb('0C:0D'), productId: '0002' };
    const cases: [UsbIdentity | undefined, UsbIdentity | undefined][] = [
      [usb('A0:B1'), usb('C0:D1')],
      [usb('A0:B1'), usb()],
      [usb('A0:B1'), undefined],
      [usb(), other],
      [usb(), undefined],
      [usb('A0:B1'), { ...usb('A0:B1'), vendorId: '10c4' }],
    ];
    for (const [then, now] of cases) {
      const waiting = wait({ address: '/dev/ttyACM0', usb: then }, { ports: [serialPort('/dev/ttyACM0', now)] });
      await waiting.timer.move(1000);
      assert.equal(waiting.end(), undefined, JSON.stringify([then, now]));
      assert.deepEqual(waiting.seen, ['/dev/ttyACM0']);
      waiting.state.ports = [serialPort('/dev/ttyACM0', then)];
      await waiting.timer.move(250);
      assert.equal(waiting.end(), '/dev/ttyACM0');
    }
  });

  it('does not believe a serial number that every adapter of a maker has', async () => {
    for (const number of ['0001', '0', '', '123456', '0123456789ABCDEF']) {
      const waiting = wait(
        { address: '/dev/ttyUSB0', usb: usb(number) },
        { ports: [serialPort('/dev/ttyUSB1', usb(number))] },
      );
      await waiting.timer.move(500);
      assert.equal(waiting.end(), undefined, number);
      waiting.state.ports = [serialPort('/dev/ttyUSB0', usb(number))];
      await waiting.timer.move(250);
      assert.equal(waiting.end(), '/dev/ttyUSB0');
    }
  });

  it('knows a port by its stable name too', async () => {
    const byId = '/dev/serial/by-id/usb-adapter-if00';
    const ports = [{ address: '/dev/ttyUSB3', stableName: byId }];
    assert.equal((await wait({ address: byId }, { ports }).result).address, '/dev/ttyUSB3');
  });

  it('ends when it is cancelled, before or meanwhile', async () => {
    const abort = new AbortController();
    const waiting = wait({ address: 'virtual:bench-1' }, { signal: abort.signal });
    await settled();
    abort.abort();
    await assert.rejects(waiting.result, { code: 'CANCELLED' });
    await settled();
    assert.equal(waiting.timer.pending, 0);
    const late = wait({ address: 'virtual:bench-1' }, { signal: abort.signal });
    await assert.rejects(late.result, { code: 'CANCELLED' });
    plug('bench-1');
    assert.equal(late.timer.pending, 0);
  });

  it('says when the time is over, what it waited for, and why looking failed', async () => {
    const waiting = wait({ address: '/dev/ttyACM0', usb: usb('A0:B1') }, {});
    waiting.state.failure = new Error('no access');
    await waiting.timer.move(9_999);
    assert.equal(waiting.end(), undefined);
    await waiting.timer.move(1);
    await assert.rejects(waiting.result, (error: Error & { code: string }) => {
      assert.equal(error.code, 'DEVICE_NOT_BACK');
      assert.match(error.message, /\/dev\/ttyACM0 \(USB serial number A0:B1\) did not come back within 10 s/);
      assert.match(String(error.cause), /no access/);
      return true;
    });
    assert.equal(waiting.timer.pending, 0);
  });

  it('refuses an address that names no port', async () => {
    await assert.rejects(waitForDevice({ address: 'nowhere' }, { timeoutMs: 1 }), { code: 'BAD_ADDRESS' });
  });

  it('asks a port server until it answers and keeps the connection', async () => {
    let hangUp = true;
    let asked = 0;
    const server = net.createServer((socket) => {
      asked += 1;
      socket.on('error', () => undefined);
      if (hangUp) socket.destroy();
      hangUp = false;
    });
    try {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as net.AddressInfo;
      const options = { timeoutMs: 10_000, intervalMs: 5 };
      const found = await waitForDevice({ address: `tcp://127.0.0.1:${port}` }, options);
      assert.deepEqual([found.kind, found.address, asked], ['tcp', `tcp://127.0.0.1:${port}`, 2]);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('gives up on a port server that is not there', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(
      waitForDevice({ address: `rfc2217://127.0.0.1:${port}` }, { timeoutMs: 30, intervalMs: 5 }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'DEVICE_NOT_BACK');
        assert.match(String(error.cause), /refuses the connection/);
        return true;
      },
    );
  });
});
