import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { slipEncode } from '../../../lib/esp/slip.ts';
import { Bench, dataBlock, esptoolJsStub, noise, parse, request, syncBody, words } from './bench.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('virtual chip: ROM loader', () => {
  it('prints its banner at 115200 and waits for download when IO0 was low', async () => {
    const bench = new Bench();
    await bench.reset();
    assert.match(bench.text, /ESP-ROM:esp32c3[\s\S]*boot:0x4 \(DOWNLOAD[\s\S]*waiting for download\r\n$/);
  });

  it('answers SYNC eight times with a value that is not 0, and nothing before', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.write(slipEncode(request(0x0a, words(0x40001000))));
    assert.equal(await bench.frameWithin(100), undefined);
    await bench.write(slipEncode(request(0x08, syncBody())));
    for (let i = 0; i < 8; i++) {
      const reply = parse(await bench.frame());
      assert.equal(reply.op, 0x08);
      assert.notEqual(reply.value, 0);
      assert.equal(hex(reply.body), '00000000');
    }
    assert.equal(await bench.frameWithin(100), undefined);
    assert.equal((await bench.ok(0x0a, words(0x40001000))).value, 0x1b31506f);
  });

  it('measures the rate of the first SYNC, and hears noise at any other after', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.link.setBaudRate(460800);
    await bench.sync();
    await bench.ok(0x0a, words(0));
    await bench.link.setBaudRate(115200);
    await bench.write(slipEncode(request(0x0a, words(0))));
    assert.equal(await bench.frameWithin(200), undefined);
  });

  it('loses what arrives before it listens', async () => {
    const bench = new Bench();
    await bench.link.setLines({ dtr: false, rts: true });
    await bench.clock.advance(100);
    await bench.link.setLines({ dtr: true, rts: false });
    await bench.clock.advance(6);
    await bench.write(slipEncode(request(0x08, syncBody())));
    assert.equal(await bench.frameWithin(200), undefined);
  });

  it('says of a command it does not know 0105, eight times, under another opcode, 14 bytes each', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    bench.received.length = 0;
    const first = await bench.ask(0xd0, new Uint8Array(0));
    assert.notEqual(first.op, 0xd0);
    assert.equal(hex(first.body), '01050000');
    await bench.clock.advance(100);
    assert.equal(bench.received.length, 8 * 14);
  });

  it('reports MAC, package, revision, chip id and security where hosts look for them', async () => {
    const bench = new Bench({ mac: '60:55:f9:aa:bb:cc', security: { secureBoot: 'v2', flashCryptCount: 1 } });
    await bench.reset();
    await bench.sync();
    assert.equal((await bench.ok(0x0a, words(0x60008844))).value, 0xf9aabbcc);
    assert.equal((await bench.ok(0x0a, words(0x60008848))).value, 0x6055);
    assert.equal(((await bench.ok(0x0a, words(0x60008850))).value >>> 18) & 7, 4);
    assert.equal(((await bench.ok(0x0a, words(0x60008834))).value >>> 18) & 7, 1);
    assert.equal(((await bench.ok(0x0a, words(0x60008838))).value >>> 20) & 1, 1);
    const { body } = await bench.ask(0x14, new Uint8Array(0));
    assert.equal(body.length, 24);
    assert.equal(hex(body), '01000000010409000000000c0500000003000000' + '00000000');
  });

  it('does not let efuses and ROM be written', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x09, words(0x60008844, 0, 0xffffffff, 0));
    assert.equal((await bench.ok(0x0a, words(0x60008844))).value, 0xf9000001);
    await bench.ok(0x09, words(0x60002018, 0xffff, 0x00ff, 0));
    assert.equal((await bench.ok(0x0a, words(0x60002018))).value, 0xff);
  });

  it('reads the flash id through the SPI controller once the pins are attached', async () => {
    const bench = new Bench({ flashSize: 0x200000 });
    await bench.reset();
    await bench.sync();
    const rdid = async (): Promise<number> => {
      const spi = 0x60002000;
      for (const [at, value] of [
        [0x28, 23],
        [0x18, 0x90000000],
        [0x20, 0x7000009f],
        [0x58, 0],
        [0, 1 << 18],
      ] as const) {
        await bench.ok(0x09, words(spi + at, value, 0xffffffff, 0));
      }
      assert.equal((await bench.ok(0x0a, words(spi))).value & (1 << 18), 0);
      return (await bench.ok(0x0a, words(spi + 0x58))).value;
    };
    assert.equal(await rdid(), 0xffffff);
    await bench.ok(0x0d, words(0, 0));
    assert.equal(await rdid(), 0x1540ef);
  });

  it('refuses a block with a wrong checksum (07) and one of another length than it says (05)', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x05, words(64, 1, 64, 0x40380000));
    const [data, sum] = dataBlock(noise(64), 0);
    assert.equal(hex((await bench.ask(0x07, data, sum ^ 1)).body), '01070000');
    assert.equal(hex((await bench.ask(0x07, data.subarray(0, 70), sum)).body), '01050000');
    await bench.ok(0x07, data, sum);
  });

  it('refuses RAM that is none (0F), too much of it (0E), and blocks it cannot take (05)', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    assert.equal(hex((await bench.ask(0x05, words(64, 1, 64, 0x10000000))).body), '010f0000');
    assert.equal(hex((await bench.ask(0x05, words(0x100000, 1, 64, 0x40380000))).body), '010e0000');
    assert.equal(hex((await bench.ask(0x05, words(0x4000, 1, 0x4000, 0x40380000))).body), '01050000');
    assert.equal(hex((await bench.ask(0x02, words(0x4000, 1, 0x4000, 0, 0))).body), '01050000');
  });

  it('erases up front, writes before it replies, and answers MD5 in hex digits', async () => {
    const bench = new Bench({ flashTiming: true });
    bench.chip.flash.fill(0);
    await bench.reset();
    await bench.sync();
    assert.equal(hex((await bench.ask(0x02, words(0x1000, 4, 0x400, 0x1000, 0))).body), '01060000', 'not attached yet');
    await bench.ok(0x0d, words(0, 0));
    await bench.ok(0x0b, words(0, 0x400000, 0x10000, 0x1000, 0x100, 0xffff));
    const before = bench.clock.now();
    await bench.ok(0x02, words(0x1800, 6, 0x400, 0x1000, 0));
    assert.ok(bench.clock.now() - before >= 90, 'two sectors take 45 ms each');
    assert.ok(bench.chip.flash.subarray(0x1000, 0x3000).every((byte) => byte === 0xff));
    assert.equal(bench.chip.flash[0x3000], 0);
    const image = noise(0x400);
    await bench.ok(0x03, ...dataBlock(image, 0));
    assert.deepEqual(Buffer.from(bench.chip.flash.subarray(0x1000, 0x1400)), Buffer.from(image));
    const { body } = await bench.ask(0x13, words(0x1000, 0x400, 0, 0));
    assert.equal(Buffer.from(body.subarray(0, 32)).toString(), createHash('md5').update(image).digest('hex'));
    assert.equal(body.length, 36);
  });

  it('inflates, and tells bad data (0B) from a wrong Adler-32 (0C)', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x0d, words(0, 0));
    const plain = noise(600);
    const packed = deflateSync(plain);
    await bench.ok(0x10, words(0x400, 1, 0x400, 0x2000, 0));
    await bench.ok(0x11, ...dataBlock(packed, 0));
    assert.deepEqual(Buffer.from(bench.chip.flash.subarray(0x2000, 0x2258)), Buffer.from(plain));
    packed[packed.length - 1] = (packed.at(-1) as number) ^ 1;
    await bench.ok(0x10, words(0x400, 1, 0x400, 0x3000, 0));
    assert.equal(hex((await bench.ask(0x11, ...dataBlock(packed, 0))).body), '010c0000');
    await bench.ok(0x10, words(0x400, 1, 0x400, 0x3000, 0));
    assert.equal(hex((await bench.ask(0x11, ...dataBlock(noise(200, 9), 0))).body), '010b0000');
  });

  it('does not write beyond the flash size it was told', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x0d, words(0, 0));
    assert.equal(hex((await bench.ask(0x02, words(0x1000, 4, 0x400, 0x200000, 0))).body), '01060000');
    await bench.ok(0x0b, words(0, 0x400000, 0x10000, 0x1000, 0x100, 0xffff));
    await bench.ok(0x02, words(0x1000, 4, 0x400, 0x200000, 0));
  });

  it('always gives 64 bytes to READ_FLASH_SLOW', async () => {
    const bench = new Bench({ flash: noise(0x1000) });
    await bench.reset();
    await bench.sync();
    await bench.ok(0x0d, words(0, 0));
    const { body } = await bench.ask(0x0e, words(0x10, 20));
    assert.equal(body.length, 68);
    assert.deepEqual(Buffer.from(body.subarray(0, 20)), Buffer.from(noise(0x1000).subarray(0x10, 0x24)));
    assert.equal(hex((await bench.ask(0x0e, words(0, 65))).body), '010a0000');
  });

  it('acknowledges a new rate at the old one', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x0f, words(921600, 0));
    await bench.clock.advance(5);
    await bench.link.setBaudRate(921600);
    await bench.ok(0x0a, words(0));
  });

  it('runs a stub that it knows whole, and greets', async () => {
    const bench = new Bench();
    await bench.startStub();
    assert.equal((await bench.ok(0x08, syncBody())).value, 0);
  });

  for (const [what, change] of [
    ['half uploaded', (bytes: Uint8Array) => bytes.subarray(0, 0x800)],
    ['with one bit wrong', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 77 ? byte ^ 1 : byte))],
  ] as const) {
    it(`crashes on a stub ${what}, says so and boots`, async () => {
      const bench = new Bench();
      await bench.reset();
      await bench.sync();
      const stub = esptoolJsStub();
      const [text, data] = stub.segments;
      if (text === undefined || data === undefined) throw new Error('no stub');
      await bench.upload({ entry: stub.entry, segments: [{ ...text, bytes: change(text.bytes) }, data] });
      await bench.clock.advance(100);
      assert.match(bench.text, /Guru Meditation Error: Core {2}0 panic'ed \(Illegal instruction\)/);
      assert.match(bench.text, /rst:0xc [\s\S]*boot:0xc \(SPI_FAST_FLASH_BOOT\)/);
    });
  }

  it('crashes when the entry is not where the stub begins', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.upload({ ...esptoolJsStub(), entry: 0x40380000 });
    await bench.clock.advance(50);
    assert.match(bench.text, /Guru Meditation/);
  });

  it('stays when MEM_END names no entry', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x05, words(64, 1, 64, 0x40380000));
    await bench.ok(0x06, words(1, 0));
    await bench.ok(0x0a, words(0));
  });

  it('starts the app after FLASH_END, and resets on request', async () => {
    for (const [flag, expected] of [
      [0, /rst:0x3[\s\S]*boot:0xc/],
      [1, /invalid header/],
    ] as const) {
      const bench = new Bench();
      await bench.reset();
      await bench.sync();
      await bench.ok(0x0d, words(0, 0));
      await bench.ok(0x02, words(0, 0, 0x400, 0, 0));
      await bench.ok(0x04, words(flag));
      await bench.clock.advance(200);
      assert.match(bench.text, expected);
    }
  });

  it('is reset by the RTC watchdog, once it is unlocked', async () => {
    const bench = new Bench();
    await bench.reset();
    await bench.sync();
    await bench.ok(0x09, words(0x60008094, 2000, 0xffffffff, 0));
    await bench.ok(0x09, words(0x60008090, 0x80000000, 0xffffffff, 0));
    await bench.clock.advance(100);
    assert.equal(bench.log.filter((line) => line.startsWith('rst:')).length, 1);
    await bench.ok(0x09, words(0x600080a8, 0x50d83aa1, 0xffffffff, 0));
    await bench.ok(0x09, words(0x60008094, 2000, 0xffffffff, 0));
    await bench.ok(0x09, words(0x60008090, 0xd0000102, 0xffffffff, 0));
    await bench.clock.advance(100);
    assert.match(bench.text, /rst:0x10 [\s\S]*boot:0xc/);
  });
});
