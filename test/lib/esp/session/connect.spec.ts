import assert from 'node:assert/strict';
import { connectChip } from '../../../../lib/esp/session/index.ts';
import { createMemoryPair } from '../../../../lib/link/index.ts';
import { changed, chipOnCable, clearBench, connecting } from './bench.ts';
import { refused } from './refused.ts';

describe('connectChip', () => {
  afterEach(clearBench);

  it('finds out what the chip is', async () => {
    const { link } = chipOnCable({ flashSize: 8 << 20, revision: { major: 1, minor: 1 } });
    const session = await connectChip(link, connecting);
    const { facts } = session;
    assert.equal(facts.name, 'ESP32-C3');
    assert.equal(facts.imageChipId, 5);
    assert.equal(facts.mac, '7c:df:a1:00:00:01');
    assert.equal(facts.revision, 101);
    assert.match(facts.description, /ESP32-C3 .*v1\.1/);
    assert.equal(facts.flash?.size, 8 << 20);
    assert.equal(facts.crystalMHz, 40);
    assert.ok(facts.features.includes('Wi-Fi'));
    assert.deepEqual(
      [facts.security.secureBoot, facts.security.flashEncryption, facts.security.secureDownload],
      [false, false, false],
    );
    assert.equal(facts.bootloaderOffset, 0);
    await session.close();
  });

  it('reads the security state', async () => {
    const { link } = chipOnCable({ security: { secureBoot: 'v2', flashCryptCount: 7 } });
    const session = await connectChip(link, connecting);
    assert.equal(session.facts.security.secureBoot, true);
    assert.equal(session.facts.security.flashEncryption, true);
    assert.equal(session.facts.security.flashCryptCount, 7);
    await session.close();
  });

  it('knows a chip in secure download mode by the little it says', async () => {
    const { link } = chipOnCable({ security: { secureDownload: true } });
    const session = await connectChip(link, connecting);
    assert.equal(session.facts.name, 'ESP32-C3');
    assert.equal(session.facts.security.secureDownload, true);
    assert.equal(session.facts.mac, null);
    assert.equal(session.facts.flash, null);
    await session.close();
  });

  it('resets into the loader by the two lines, never with one of them alone left over', async () => {
    const { chip, link } = chipOnCable();
    const modes: string[] = [];
    chip.on('boot', ({ mode }) => modes.push(mode));
    const session = await connectChip(link, connecting);
    assert.deepEqual(modes, ['download']);
    assert.deepEqual(link.lines, { dtr: false, rts: false });
    await session.close();
  });

  it('uses the other sequence for the USB-Serial/JTAG of the chip', async () => {
    const { chip, link } = chipOnCable();
    const lines: string[] = [];
    const jtag = changed(link, {
      info: { ...link.info, usb: { vendorId: '303a', productId: '1001' } },
      setLines: async (both) => {
        lines.push(`${Number(both.dtr)}${Number(both.rts)}`);
        await link.setLines(both);
      },
    });
    const booted = new Promise<string>((resolve) => chip.once('boot', ({ mode }) => resolve(mode)));
    await Promise.allSettled([connectChip(jtag, { ...connecting, attempts: 1 })]);
    assert.deepEqual(lines.slice(0, 5), ['00', '10', '11', '01', '00']);
    assert.ok(await booted);
  });

  it('NO_ANSWER: nothing at the other end', async () => {
    const { host } = createMemoryPair({ name: 'nothing' });
    const error = await refused('NO_ANSWER', connectChip(host, connecting));
    assert.match(error.message, /115200 baud, 2 attempts.*printed nothing/);
    assert.ok(error.hint);
  });

  it('NO_ANSWER: a chip without power', async () => {
    const { chip, link } = chipOnCable();
    chip.powerOff();
    await refused('NO_ANSWER', connectChip(link, connecting));
  });

  it('WRONG_BOOT_MODE: the wire to BOOT is missing; it says what the chip printed', async () => {
    const { link } = chipOnCable();
    const noBoot = changed(link, { setLines: ({ rts }) => link.setLines({ dtr: rts, rts: rts }) });
    const enOnly = changed(link, {
      setLines: ({ dtr, rts }) => link.setLines(rts && !dtr ? { dtr: false, rts: true } : { dtr: false, rts: false }),
    });
    await Promise.allSettled([connectChip(noBoot, { ...connecting, attempts: 1 })]);
    const error = await refused('WRONG_BOOT_MODE', connectChip(enOnly, connecting));
    assert.match(error.message, /boot:0xc \(SPI_FAST_FLASH_BOOT\)/);
    assert.match(error.hint ?? '', /Hold BOOT, tap EN/);
  });

  it('CHIP_SILENT: what is sent does not reach the chip', async () => {
    const { link } = chipOnCable();
    const deaf = changed(link, { write: async () => undefined });
    const error = await refused('CHIP_SILENT', connectChip(deaf, connecting));
    assert.match(error.message, /waiting for download/);
  });

  it('PORT_GONE: at once, when the cable is pulled', async () => {
    const { host, device } = createMemoryPair({ name: 'pulled' });
    const work = connectChip(host, { ...connecting, timing: { ...connecting.timing, syncMs: 60_000 } });
    setTimeout(() => device.unplug(), 60);
    await refused('PORT_GONE', work);
  });

  it('CHIP_REFUSED: a question arrives damaged', async () => {
    const { link } = chipOnCable();
    // WRITE_REG loses a byte: the ROM finds it too short.
    const damaged = changed(link, {
      write: (bytes) =>
        link.write(bytes[2] === 0x09 ? Uint8Array.from([...bytes.slice(0, 12), ...bytes.slice(13)]) : bytes),
    });
    const error = await refused('CHIP_REFUSED', connectChip(damaged, connecting));
    assert.match(error.message, /status 1,5/);
  });

  it('believes a fact once it was given twice alike: a flipped bit changes no MAC, no revision, no size', async () => {
    const truth = (await connectChip(chipOnCable().link, connecting)).facts;
    let strayed = 0;
    // One answer after the other, until there are no more.
    for (let wrong = 0; wrong === strayed; wrong++) {
      const { link } = chipOnCable();
      let replies = 0;
      const flipped = changed(link, {
        onData: (listener) =>
          link.onData((chunk) => {
            const bytes = chunk.slice();
            // The lowest byte of the value in one answer to READ_REG.
            if (bytes[0] === 0xc0 && bytes[2] === 0x0a && replies++ === wrong) {
              strayed++;
              bytes[5] = (bytes[5] ?? 0) ^ 0x02;
            }
            listener(bytes);
          }),
      });
      const session = await connectChip(flipped, connecting);
      assert.deepEqual(session.facts, truth, `answer ${wrong} was flipped`);
      await session.close();
    }
    assert.ok(strayed > 20, `only ${strayed} answers`);
  });

  it('UNKNOWN_CHIP: it answers, and its family is not known', async () => {
    const { link } = chipOnCable();
    const stranger = changed(link, {
      onData: (listener) =>
        link.onData((chunk) => {
          const bytes = chunk.slice();
          // The chip id in the answer to GET_SECURITY_INFO.
          if (bytes[0] === 0xc0 && bytes[2] === 0x14 && bytes.length > 22) bytes[21] = 0x7b;
          listener(bytes);
        }),
    });
    const error = await refused('UNKNOWN_CHIP', connectChip(stranger, connecting));
    assert.match(error.message, /123/);
  });

  it('STUB_FAILED: the stub does not arrive as it was sent', async () => {
    const { link } = chipOnCable();
    const damaged = changed(link, {
      write: (bytes) =>
        link.write(bytes[2] === 0x07 ? bytes.map((byte, i) => (i === 200 ? byte ^ 0x01 : byte)) : bytes),
    });
    const session = await connectChip(damaged, connecting);
    await refused('STUB_FAILED', session.startStub());
    await session.close();
    const next = await connectChip(link, connecting);
    assert.equal(await next.startStub(), true);
    await next.close();
  });

  it('CANCELLED: while it waits for an answer', async () => {
    const { host } = createMemoryPair({ name: 'cancelled' });
    const work = connectChip(host, { ...connecting, attempts: 1000, signal: AbortSignal.timeout(60) });
    await refused('CANCELLED', work);
  });

  it('CANCELLED: before it began, nothing is touched', async () => {
    const { chip, link } = chipOnCable();
    const booted: unknown[] = [];
    chip.on('boot', (boot) => booted.push(boot));
    await refused('CANCELLED', connectChip(link, { ...connecting, signal: AbortSignal.abort() }));
    assert.deepEqual(link.lines, { dtr: false, rts: false });
  });

  it('without control lines: asks for BOOT, and goes on when somebody pressed it', async () => {
    const { chip, link } = chipOnCable();
    const bare = changed(link, {
      info: { ...link.info, hasControlLines: false },
      setLines: () => Promise.reject(new Error('there are no lines')),
    });
    const asked: string[] = [];
    const session = await connectChip(bare, {
      ...connecting,
      patienceMs: 5000,
      onWaiting: (reason) => {
        asked.push(reason);
        chip.pressBoot(true);
        chip.pressEnable(true);
        setTimeout(() => chip.pressEnable(false), 10);
      },
    });
    assert.deepEqual(asked, ['BOOT']);
    assert.equal(session.facts.name, 'ESP32-C3');
    assert.equal(await session.reset(), false);
  });

  it('reuses a stub that an earlier session left running, at any rate', async () => {
    const { chip, link } = chipOnCable();
    const first = await connectChip(link, connecting);
    await first.startStub();
    await first.setBaudRate(460_800);
    await first.close();
    assert.equal(link.baudRate, 115_200);
    const uploads: string[] = [];
    chip.on('command', ({ name }) => uploads.push(name));
    const second = await connectChip(link, { ...connecting, resetBefore: 'none' });
    assert.equal(second.stubRunning, true);
    assert.equal(await second.startStub(), true);
    assert.ok(!uploads.includes('MEM_BEGIN'));
    assert.equal(await second.md5(0, 4096), await second.md5(4096, 4096));
    await second.close();
  });

  it('leaves no listener behind', async () => {
    const { link } = chipOnCable();
    let listeners = 0;
    const counted = new Proxy(link, {
      get(target, key) {
        const value = target[key as keyof typeof target];
        if (key === 'onData' || key === 'onClose') {
          return (listener: never) => {
            listeners++;
            const stop = (value as (l: never) => () => void).call(target, listener);
            return () => {
              listeners--;
              stop();
            };
          };
        }
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const session = await connectChip(counted, connecting);
    await session.close();
    assert.equal(listeners, 0);
    await refused(
      'NO_ANSWER',
      connectChip(changed(counted, { write: async () => {}, setLines: async () => {} }), connecting),
    );
    assert.equal(listeners, 0);
  });
});
