import assert from 'node:assert/strict';
import { demoImageSet, type FlashPlan, flash, type ImageSet, planFlash } from '../../../lib/esp/index.ts';
import { nodePlatform } from '../../../lib/esp/node.ts';
import { openLink, waitForDevice } from '../../../lib/link/index.ts';
import { VirtualChip, type VirtualChipOptions, VirtualSocket } from '../../../lib/virtual/index.ts';
import { makeSigner, signV2 } from './signing.ts';

const MAC = '60:55:f9:00:00:0b';
const FAMILIES = [
  ['esp32', 'ESP32'],
  ['esp32s3', 'ESP32-S3'],
  ['esp32c3', 'ESP32-C3'],
] as const;
const timing = {
  resetHoldMs: 10,
  bootHoldMs: [20],
  syncMs: 40,
  syncsPerAttempt: 2,
  baudSettleMs: 1,
  settleMs: 300,
  watchdogMs: 60,
};

describe('virtual chips with security burnt in, flashed by a session', function () {
  this.timeout(30_000);
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  /** Flashes the plan over a socket, whatever becomes of the port; what the chip printed until its app ran. */
  async function run(
    options: Omit<VirtualChipOptions, 'mac'>,
    plan: FlashPlan,
    more: { flashSize?: number; boot?: boolean } = {},
  ): Promise<{ log: string; result: Awaited<ReturnType<typeof flash>>; commands: Set<string> }> {
    const chip = new VirtualChip({ mac: MAC, ...options });
    const socket = new VirtualSocket({ name: 'secure-session' });
    open.push(() => socket.close());
    const lines: string[] = [];
    const commands = new Set<string>();
    chip.on('command', ({ by, name, status }) => commands.add(`${by} ${name} ${status}`));
    const runs = new Promise<void>((resolve) => {
      chip.on('log', (line) => {
        lines.push(line);
        if (/Hello from keyway-demo/.test(line)) resolve();
      });
    });
    chip.pressBoot(more.boot ?? false);
    socket.insert(chip);
    const device = { address: `virtual:${socket.name}`, usb: socket.usb };
    const result = await flash(
      {
        open: async (again) => {
          const { address } = await waitForDevice(again ?? device, { timeoutMs: 5000 });
          const link = await openLink(address, { owner: 'test' });
          chip.pressBoot(false);
          open.push(() => link.close());
          return link;
        },
      },
      plan,
      { platform: nodePlatform, timing, flashSize: more.flashSize },
    );
    await runs;
    return { log: lines.join('\n'), result, commands };
  }

  const planFor = async (set: ImageSet, encryption?: 'encrypt', force: string[] = []): Promise<FlashPlan> =>
    planFlash(set, {
      mode: 'provisioning',
      platform: nodePlatform,
      force: ['DEMO_IMAGE', ...force],
      ...(encryption === undefined ? {} : { encryption }),
    });

  for (const [model, chip] of FAMILIES) {
    it(`${model}: boots what was written through its flash encryption`, async () => {
      const plan = await planFor(demoImageSet(chip, 'factory', { size: 30_000 }), 'encrypt');
      const { log, result } = await run({ model, security: { flashCryptCount: 1 } }, plan);
      assert.match(log, /flash encryption is enabled/);
      assert.ok(result.steps.filter(({ action }) => action === 'write').every(({ verified }) => !verified));
    });
  }

  it('esp32c3, esp32s3: boot what was written in secure download mode, with nothing asked', async () => {
    for (const [model, chip] of FAMILIES.slice(1)) {
      const plan = await planFor(demoImageSet(chip, 'factory', { size: 30_000 }), undefined, ['SECURE_DOWNLOAD']);
      const { commands } = await run({ model, security: { secureDownload: true } }, plan, { flashSize: 4 << 20 });
      for (const command of commands) assert.match(command, /^rom (SYNC|GET_|SPI_|CHANGE|FLASH_(BEGIN|DATA|END))/);
      while (open.length > 0) await open.pop()?.();
    }
  });

  it('boot what a trusted key signed, under secure boot v2', async () => {
    const signer = makeSigner();
    for (const [model, chip] of FAMILIES) {
      const set = demoImageSet(chip, 'factory', { size: 30_000 });
      const signed: ImageSet = {
        ...set,
        regions: set.regions.map((region) =>
          region.kind === 'bootloader' || region.kind === 'app'
            ? { ...region, data: new Uint8Array(signV2(region.data, signer)) }
            : region,
        ),
      };
      const security = { secureBoot: 'v2', signingDigests: [signer.digest] } as const;
      const { log } = await run({ model, security }, await planFor(signed));
      assert.match(log, /secure boot verification succeeded[\s\S]*Signature verified successfully/);
      while (open.length > 0) await open.pop()?.();
    }
  });

  it('flashed over their own USB port, which goes and comes back', async () => {
    for (const [model, chip] of FAMILIES.slice(1)) {
      const plan = await planFor(demoImageSet(chip, 'factory', { size: 30_000 }));
      const { log, result } = await run({ model, connection: 'usb-jtag' }, plan);
      assert.match(log, /USB_UART_CHIP_RESET[\s\S]*Hello/);
      assert.equal(result.restarted, true);
      assert.ok(result.steps.every(({ verified }) => verified));
      while (open.length > 0) await open.pop()?.();
    }
  });

  it('flashed over USB with BOOT held while the cable went in: only a watchdog gets them out of their loader', async () => {
    const plan = await planFor(demoImageSet('ESP32-C3', 'factory', { size: 30_000 }));
    const { log, result } = await run({ model: 'esp32c3', connection: 'usb-jtag' }, plan, { boot: true });
    assert.match(log, /USB_UART_CHIP_RESET[\s\S]*rst:0x10 \(RTCWDT_RTC_RST\)[\s\S]*Hello/);
    assert.equal(result.restarted, true);
  });
});
