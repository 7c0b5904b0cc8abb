import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { slipEncode } from '../../../lib/esp/slip.ts';
import { Bench, dataBlock, noise, request, syncBody, words } from './bench.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const BLOCK = 0x4000;

/** What the stub's flash holds, as its own MD5 says. */
async function md5(bench: Bench, offset: number, size: number): Promise<string> {
  return hex((await bench.ok(0x13, words(offset, size, 0, 0))).body.subarray(0, 16));
}

function blocks(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / BLOCK) }, (_, i) => bytes.subarray(i * BLOCK, (i + 1) * BLOCK));
}

async function writeDeflated(bench: Bench, plain: Uint8Array, offset: number): Promise<void> {
  const parts = blocks(deflateSync(plain, { level: 9 }));
  await bench.ok(0x10, words(plain.length, parts.length, BLOCK, offset, 0));
  for (const [i, part] of parts.entries()) await bench.ok(0x11, ...dataBlock(part, i));
}

describe('virtual chip: flasher stub', () => {
  it('writes a deflated image cut into 16 KB blocks, and answers MD5 in raw bytes and two of status', async () => {
    const bench = new Bench();
    await bench.startStub();
    const plain = noise(100_000);
    await writeDeflated(bench, plain, 0x10000);
    const { body } = await bench.ask(0x13, words(0x10000, plain.length, 0, 0));
    assert.equal(body.length, 18);
    assert.equal(hex(body.subarray(0, 16)), createHash('md5').update(plain).digest('hex'));
    assert.deepEqual(Buffer.from(bench.chip.flash.subarray(0x10000, 0x10000 + plain.length)), Buffer.from(plain));
    assert.equal(hex((await bench.ask(0x12, words(1))).body), '0000');
  });

  it('writes plain blocks at an offset that is not aligned, and takes the neighbours of the last sector along', async () => {
    const bench = new Bench();
    bench.chip.flash.fill(0x11);
    await bench.startStub();
    const plain = noise(0x1200);
    await bench.ok(0x02, words(plain.length, 1, BLOCK, 0x8000, 0));
    await bench.ok(0x03, ...dataBlock(plain, 0));
    assert.equal(await md5(bench, 0x8000, plain.length), createHash('md5').update(plain).digest('hex'));
    assert.ok(
      bench.chip.flash.subarray(0x9200, 0xa000).every((byte) => byte === 0xff),
      'rest of the last sector',
    );
    assert.equal(bench.chip.flash[0xa000], 0x11);
    assert.equal(bench.chip.flash[0x7fff], 0x11);
  });

  it('answers MD5 of a region that is not aligned', async () => {
    const bench = new Bench({ flash: noise(0x2000) });
    await bench.startStub();
    const part = noise(0x2000).subarray(3, 0x1007);
    assert.equal(await md5(bench, 3, part.length), createHash('md5').update(part).digest('hex'));
    assert.equal(hex((await bench.ask(0x13, words(0x3ff000, 0x2000, 0, 0))).body), 'c400');
  });

  it('acknowledges a block before it works on it, and the next only when that is done', async () => {
    const bench = new Bench({ flashTiming: true });
    bench.chip.flash.fill(0);
    await bench.startStub();
    await bench.ok(0x0f, words(2_000_000, 115200));
    await bench.clock.advance(5);
    await bench.link.setBaudRate(2_000_000);
    const parts = blocks(noise(3 * BLOCK));
    await bench.ok(0x02, words(3 * BLOCK, 3, BLOCK, 0x10000, 0));
    const times: number[] = [];
    for (const [i, part] of parts.entries()) {
      const sent = bench.clock.now();
      await bench.ok(0x03, ...dataBlock(part, i));
      times.push(bench.clock.now() - sent);
    }
    const line = (16_400 * 10_000) / 2_000_000;
    assert.ok((times[0] as number) < line * 1.02 + 1, 'the first ACK does not wait for the flash');
    assert.ok((times[1] as number) > 3 * 45 + 64 * 0.4, 'the second waits for four sectors to be erased');
  });

  it('drops what is sent ahead of the acknowledgements once both buffers are taken', async () => {
    for (const line of ['paced', 'free'] as const) {
      const bench = new Bench({ flashTiming: true, line });
      bench.chip.flash.fill(0);
      await bench.startStub();
      await bench.ok(0x02, words(4 * BLOCK, 4, BLOCK, 0x10000, 0));
      let acknowledged = 0;
      bench.chip.on('command', ({ op }) => {
        if (op === 0x03) acknowledged++;
      });
      // Small frames arrive faster than the flash takes them.
      for (let i = 0; i < 12; i++) await bench.write(slipEncode(request(0x03, ...dataBlock(noise(64, i), i))));
      await bench.clock.advance(3000);
      assert.ok(acknowledged >= 2 && acknowledged < 12, `${line}: ${acknowledged} of 12 acknowledged`);
      if (line === 'free') assert.equal(acknowledged, 2, 'one buffer is worked on, one is full');
      const first = Buffer.concat([noise(64, 0), noise(64, 1)]);
      assert.deepEqual(Buffer.from(bench.chip.flash.subarray(0x10000, 0x10080)), first, 'the first two are kept');
    }
  });

  it('reports what went wrong after an ACK with the next command, which is not carried out', async () => {
    const bench = new Bench();
    await bench.startStub();
    await bench.ok(0x10, words(1000, 1, BLOCK, 0x10000, 0));
    await bench.ok(0x11, ...dataBlock(Uint8Array.of(0x78, 0x9c, 0xff, 0xff, 0xff, 0xff), 0));
    const { body, value } = await bench.ask(0x0a, words(0x40001000));
    assert.equal(hex(body), 'c700');
    assert.equal(value, 0);
    assert.equal(await bench.frameWithin(50), undefined, 'one reply, no more');
    assert.equal((await bench.ok(0x0a, words(0x40001000))).value, 0x1b31506f);
  });

  it('says C000 at the end when data is missing, and goes on when it is complete', async () => {
    const bench = new Bench();
    await bench.startStub();
    const parts = blocks(noise(BLOCK + 100));
    await bench.ok(0x02, words(BLOCK + 100, 2, BLOCK, 0x10000, 0));
    await bench.ok(0x03, ...dataBlock(parts[0] as Uint8Array, 0));
    assert.equal(hex((await bench.ask(0x04, words(1))).body), 'c000');
    await bench.ok(0x03, ...dataBlock(parts[1] as Uint8Array, 1));
    await bench.ok(0x04, words(0));
    assert.equal((await bench.ok(0x08, syncBody())).value, 0, 'a wish to reboot is answered and not granted');
  });

  it('knows its refusals: C1, C9, C8, C6, C3, C0', async () => {
    const bench = new Bench();
    await bench.startStub();
    const [data, sum] = dataBlock(noise(64), 0);
    assert.equal(hex((await bench.ask(0x03, data, sum)).body), 'c600');
    await bench.ok(0x02, words(64, 1, BLOCK, 0x10000, 0));
    assert.equal(hex((await bench.ask(0x03, data, sum ^ 1)).body), 'c100');
    assert.equal(hex((await bench.ask(0x03, data.subarray(0, 40), sum)).body), 'c900');
    assert.equal(hex((await bench.ask(0x03, data.subarray(0, 8), sum)).body), 'c800');
    assert.equal(hex((await bench.ask(0x77, new Uint8Array(0))).body), 'c300');
    assert.equal(hex((await bench.ask(0x02, words(1, 2))).body), 'c000');
    assert.equal(hex((await bench.ask(0xd1, words(0x1001, 0x1000))).body), 'c000');
  });

  it('refuses more deflated data than the region has (C9), and hangs on a stream that goes beyond it', async () => {
    const bench = new Bench();
    await bench.startStub();
    await writeDeflated(bench, noise(200), 0x10000);
    assert.equal(hex((await bench.ask(0x11, ...dataBlock(noise(20), 1))).body), 'c900');
    await bench.ok(0x10, words(200, 1, BLOCK, 0x10000, 0));
    await bench.ok(0x11, ...dataBlock(deflateSync(noise(0x1100)), 0));
    await bench.write(slipEncode(request(0x08, syncBody())));
    assert.equal(await bench.frameWithin(5000), undefined);
  });

  it('throws away a block whose checksum is wrong (C1), plain or deflated, and takes it when it comes again', async () => {
    const plain = noise(0x1000);
    const packed = deflateSync(plain);
    for (const [begin, data, part] of [
      [0x02, 0x03, plain],
      [0x10, 0x11, packed],
    ] as const) {
      const bench = new Bench();
      await bench.startStub();
      await bench.ok(begin, words(plain.length, 1, BLOCK, 0x10000, 0));
      const [body, sum] = dataBlock(part, 0);
      assert.equal(hex((await bench.ask(data, body, sum ^ 1)).body), 'c100');
      assert.equal(bench.chip.flash[0x10000], 0xff, 'nothing was written');
      await bench.ok(data, body, sum);
      assert.equal(await md5(bench, 0x10000, plain.length), createHash('md5').update(plain).digest('hex'));
    }
  });

  it('compares the Adler-32 of a stream that comes in one block', async () => {
    const bench = new Bench();
    await bench.startStub();
    const packed = deflateSync(noise(300));
    packed[packed.length - 2] = (packed.at(-2) as number) ^ 0x10;
    await bench.ok(0x10, words(300, 1, BLOCK, 0x10000, 0));
    await bench.ok(0x11, ...dataBlock(packed, 0));
    assert.equal(hex((await bench.ask(0x12, words(1))).body), 'c700');
  });

  it('drops a frame with a bad escape or without an end in silence, and is turned inside out until an END is added', async () => {
    for (const spoil of [
      (frame: Uint8Array) => Uint8Array.from([...frame.subarray(0, 5), 0xdb, 0x11, ...frame.subarray(5)]),
      (frame: Uint8Array) => Uint8Array.from([...frame.subarray(0, -1), ...new Uint8Array(BLOCK + 300), 0xc0]),
    ]) {
      const bench = new Bench();
      await bench.startStub();
      await bench.write(spoil(slipEncode(request(0x08, syncBody()))));
      assert.equal(await bench.frameWithin(3000), undefined);
      await bench.write(slipEncode(request(0x08, syncBody())));
      assert.equal(await bench.frameWithin(1000), undefined, 'still inside out');
      await bench.write(Uint8Array.of(0xc0));
      await bench.ok(0x08, syncBody());
    }
  });

  it('erases regions of whole sectors and the whole chip', async () => {
    const bench = new Bench();
    bench.chip.flash.fill(0);
    await bench.startStub();
    await bench.ok(0xd1, words(0x1000, 0x2000));
    assert.equal(bench.chip.flash.indexOf(0xff), 0x1000);
    assert.equal(bench.chip.flash.lastIndexOf(0xff), 0x2fff);
    await bench.ok(0xd0, new Uint8Array(0));
    assert.ok(bench.chip.flash.every((byte) => byte === 0xff));
  });

  it('reads flash a packet at a time, whatever was asked for, with the MD5 of all at the end', async () => {
    const content = noise(0x3000);
    const bench = new Bench({ flash: content });
    await bench.startStub();
    await bench.ok(0xd2, words(0x10, 0x2800, 0x1000, 64));
    const read: number[] = [];
    while (read.length < 0x2800) {
      read.push(...(await bench.frame()));
      assert.equal(await bench.frameWithin(100), undefined, 'nothing before the acknowledgement');
      await bench.write(slipEncode(words(read.length)));
    }
    assert.deepEqual(Buffer.from(read), Buffer.from(content.subarray(0x10, 0x2810)));
    assert.equal(hex(await bench.frame()), createHash('md5').update(Uint8Array.from(read)).digest('hex'));
    await bench.ok(0x08, syncBody());
  });

  it('ends a read when something else than an acknowledgement comes, and refuses packets over 4096', async () => {
    const bench = new Bench();
    await bench.startStub();
    await bench.ok(0xd2, words(0, 0x2000, 0x1000, 64));
    await bench.frame();
    await bench.write(slipEncode(Uint8Array.of(1, 2)));
    assert.equal((await bench.frame()).length, 16);
    await bench.ok(0xd2, words(0, 0x2000, 0x1001, 64));
    assert.equal(hex((await bench.ask(0x08, syncBody())).body), 'c000');
  });

  it('skips the erasing of sectors that are blank', async () => {
    const bench = new Bench({ flashTiming: true });
    await bench.startStub();
    const started = bench.clock.now();
    await writeDeflated(bench, new Uint8Array(0x20000).fill(0x5a), 0x10000);
    await md5(bench, 0x10000, 16);
    const blank = bench.clock.now() - started;
    await writeDeflated(bench, new Uint8Array(0x20000).fill(0x5a), 0x10000);
    await md5(bench, 0x10000, 16);
    assert.ok(bench.clock.now() - started - blank > blank + 200);
  });
});
