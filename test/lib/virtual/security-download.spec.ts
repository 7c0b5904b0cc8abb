import assert from 'node:assert/strict';
import { slipEncode } from '../../../lib/esp/slip.ts';
import { Bench, dataBlock, esptoolJsStub, noise, request, words } from './bench.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function loader(options: ConstructorParameters<typeof Bench>[0]): Promise<Bench> {
  const bench = new Bench(options);
  await bench.reset();
  await bench.sync();
  return bench;
}

describe('virtual chip: secure download mode', () => {
  for (const model of ['esp32s3', 'esp32c3']) {
    it(`${model}: says so in its banner and in GET_SECURITY_INFO`, async () => {
      const bench = await loader({ model, security: { secureDownload: true } });
      assert.match(bench.text, /waiting for download\(secure mode\)/);
      const { body } = await bench.ok(0x14, new Uint8Array(0));
      assert.equal(hex(body.slice(0, 12)), '04000000000000000000000c');
    });

    it(`${model}: takes what is to be written and answers nothing else: once, with its own opcode and 0105`, async () => {
      const bench = await loader({ model, security: { secureDownload: true } });
      for (const [op, data] of [
        [0x05, words(4, 1, 4, 0x3fc90000)],
        [0x06, words(0, 0x40380000)],
        [0x07, dataBlock(words(1), 0)[0]],
        [0x09, words(0x60008094, 1, 0xffffffff, 0)],
        [0x0a, words(0x40001000)],
        [0x0e, words(0, 64)],
        [0x10, words(0x400, 1, 0x400, 0x10000, 0)],
        [0x11, dataBlock(words(1), 0)[0]],
        [0x12, words(1)],
        [0x13, words(0, 16, 0, 0)],
        [0xd0, new Uint8Array(0)],
        [0x77, new Uint8Array(0)],
      ] as const) {
        await bench.write(slipEncode(request(op, data)));
        assert.equal(hex(await bench.frame()), `01${op.toString(16).padStart(2, '0')}04000000000001050000`);
        assert.equal(await bench.frameWithin(20), undefined);
      }
      await bench.ok(0x0d, words(0, 0));
      await bench.ok(0x0b, words(0, 0x400000, 0x10000, 0x1000, 0x100, 0xffff));
      const plain = noise(0x400);
      await bench.ok(0x02, words(0x400, 1, 0x400, 0x300000, 0));
      await bench.ok(0x03, ...dataBlock(plain, 0));
      assert.equal(hex(bench.chip.flash.subarray(0x300000, 0x300400)), hex(plain));
      await bench.ok(0x04, words(0));
      await bench.clock.advance(200);
      assert.match(bench.text, /SPI_FAST_FLASH_BOOT/);
    });
  }

  it('believes its flash to have 2 MB until it is told', async () => {
    const bench = await loader({ model: 'esp32s3', security: { secureDownload: true } });
    await bench.ok(0x0d, words(0, 0));
    const { body } = await bench.ask(0x02, words(0x1000, 4, 0x400, 0x200000, 0));
    assert.equal(hex(body), '01060000');
  });

  it('changes its rate', async () => {
    const bench = await loader({ security: { secureDownload: true } });
    await bench.ok(0x0f, words(460800, 0));
    await bench.link.setBaudRate(460800);
    await bench.ok(0x0d, words(0, 0));
  });

  it('writes through flash encryption in development mode, and refuses in release mode', async () => {
    const security = { secureDownload: true, flashCryptCount: 1, encryptionKey: noise(32) };
    const bench = await loader({ security });
    await bench.ok(0x0d, words(0, 0));
    await bench.ok(0x02, words(0x400, 1, 0x400, 0x10000, 1));
    await bench.ok(0x03, ...dataBlock(noise(0x400), 0));
    assert.notEqual(hex(bench.chip.flash.subarray(0x10000, 0x10010)), hex(noise(16)));
    const closed = await loader({ security: { ...security, manualEncryptDisabled: true } });
    await closed.ok(0x0d, words(0, 0));
    const { body } = await closed.ask(0x02, words(0x400, 1, 0x400, 0x10000, 1));
    assert.equal(hex(body), '01640000');
  });
});

describe('virtual chip: code from RAM while secure boot is on', () => {
  const secure = { secureBoot: 'v2', signingDigests: [new Uint8Array(32)] } as const;

  it('esp32: runs the stub all the same', async () => {
    const bench = new Bench({ model: 'esp32', security: secure });
    await bench.startStub(esptoolJsStub('esp32'));
    await bench.ok(0x0a, words(0x40001000));
  });

  it('esp32c3: takes the upload, answers MEM_END, and stays in the loader', async () => {
    const bench = await loader({ model: 'esp32c3', security: secure });
    const reply = await bench.upload(esptoolJsStub('esp32c3'));
    assert.equal(hex(reply.body), '00000000');
    assert.equal(await bench.frameWithin(500), undefined);
    assert.equal((await bench.ok(0x0a, words(0x40001000))).value, 0x1b31506f);
  });

  it('esp32s3: runs it only when its flash read function is led there', async () => {
    const stub = esptoolJsStub('esp32s3');
    const bench = await loader({ model: 'esp32s3', security: secure });
    await bench.upload(stub);
    assert.equal(await bench.frameWithin(500), undefined);
    const before = (await bench.ok(0x0a, words(0x3fcef688))).value;
    assert.notEqual(before, 0);
    await bench.ok(0x09, words(0x3fcef688, stub.entry, 0xffffffff, 0));
    await bench.write(slipEncode(request(0x0e, words(0, 0))));
    assert.equal(Buffer.from(await bench.frame()).toString(), 'OHAI');
  });

  it('says what is burnt: flags, counter, key purposes', async () => {
    const bench = await loader({
      model: 'esp32s3',
      security: { ...secure, flashCryptCount: 7, encryptionKey: noise(64), manualEncryptDisabled: true },
    });
    const { body } = await bench.ok(0x14, new Uint8Array(0));
    assert.equal(hex(body.slice(0, 5)), '0100000007');
    assert.deepEqual([...body.slice(5, 11)].filter((purpose) => purpose !== 0).sort(), [2, 3, 9]);
    const word0 = (await bench.ok(0x0a, words(0x60007030))).value;
    assert.equal((word0 >>> 20) & 1, 1);
  });
});
