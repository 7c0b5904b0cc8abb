/**
 * The defects of esptool-js 0.7.0 that lib/esp/session/esptool.ts keeps out, each shown in esptool-js itself. When one
 * of these fails after an update, the defect is gone and what works round it may go too.
 */
import assert from 'node:assert/strict';
import { Deflate, Inflate } from 'pako';
import { esptoolJsOn, flashWithEsptoolJs } from '../../../../benchmarks/bench/esptool-js.ts';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { parseImage } from '../../../../lib/esp/formats/image.ts';
import { connectChip } from '../../../../lib/esp/session/index.ts';
import type { Link } from '../../../../lib/link/index.ts';
import { app, bootloader, bytes } from '../plan/sets.ts';
import { changed, chipOnCable, clearBench, connecting } from './bench.ts';
import { refused } from './refused.ts';

/** esptool-js prints whatever it does. */
function muted(): () => unknown {
  const { log, warn } = console;
  console.log = () => undefined;
  console.warn = () => undefined;
  return () => Object.assign(console, { log, warn });
}

async function loaderWithStub(link: Link) {
  const both = esptoolJsOn(link, 115_200);
  await both.loader.connect('default_reset', 3);
  await both.loader.runStub();
  return both;
}

const keep = { flashMode: 'keep', flashFreq: 'keep', flashSize: 'keep', eraseAll: false, compress: true } as const;

describe('esptool-js 0.7.0, as it is', () => {
  let unmute: () => unknown = () => undefined;
  beforeEach(() => {
    unmute = muted();
  });
  afterEach(() => {
    unmute();
    return clearBench();
  });

  it('its hard reset does not reset; ours does', async () => {
    const { chip, link } = chipOnCable();
    const { loader, transport } = await loaderWithStub(link);
    const modes: string[] = [];
    chip.on('boot', ({ mode }) => modes.push(mode));
    await loader.after('hard_reset');
    assert.deepEqual(modes, []);
    await transport.disconnect();
    const session = await connectChip(link, { ...connecting, resetBefore: 'none' });
    const booted = new Promise((resolve) => chip.once('boot', ({ mode }) => resolve(mode)));
    await session.reset();
    assert.equal(await booted, 'flash');
  });

  it('it forgets that it let go of DTR, and asserts it again with the next RTS', async () => {
    const { link } = chipOnCable();
    const { transport } = await loaderWithStub(link);
    assert.equal(link.lines.dtr, false);
    await transport.setRTS(false);
    assert.equal(link.lines.dtr, true);
  });

  it('changing the flash size in the header leaves the hash of the image stale', async () => {
    const { chip, link } = chipOnCable();
    const { loader } = await loaderWithStub(link);
    await loader.writeFlash({
      ...keep,
      flashSize: '2MB',
      flashMode: 'dio',
      flashFreq: '80m',
      fileArray: [{ data: bootloader.slice(), address: 0 }],
    });
    assert.equal(parseImage(bootloader).hash?.valid, true);
    assert.equal(parseImage(chip.flash.slice(0, bootloader.length)).hash?.valid, false);
  });

  it('without the stub its MD5 is never right', async () => {
    const { link } = chipOnCable();
    const { loader } = esptoolJsOn(link, 115_200);
    await loader.connect('default_reset', 3);
    await assert.rejects(loader.flashSpiAttach(0), /configure SPI flash pins/, 'it sends half of what the ROM wants');
    await loader.command(0x0d, new Uint8Array(8));
    const sum = await loader.flashMd5sum(0, 4096);
    assert.equal(sum.length, 64, 'the hex digits of hex digits');
  });

  it('it unpacks byte by byte only to count, and packs a whole file in one go on the event loop', async () => {
    const { link } = chipOnCable();
    const { loader } = await loaderWithStub(link);
    const chunkSizes = new Set<number>();
    const packed: number[] = [];
    const [inflatePush, deflatePush] = [Inflate.prototype.push, Deflate.prototype.push];
    Inflate.prototype.push = function (...input) {
      chunkSizes.add((this as unknown as { options: { chunkSize: number } }).options.chunkSize);
      return inflatePush.apply(this, input);
    };
    Deflate.prototype.push = function (...input) {
      packed.push((input[0] as Uint8Array).length);
      return deflatePush.apply(this, input);
    };
    try {
      await loader.writeFlash({ ...keep, fileArray: [{ data: app.slice(), address: 0x20000 }] });
    } finally {
      Inflate.prototype.push = inflatePush;
      Deflate.prototype.push = deflatePush;
    }
    assert.ok(chunkSizes.has(1));
    assert.ok(packed.some((length) => length >= app.length));
  });

  it('it takes damaged data from a read for good; we read again', async () => {
    const { chip, link } = chipOnCable({ flash: bytes(1 << 20, 0x33), flashSize: 1 << 20 });
    const { loader, transport } = await loaderWithStub(link);
    chip.setFault({ kind: 'flip', direction: 'toHost', at: 300, mask: 0x02 });
    const read = await loader.readFlash(0, 4096);
    assert.notDeepEqual(read, bytes(4096, 0x33));
    await transport.disconnect();
    const session = await connectChip(link, { ...connecting, resetBefore: 'none' });
    chip.setFault({ kind: 'flip', direction: 'toHost', at: 300, mask: 0x02 });
    assert.deepEqual(await session.readFlash(0, 4096), bytes(4096, 0x33));
    await session.close();
  });

  it('it does not notice a pulled cable but by running out of time, and calls it noise', async () => {
    const { chip, link } = chipOnCable();
    const { loader, transport } = await loaderWithStub(link);
    let lost = false;
    transport.setDeviceLostCallback(() => {
      lost = true;
    });
    chip.setFault({ kind: 'pull', direction: 'toHost', at: 2 });
    await assert.rejects(loader.readReg(0x40001000, 100), /Possible serial noise/);
    assert.equal(lost, false);
  });

  it('it hides why it cannot connect; we say it', async () => {
    const { link } = chipOnCable();
    const noBoot = changed(link, {
      setLines: ({ dtr, rts }) => link.setLines({ dtr: false, rts: rts && !dtr }),
    });
    const { loader, transport } = esptoolJsOn(noBoot, 115_200);
    await assert.rejects(loader.connect('default_reset', 1), /^ESPError: Failed to connect with the device$/);
    await transport.disconnect();
    const error = await refused('WRONG_BOOT_MODE', connectChip(noBoot, connecting));
    assert.match(error.message, /boot:0xc/);
  });

  it('it writes an image for another chip, and files over each other', async () => {
    const { chip, link } = chipOnCable();
    const s3 = buildImage({ kind: 'app', chip: 'ESP32-S3', size: 5000 });
    const { loader } = await loaderWithStub(link);
    await loader.writeFlash({
      ...keep,
      fileArray: [
        { data: s3.slice(), address: 0x20000 },
        { data: bytes(4096), address: 0x20000 },
      ],
    });
    assert.deepEqual(chip.flash.subarray(0x20000, 0x21000), bytes(4096));
    assert.deepEqual(chip.flash.subarray(0x21000, 0x20000 + s3.length), s3.subarray(0x1000));
  });

  it('its log grows though tracing is off', async () => {
    const { link } = chipOnCable();
    const { loader, transport } = await loaderWithStub(link);
    const log = () => (transport as unknown as { traceLog: string }).traceLog.length;
    const before = log();
    for (let i = 0; i < 10; i++) loader.flashSizeBytes('4MB');
    assert.ok(log() >= before + 10 * 20);
  });

  it('and it works as the peer that we measure beside', async () => {
    const { chip, link } = chipOnCable();
    await flashWithEsptoolJs(link, app.slice(), 0x20000, 921_600);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + app.length), app);
  });
});
