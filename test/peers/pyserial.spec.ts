import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { isKeywayError } from '../../lib/errors/index.ts';
import { type Link, openLink } from '../../lib/link/index.ts';

/** A server of one client, made of PySerial's PortManager; what is written to the port comes back from it. */
const SERVER = `
import json, socket, sys, threading, serial, serial.rfc2217
port = serial.serial_for_url('loop://', timeout=0.05)
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(1)
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
lock = threading.Lock()
class Wire:
    def write(self, data):
        with lock:
            client.sendall(data)
wire = Wire()
manager = serial.rfc2217.PortManager(port, wire)
def read_port():
    while True:
        data = port.read(port.in_waiting or 1)
        if data:
            wire.write(b''.join(manager.escape(data)))
def answer():
    for _ in sys.stdin:
        print(json.dumps({'dtr': port.dtr, 'rts': port.rts, 'baudRate': port.baudrate, 'bits': port.bytesize,
                          'parity': port.parity, 'stop': port.stopbits, 'rtscts': port.rtscts}), flush=True)
    client.shutdown(socket.SHUT_RDWR)
threading.Thread(target=read_port, daemon=True).start()
threading.Thread(target=answer, daemon=True).start()
while True:
    data = client.recv(1024)
    if not data:
        break
    port.write(b''.join(manager.filter(data)))
`;

interface PortState {
  dtr: boolean;
  rts: boolean;
  baudRate: number;
  bits: number;
  parity: string;
  stop: number;
  rtscts: boolean;
}

async function findPython(): Promise<string | undefined> {
  const esptool = process.env.KEYWAY_ESPTOOL;
  const places = [...(esptool === undefined || esptool === '' ? [] : [join(dirname(esptool), 'python')]), 'python3'];
  for (const python of places) {
    const works = await new Promise<boolean>((resolve) => {
      execFile(python, ['-c', 'import serial.rfc2217'], (error) => resolve(error === null));
    });
    if (works) return python;
  }
  return undefined;
}

describe("peers: PySerial's RFC 2217 server", function () {
  this.timeout(60_000);
  let python: string;
  let server: ChildProcess;
  let lines: AsyncIterator<string>;
  let link: Link;

  before(async function () {
    const found = await findPython();
    if (found === undefined) {
      if (process.env.KEYWAY_PEERS === 'required') {
        throw new Error('no python with pyserial found, and KEYWAY_PEERS is "required"');
      }
      console.log('    left out: no python with pyserial found');
      this.skip();
    }
    python = found;
  });

  beforeEach(async () => {
    server = spawn(python, ['-c', SERVER], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (server.stdout === null) throw new Error('no output');
    lines = createInterface(server.stdout)[Symbol.asyncIterator]();
    const port = (await lines.next()).value;
    // PySerial's own client grants its servers 3 s an answer; this one answers in milliseconds when it is alone.
    link = await openLink(`rfc2217://127.0.0.1:${port}`, { owner: 'peer test', timeoutMs: 20_000 });
  });

  afterEach(async () => {
    await link?.close();
    server?.kill();
  });

  const state = async (): Promise<PortState> => {
    server.stdin?.write('?\n');
    return JSON.parse((await lines.next()).value) as PortState;
  };

  it('agrees with us on 8N1, no flow control, both lines released', async () => {
    assert.deepEqual(await state(), {
      dtr: false,
      rts: false,
      baudRate: 115_200,
      bits: 8,
      parity: 'N',
      stop: 1,
      rtscts: false,
    });
  });

  it('carries every byte value there and back', async () => {
    // All values after each other, and those that Telnet treats specially beside each other.
    const sent = Buffer.concat([
      Buffer.from(Array.from({ length: 4096 }, (_, i) => (i + (i >> 8)) & 0xff)),
      Buffer.alloc(64, 0xff),
      Buffer.from([0xff, 0xfa, 0x2c, 0x01, 0xff, 0xf0, 0x0d, 0x0a, 0x0d, 0x00, 0xff]),
    ]);
    const got: Uint8Array[] = [];
    const all = new Promise<Buffer>((resolve) => {
      link.onData((chunk) => {
        got.push(chunk);
        const bytes = Buffer.concat(got);
        if (bytes.length >= sent.length) resolve(bytes);
      });
    });
    // The port's buffer holds 4096 bytes and its reader sleeps: in pieces, as a loader is spoken to.
    for (let at = 0; at < sent.length; at += 512) await link.write(sent.subarray(at, at + 512));
    assert.equal(Buffer.compare(await all, sent), 0);
  });

  it('sets both lines as we say', async () => {
    for (const [dtr, rts] of [
      [true, true],
      [false, true],
      [true, false],
      [false, false],
    ] as const) {
      await link.setLines({ dtr, rts });
      const { dtr: itsDtr, rts: itsRts } = await state();
      assert.deepEqual([itsDtr, itsRts], [dtr, rts]);
    }
  });

  it('changes the rate in place, and data still passes', async () => {
    for (const baudRate of [921_600, 74_880, 2_000_000, 115_200]) {
      await link.setBaudRate(baudRate);
      assert.equal((await state()).baudRate, baudRate);
    }
    const echo = new Promise<Uint8Array>((resolve) => {
      link.onData(resolve);
    });
    await link.write(Uint8Array.of(0xc0));
    assert.deepEqual([...(await echo)], [0xc0]);
  });

  it('goes away, and we say PORT_GONE', async () => {
    const gone = new Promise<Error | undefined>((resolve) => {
      link.onClose(resolve);
    });
    server.stdin?.end();
    assert.ok(isKeywayError(await gone, 'PORT_GONE'));
    assert.equal(link.isOpen, false);
  });
});
