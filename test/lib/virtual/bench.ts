import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SlipDecoder, slipEncode } from '../../../lib/esp/slip.ts';
import { createMemoryPair, type Link } from '../../../lib/link/index.ts';
import { type LineMode, ManualClock, VirtualChip, type VirtualChipOptions } from '../../../lib/virtual/index.ts';

/** A bare host for a virtual chip under a clock that stands still: sends what it is told, keeps what it gets. */
export class Bench {
  readonly clock = new ManualClock();
  readonly chip: VirtualChip;
  readonly link: Link;
  readonly log: string[] = [];
  readonly trace: string[] = [];
  /** Everything the host received. */
  readonly received: number[] = [];
  readonly #decoder: SlipDecoder;
  #frames: Uint8Array[] = [];
  #inStub = false;
  #waiting: ((frame: Uint8Array | undefined) => void) | undefined;

  constructor(options: Partial<VirtualChipOptions> = {}) {
    this.chip = new VirtualChip({
      model: 'esp32c3',
      mac: '60:55:f9:00:00:01',
      line: 'paced',
      clock: this.clock,
      ...options,
    });
    this.chip.on('log', (line) => this.log.push(line));
    this.chip.on('trace', (line) => this.trace.push(line));
    const { host, device } = createMemoryPair({ name: 'bench' });
    this.link = host;
    this.chip.attach(device);
    this.#decoder = new SlipDecoder({ frame: (frame) => this.#take(frame) });
    host.onData((chunk) => {
      this.received.push(...chunk);
      this.#decoder.push(chunk);
    });
  }

  get text(): string {
    return Buffer.from(this.received).toString('latin1');
  }

  /** EN low, then up with IO0 low, as hosts do it. */
  async reset(download = true): Promise<void> {
    this.#inStub = false;
    await this.link.setLines({ dtr: false, rts: true });
    await this.clock.advance(100);
    await this.link.setLines({ dtr: download, rts: false });
    await this.clock.advance(50);
    await this.link.setLines({ dtr: false, rts: false });
    await this.clock.advance(20);
    this.#decoder.reset();
    this.#frames = [];
  }

  async sync(): Promise<Reply> {
    const reply = await this.ask(0x08, syncBody());
    await this.clock.advance(50);
    this.#frames = [];
    return reply;
  }

  /** Reset, SYNC, stub. */
  async startStub(stub = esptoolJsStub()): Promise<void> {
    await this.reset();
    await this.sync();
    await this.upload(stub);
    const greeting = await this.frame();
    if (Buffer.from(greeting).toString() !== 'OHAI')
      throw new Error(`no stub: ${Buffer.from(greeting).toString('hex')}`);
    this.#inStub = true;
  }

  async upload({ segments, entry }: Stub, blockSize = 0x1800): Promise<Reply> {
    for (const { address, bytes } of segments) {
      const blocks = Math.ceil(bytes.length / blockSize);
      await this.ok(0x05, words(bytes.length, blocks, blockSize, address));
      for (let i = 0; i < blocks; i++)
        await this.ok(0x07, ...dataBlock(bytes.subarray(i * blockSize, (i + 1) * blockSize), i));
    }
    return this.ask(0x06, words(0, entry));
  }

  /** Sends a request and takes the next frame as its reply. */
  async ask(op: number, data: Uint8Array, sum = 0, limitMs = 10_000): Promise<Reply> {
    await this.write(slipEncode(request(op, data, sum)));
    return parse(await this.frame(limitMs));
  }

  /** The same, and it must go well. */
  async ok(op: number, data: Uint8Array, sum = 0): Promise<Reply> {
    const reply = await this.ask(op, data, sum);
    const status = this.#status(reply);
    if (status !== 0 || reply.op !== op)
      throw new Error(`op ${op.toString(16)}: ${Buffer.from(reply.body).toString('hex')}`);
    return reply;
  }

  /** ROM replies end in four bytes of status, the stub's in two. */
  #status({ body }: Reply): number {
    return this.#inStub ? ((body.at(-2) as number) << 8) | (body.at(-1) as number) : (body.at(-4) as number);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.link.write(bytes);
  }

  async frame(limitMs = 10_000): Promise<Uint8Array> {
    const frame = await this.frameWithin(limitMs);
    if (frame === undefined) throw new Error(`no frame within ${limitMs} ms`);
    return frame;
  }

  /** The next frame; undefined when none comes in time. */
  async frameWithin(limitMs: number): Promise<Uint8Array | undefined> {
    const first = this.#frames.shift();
    if (first !== undefined) return first;
    const arrived = new Promise<Uint8Array | undefined>((resolve) => {
      this.#waiting = resolve;
      this.clock.at(this.clock.now() + limitMs, () => {
        if (this.#waiting !== resolve) return;
        this.#waiting = undefined;
        resolve(undefined);
      });
    });
    return this.clock.run(arrived);
  }

  #take(frame: Uint8Array): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#frames.push(frame);
    else waiting(frame);
  }
}

export interface Reply {
  readonly op: number;
  readonly value: number;
  /** Data and status. */
  readonly body: Uint8Array;
}

export function parse(frame: Uint8Array): Reply {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return { op: frame[1] as number, value: view.getUint32(4, true), body: frame.slice(8) };
}

export function request(op: number, data: Uint8Array, sum = 0): Uint8Array {
  const out = new Uint8Array(8 + data.length);
  const view = new DataView(out.buffer);
  out[1] = op;
  view.setUint16(2, data.length, true);
  view.setUint32(4, sum, true);
  out.set(data, 8);
  return out;
}

export function words(...values: number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4);
  const view = new DataView(out.buffer);
  for (const [i, value] of values.entries()) view.setUint32(i * 4, value >>> 0, true);
  return out;
}

/** Payload and checksum of a *_DATA command. */
export function dataBlock(bytes: Uint8Array, sequence: number): [Uint8Array, number] {
  const out = new Uint8Array(16 + bytes.length);
  out.set(words(bytes.length, sequence, 0, 0));
  out.set(bytes, 16);
  return [out, bytes.reduce((sum, byte) => sum ^ byte, 0xef)];
}

export function syncBody(): Uint8Array {
  return Uint8Array.from([7, 7, 0x12, 0x20, ...new Array<number>(32).fill(0x55)]);
}

export interface Stub {
  readonly entry: number;
  readonly segments: readonly { readonly address: number; readonly bytes: Uint8Array }[];
}

/** The stub that esptool-js ships for the chip. */
export function esptoolJsStub(chip = 'esp32c3'): Stub {
  const path = fileURLToPath(import.meta.resolve('esptool-js')).replace(
    /index\.js$/,
    `targets/stub_flasher/${chip}.json`,
  );
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<'entry' | 'text_start' | 'data_start', number> &
    Record<'text' | 'data', string>;
  return {
    entry: json.entry,
    segments: [
      { address: json.text_start, bytes: Buffer.from(json.text, 'base64') },
      { address: json.data_start, bytes: Buffer.from(json.data, 'base64') },
    ],
  };
}

/** Bytes that repeat on every run and hardly compress. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 16) & 0xff;
  });
}

export const MODES: readonly LineMode[] = ['paced', 'free'];
