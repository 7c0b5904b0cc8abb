import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ESPLoader, type FlashOptions, type LoaderOptions, Transport } from 'esptool-js';
import { createMemoryPair } from '../../../lib/link/index.ts';
import { VirtualChip } from '../../../lib/virtual/index.ts';
import { noise } from './bench.ts';
import { WebSerialPort } from './webserial.ts';

/** A client that others wrote, against the chip in memory. */
describe('virtual chip: driven by esptool-js', () => {
  it('is detected, takes the stub, is written, read back and erased', async () => {
    const chip = new VirtualChip({ model: 'esp32c3', mac: '60:55:f9:0a:0b:0c' });
    const { host, device } = createMemoryPair({ name: 'esptool-js' });
    chip.attach(device);
    const terminal = { clean: () => undefined, write: () => undefined, writeLine: () => undefined };
    const transport = new Transport(
      new WebSerialPort(host) as unknown as ConstructorParameters<typeof Transport>[0],
      false,
    );
    // It prints each change of its state, whether or not tracing is on.
    transport.trace = () => undefined;
    const loader = new ESPLoader({ transport, baudrate: 921600, romBaudrate: 115200, terminal } as LoaderOptions);
    assert.match(await loader.main('default_reset'), /^ESP32-C3 \(QFN32\) \(revision v0\.4\)$/);
    assert.equal(await loader.chip.readMac(loader), '60:55:f9:0a:0b:0c');
    assert.equal(await loader.readFlashId(), 0x1640ef);
    const data = noise(70_000);
    await loader.writeFlash({
      fileArray: [{ data, address: 0x10000 }],
      flashMode: 'keep',
      flashFreq: 'keep',
      flashSize: 'keep',
      eraseAll: false,
      compress: true,
      calculateMD5Hash: (image: Uint8Array) => createHash('md5').update(image).digest('hex'),
    } as unknown as FlashOptions);
    assert.deepEqual(Buffer.from(chip.flash.subarray(0x10000, 0x10000 + data.length)), Buffer.from(data));
    const back = await loader.readFlash(0x10000, 10_000);
    assert.deepEqual(Buffer.from(back), Buffer.from(data.subarray(0, 10_000)));
    await loader.eraseFlash();
    assert.ok(chip.flash.every((byte) => byte === 0xff));
    await transport.disconnect();
  });
});
