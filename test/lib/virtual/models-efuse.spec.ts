import assert from 'node:assert/strict';
import { slipEncode } from '../../../lib/esp/slip.ts';
import { Bench, esptoolJsStub, request, words } from './bench.ts';
import { hex, inRom, MAC, register, spi, write } from './registers.ts';

describe('virtual ESP32', () => {
  const EFUSE = 0x3ff5a000;

  it('has MAC with its CRC, package, revision and security in its efuses', async () => {
    const bench = await inRom({
      model: 'esp32',
      revision: { major: 3, minor: 1 },
      package: 1,
      security: { secureBoot: 'v2', flashCryptCount: 0x7f, manualEncryptDisabled: true },
    });
    const word = (n: number): Promise<number> => register(bench, EFUSE + 4 * n);
    assert.equal(await word(1), 0x28aabbcc);
    assert.equal((await word(2)) & 0xffff, 0x246f);
    // CRC-8/MAXIM of the six bytes, worked out apart from the model.
    const crc = [...Buffer.from(MAC.replaceAll(':', ''), 'hex')].reduce((sum, byte) => {
      let rest = sum ^ byte;
      for (let i = 0; i < 8; i++) rest = rest & 1 ? (rest >> 1) ^ 0x8c : rest >> 1;
      return rest;
    }, 0);
    assert.equal(((await word(2)) >>> 16) & 0xff, crc);
    assert.equal(((await word(3)) >>> 9) & 7, 1);
    assert.equal(((await word(0)) >>> 20) & 0x7f, 0x7f);
    assert.equal((await word(6)) & 0xb0, 0xa0);
    assert.equal(((await word(5)) >>> 24) & 3, 1);
  });

  for (const [major, bits] of [
    [0, [0, 0, 0]],
    [1, [1, 0, 0]],
    [2, [1, 1, 0]],
    [3, [1, 1, 1]],
  ] as const) {
    it(`writes revision ${major} in three places`, async () => {
      const bench = await inRom({ model: 'esp32', revision: { major, minor: 0 } });
      assert.deepEqual(
        [
          ((await register(bench, EFUSE + 12)) >>> 15) & 1,
          ((await register(bench, EFUSE + 20)) >>> 20) & 1,
          (await register(bench, 0x3ff6607c)) >>> 31,
        ],
        bits,
      );
    });
  }

  it('does not know GET_SECURITY_INFO: 0105 from the ROM, FF00 from the stub', async () => {
    const rom = await inRom({ model: 'esp32' });
    const answer = await rom.ask(0x14, new Uint8Array(0));
    assert.notEqual(answer.op, 0x14);
    assert.equal(hex(answer.body), '01050000');
    const stub = new Bench({ model: 'esp32', mac: MAC });
    await stub.startStub(esptoolJsStub('esp32'));
    assert.equal(hex((await stub.ask(0x14, new Uint8Array(0))).body), 'ff00');
  });

  for (const crystal of [40, 26]) {
    it(`shows its ${crystal} MHz crystal in the UART's divider, until the stub runs it from the PLL`, async () => {
      const bench = await inRom({ model: 'esp32', crystal });
      const divider = async (): Promise<number> => (await register(bench, 0x3ff40014)) & 0xfffff;
      assert.equal(await divider(), Math.floor((crystal * 1e6) / 115200));
      await bench.upload(esptoolJsStub('esp32'));
      assert.equal(Buffer.from(await bench.frame()).toString(), 'OHAI');
      await bench.write(slipEncode(request(0x0a, words(0x3ff40014))));
      const reply = await bench.frame();
      assert.equal(new DataView(reply.buffer, reply.byteOffset).getUint32(4, true) & 0xfffff, 694);
    });

    it(`is off by its drift at a new rate (${crystal} MHz), unless the host corrects it as it may`, async () => {
      const bench = await inRom({ model: 'esp32', crystal });
      const counted = ((await register(bench, 0x3ff5f06c)) >>> 7) & 0x01ffffff;
      const believed = (counted * 15625 * ((await register(bench, EFUSE + 16)) & 0xff)) / 40;
      assert.ok(Math.abs(believed / 1e6 / crystal - 1) < 0.02);
      assert.ok(Math.abs(believed / 1e6 / crystal - 1) > 0.005, 'there is something to correct');
      const asked = Math.floor((921600 * believed) / (crystal * 1e6));
      await bench.ok(0x0f, words(asked, 0));
      await bench.link.setBaudRate(921600);
      const sixteenths = await register(bench, 0x3ff40014);
      const rate = (crystal * 1e6) / ((sixteenths & 0xfffff) + ((sixteenths >>> 20) & 15) / 16);
      assert.ok(Math.abs(rate / 921600 - 1) < 0.002, `${rate}`);
    });
  }

  it('finds flash inside the package only on the pins that its efuses name', async () => {
    const bench = await inRom({ model: 'esp32', package: 5 });
    const word3 = await register(bench, EFUSE + 12);
    const word5 = await register(bench, EFUSE + 20);
    const [clk, q, d, cs] = [0, 5, 10, 15].map((at) => (word5 >>> at) & 31) as [number, number, number, number];
    const hd = (word3 >>> 4) & 31;
    assert.deepEqual([clk, q, d, hd, cs], [6, 17, 8, 11, 16]);
    await bench.ok(0x0d, words(0, 0));
    assert.equal(await spi(bench, 0x9f, 24), 0xffffff);
    assert.equal(hex((await bench.ask(0x02, words(0x400, 1, 0x400, 0))).body), '01060000');
    await bench.ok(0x0d, words((hd << 24) | (cs << 18) | (d << 12) | (q << 6) | clk, 0));
    assert.equal(await spi(bench, 0x9f, 24), 0x1640ef);
  });

  it('cannot be reset by its RTC watchdog from outside', async () => {
    const bench = await inRom({ model: 'esp32' });
    await write(bench, 0x3ff480a4, 0x50d83aa1);
    await write(bench, 0x3ff48090, 2000);
    await write(bench, 0x3ff4808c, 0xd0000102);
    await bench.clock.advance(500);
    assert.equal(bench.log.filter((line) => line.startsWith('rst:')).length, 1);
  });
});

describe('virtual ESP32-S3', () => {
  const BLOCK1 = 0x60007044;

  it('has MAC, package, revision, PSRAM, flash and security in its efuses', async () => {
    const bench = await inRom({
      model: 'esp32s3',
      package: 0,
      revision: { major: 1, minor: 9 },
      flashSize: 0x800000,
      embeddedFlash: true,
      psram: 0x400000,
      security: { secureBoot: 'v2', flashCryptCount: 1, manualEncryptDisabled: true },
    });
    const word = (n: number): Promise<number> => register(bench, BLOCK1 + 4 * n);
    assert.equal(await word(0), 0x28aabbcc);
    assert.equal(await word(1), 0x246f);
    assert.equal(((await word(3)) >>> 18) & 7, 1);
    assert.equal(((await word(5)) >>> 23) & 1, 1);
    assert.equal(((await word(5)) >>> 24) & 3, 1);
    assert.equal(((await word(3)) >>> 27) & 7, 1, '8 MB of flash');
    assert.equal(((await word(4)) >>> 3) & 3, 0, '4 MB of PSRAM: the low bits');
    assert.equal(((await word(5)) >>> 19) & 1, 1, 'and the high one');
    assert.equal((await register(bench, 0x60007030)) & (1 << 20), 1 << 20);
    assert.equal(((await register(bench, 0x60007034)) >>> 18) & 7, 1);
    assert.equal((await register(bench, 0x60007038)) & (1 << 20), 1 << 20);
    assert.equal((await register(bench, 0x60007034)) >>> 24, 0x94, 'key 0: XTS-AES-128, key 1: boot digest');
  });

  it('has no revision in the usual place on its first wafers', async () => {
    const bench = await inRom({ model: 'esp32s3', revision: { major: 0, minor: 0 } });
    assert.equal(((await register(bench, BLOCK1 + 20)) >>> 24) & 3, 1, 'used otherwise');
    assert.equal(((await register(bench, BLOCK1 + 12)) >>> 24) & 7, 1);
    assert.equal((await register(bench, 0x6000705c + 16)) & 3, 1);
  });

  it('says its chip id in GET_SECURITY_INFO', async () => {
    const bench = await inRom({ model: 'esp32s3' });
    const { body } = await bench.ok(0x14, new Uint8Array(0));
    assert.equal(body.length, 24);
    assert.equal(new DataView(body.buffer, body.byteOffset).getUint32(12, true), 9);
  });

  it('is reset by its RTC watchdog, once that is unlocked', async () => {
    const bench = await inRom({ model: 'esp32s3' });
    await write(bench, 0x6000809c, 2000);
    await write(bench, 0x60008098, 0xd0000102);
    await bench.clock.advance(100);
    assert.equal(bench.log.filter((line) => line.startsWith('rst:')).length, 1);
    await write(bench, 0x600080b0, 0x50d83aa1);
    await write(bench, 0x6000809c, 2000);
    await write(bench, 0x60008098, 0xd0000102);
    await bench.clock.advance(100);
    assert.match(bench.text, /rst:0x10 \(RTCWDT_RTC_RST\),boot:0x8 \(SPI_FAST_FLASH_BOOT\)\r\nSaved PC:0x/);
  });
});
