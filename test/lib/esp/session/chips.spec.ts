import assert from 'node:assert/strict';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { chipByName } from '../../../../lib/esp/index.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { connectChip, type FlashOptions, flash } from '../../../../lib/esp/session/index.ts';
import type { FlashPlan } from '../../../../lib/esp/types.ts';
import type { VirtualChip } from '../../../../lib/virtual/index.ts';
import { app, bootloader, bytes, imageSet, region, tableBytes } from '../plan/sets.ts';
import { chipInSocket, chipOnCable, clearBench, connecting, platform } from './bench.ts';
import { refused } from './refused.ts';

const fast: FlashOptions = { ...connecting, baudRate: 921_600 };
const dirty = () => new Uint8Array(4 << 20).fill(0x11);

/** Bootloader, table and app of that family, and a data partition. */
async function planFor(chip: string, more: Parameters<typeof planFlash>[1] = { platform }): Promise<FlashPlan> {
  const own = (kind: 'app' | 'bootloader', size: number) => buildImage({ kind, chip, size });
  return await planFlash(
    imageSet(
      [
        region(chipByName(chip)?.bootloaderOffset ?? 0, own('bootloader', 20_000), 'bootloader', 'bootloader'),
        region(0x8000, tableBytes, 'table', 'partition-table'),
        region(0x11000, bytes(0x1000, 0x77), 'phy', 'data'),
        region(0x20000, own('app', 50_001), 'app', 'app'),
      ],
      { chip },
    ),
    more,
  );
}

function holds(chip: VirtualChip, { steps }: FlashPlan): void {
  for (const { offset, data, name } of steps) {
    if (data !== undefined)
      assert.equal(Buffer.compare(chip.flash.subarray(offset, offset + data.length), data), 0, name);
  }
}

describe('every virtual chip', () => {
  afterEach(clearBench);

  for (const [model, name] of [
    ['esp32', 'ESP32'],
    ['esp32s3', 'ESP32-S3'],
    ['esp32c3', 'ESP32-C3'],
  ] as const) {
    for (const useStub of [true, false]) {
      it(`${name} ${useStub ? 'with' : 'without'} the stub: written, verified, skipped the second time`, async () => {
        const { chip, link } = chipOnCable({ model, flash: dirty() });
        const plan = await planFor(name);
        const first = await flash(link, plan, { ...fast, useStub });
        holds(chip, plan);
        assert.equal(first.chip.name, name);
        assert.ok(first.steps.every(({ outcome, verified }) => outcome === 'written' && verified));
        const second = await flash(link, plan, { ...fast, useStub });
        assert.ok(second.steps.every(({ outcome, verified }) => outcome === 'skipped' && verified));
      });
    }
  }
});

describe('secure download mode', () => {
  afterEach(clearBench);

  const secure = { security: { secureDownload: true }, flash: dirty() };

  it('writes by the plain commands alone, verifies nothing and says so', async () => {
    const { chip, link } = chipOnCable({ ...secure, flash: dirty() });
    const names = new Set<string>();
    chip.on('command', ({ name, status }) => {
      names.add(name);
      assert.equal(status, 0, name);
    });
    const plan = await planFor('ESP32-C3', { platform, erase: [{ offset: 0x120000, size: 0x1000, name: 'ota_0' }] });
    const { steps, notes, baudRate } = await flash(link, plan, { ...fast, force: ['SECURE_DOWNLOAD'] });
    holds(chip, plan);
    assert.ok(chip.flash.subarray(0x120000, 0x121000).every((byte) => byte === 0xff));
    assert.ok(steps.every(({ verified, outcome }) => !verified && outcome !== 'skipped'));
    const codes = notes.map(({ code }) => code);
    assert.ok(codes.includes('UNVERIFIED') && codes.includes('FLASH_SIZE_ASSUMED'), codes.join());
    assert.equal(baudRate, 921_600);
    const allowed = [
      'SYNC',
      'GET_SECURITY_INFO',
      'SPI_ATTACH',
      'SPI_SET_PARAMS',
      'CHANGE_BAUDRATE',
      'FLASH_BEGIN',
      'FLASH_DATA',
    ];
    assert.deepEqual(
      [...names].filter((name) => !allowed.includes(name)),
      [],
    );
  });

  it('BEYOND_FLASH: by the size it was told, 2 MB when nobody said', async () => {
    const set = imageSet([region(0x220000, bytes(5000), 'x'), region(0x8000, tableBytes, 'table', 'partition-table')]);
    const plan = await planFlash(set, { platform, force: ['NOT_IN_TABLE', 'SECURE_DOWNLOAD'] });
    const { link } = chipOnCable(secure);
    await refused('BEYOND_FLASH', flash(link, plan, fast));
    const { chip, link: large } = chipOnCable({ ...secure, flash: dirty() });
    const { notes } = await flash(large, plan, { ...fast, flashSize: 4 << 20 });
    holds(chip, plan);
    assert.ok(!notes.some(({ code }) => code === 'FLASH_SIZE_ASSUMED'));
  });

  it('a cable pulled: all of it is done again, and a board that cannot be known again is refused', async () => {
    const plan = await planFor('ESP32-C3', { platform, force: ['SECURE_DOWNLOAD'] });
    const { chip, socket, target } = chipInSocket({ ...secure, flash: dirty() });
    chip.on('pull', () => setImmediate(() => socket.plug()));
    chip.setFault({ kind: 'pull', at: 9000 });
    await refused('BOARD_UNKNOWN', flash(target, plan, fast));
    const own = chipInSocket({ ...secure, flash: dirty(), connection: 'usb-jtag' });
    own.chip.on('pull', () => setImmediate(() => own.socket.plug()));
    own.chip.setFault({ kind: 'pull', at: 40_000 });
    const { resumed } = await flash(own.target, plan, fast);
    assert.equal(resumed, 1);
    holds(own.chip, plan);
  });

  it('a board that restarts is flashed again from the start', async () => {
    const { chip, link } = chipOnCable({ ...secure, flash: dirty() });
    chip.setFault({ kind: 'reset', at: 40_000 });
    const plan = await planFor('ESP32-C3', { platform, force: ['SECURE_DOWNLOAD'] });
    await flash(link, plan, fast);
    holds(chip, plan);
  });
});

describe('flash encryption in development mode', () => {
  afterEach(clearBench);

  for (const [model, name, useStub] of [
    ['esp32', 'ESP32', true],
    ['esp32s3', 'ESP32-S3', true],
    ['esp32s3', 'ESP32-S3', false],
    ['esp32c3', 'ESP32-C3', true],
    ['esp32c3', 'ESP32-C3', false],
  ] as const) {
    it(`${name} ${useStub ? 'with' : 'without'} the stub: what the chip decrypts is written through it, and boots`, async () => {
      const { chip, link } = chipOnCable({ model, flash: dirty(), security: { flashCryptCount: 1 } });
      const plan = await planFor(name, { platform, encryption: 'encrypt' });
      const booted = new Promise<unknown>((resolve) => chip.once('booted', resolve));
      const { steps, notes } = await flash(link, plan, { ...fast, useStub });
      assert.deepEqual(
        steps.map((step) => [step.name, step.verified, step.outcome]),
        [
          ['phy', true, 'written'],
          ['table', false, 'written'],
          ['app', false, 'written'],
          ['bootloader', false, 'written'],
        ],
      );
      assert.ok(notes.some(({ code }) => code === 'UNVERIFIED'));
      const stored = chip.flash.subarray(0x20000, 0x20000 + 4096);
      assert.notEqual(
        Buffer.compare(stored, plan.steps.find((step) => step.name === 'app')?.data?.subarray(0, 4096) ?? stored),
        0,
      );
      assert.deepEqual(chip.flash.subarray(0x11000, 0x12000), bytes(0x1000, 0x77));
      assert.equal(await booted, 'running');
    });
  }

  it('NEEDS_STUB: the ROM of the ESP32 does not encrypt', async () => {
    const { link } = chipOnCable({ model: 'esp32', flash: dirty(), security: { flashCryptCount: 1 } });
    const plan = await planFor('ESP32', { platform, encryption: 'encrypt' });
    await refused('NEEDS_STUB', flash(link, plan, { ...fast, useStub: false }));
  });

  it('a cable pulled in the middle of an encrypted write', async () => {
    const { chip, socket, target } = chipInSocket({ flash: dirty(), security: { flashCryptCount: 1 } });
    chip.on('pull', () => setImmediate(() => socket.plug()));
    chip.setFault({ kind: 'pull', at: 40_000 });
    const booted = new Promise<unknown>((resolve) => chip.on('booted', (end) => end === 'running' && resolve(end)));
    const { resumed } = await flash(target, await planFor('ESP32-C3', { platform, encryption: 'encrypt' }), fast);
    assert.equal(resumed, 1);
    await booted;
  });
});

describe('secure boot', () => {
  afterEach(clearBench);

  for (const model of ['esp32c3', 'esp32s3'] as const) {
    it(`${model}: goes without the stub, which does not start there`, async () => {
      const { chip, link } = chipOnCable({ model, flash: dirty(), security: { secureBoot: 'v2' } });
      const by = new Set<string>();
      chip.on('command', (command) => by.add(command.by));
      const set = imageSet([region(0x11000, bytes(0x1000, 0x77), 'phy')]);
      await flash(link, await planFlash(set, { platform }), fast);
      assert.deepEqual([...by], ['rom']);
      assert.deepEqual(chip.flash.subarray(0x11000, 0x12000), bytes(0x1000, 0x77));
    });
  }
});

describe('a chip on its own USB port', () => {
  afterEach(clearBench);

  const set = imageSet([
    region(0, bootloader, 'bootloader', 'bootloader'),
    region(0x8000, tableBytes, 'table', 'partition-table'),
    region(0x20000, app, 'app', 'app'),
  ]);

  it('is flashed and restarted by the lines', async () => {
    const { chip, target } = chipInSocket({ connection: 'usb-jtag', flash: dirty() });
    const plan = await planFlash(set, { platform });
    const booted = new Promise<unknown>((resolve) => chip.once('booted', resolve));
    const { restarted } = await flash(target, plan, fast);
    assert.equal(restarted, true);
    holds(chip, plan);
    await booted;
  });

  it('puts the watchdogs out of action before they bite', async () => {
    const { target, chip } = chipInSocket({ connection: 'usb-jtag', flash: dirty() });
    const link = await target.open(null, undefined);
    const registers: string[] = [];
    chip.on('command', ({ name }) => registers.push(name));
    const session = await connectChip(link, fast);
    assert.ok(registers.filter((name) => name === 'WRITE_REG').length >= 6);
    await session.close();
    await link.close();
  });

  for (const model of ['esp32c3', 'esp32s3'] as const) {
    it(`${model}: pulled in the middle, it is followed to its new address by its serial number`, async () => {
      const { chip, socket, target } = chipInSocket({ model, connection: 'usb-jtag', flash: dirty() });
      chip.on('pull', () => setImmediate(() => socket.plug()));
      const plan = await planFor(chip.model.name);
      let begins = 0;
      chip.on('command', ({ name }) => {
        if (name === 'FLASH_DEFL_BEGIN' && ++begins === 2) chip.setFault({ kind: 'pull', at: 100 });
      });
      const { resumed, steps } = await flash(target, plan, fast);
      assert.equal(resumed, 1);
      assert.ok(steps.every(({ verified }) => verified));
      holds(chip, plan);
    });
  }

  it('a chip that was put in its loader by hand is restarted by its watchdog', async () => {
    const { chip, socket, target } = chipInSocket({ connection: 'usb-jtag', flash: dirty() });
    chip.powerOff();
    chip.pressBoot(true);
    chip.powerOn();
    await new Promise((resolve) => chip.once('boot', resolve));
    chip.pressBoot(false);
    const reasons: string[] = [];
    chip.on('boot', ({ mode, reason }) => reasons.push(`${mode} ${reason}`));
    const plan = await planFlash(set, { platform });
    const { restarted } = await flash(target, plan, fast);
    holds(chip, plan);
    assert.equal(restarted, true);
    assert.match(reasons.at(-1) ?? '', /^flash/);
    assert.ok(socket.isPlugged);
  });

  it('restarted is false where BOOT is held: it stays in its loader', async () => {
    const { chip, target } = chipInSocket({ connection: 'usb-jtag', flash: dirty() });
    chip.powerOff();
    chip.pressBoot(true);
    chip.powerOn();
    const { restarted } = await flash(target, await planFlash(set, { platform }), fast);
    assert.equal(restarted, false);
  });
});
