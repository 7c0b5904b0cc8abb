import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  type DemoIdentity,
  demoImageSet,
  encodePartitionTable,
  flash,
  IDENTITY_LAYOUTS,
  identityItems,
  type NvsEncryption,
  type NvsRecipe,
  type PlanOptions,
  PROVISIONING_4MB_CSV,
  parsePartitionCsv,
  planFlash,
  wifiItems,
} from '../../../lib/esp/index.ts';
import { nodePlatform } from '../../../lib/esp/node.ts';
import { type Link, openLink, waitForDevice } from '../../../lib/link/index.ts';
import { VirtualChip, type VirtualChipOptions, VirtualSocket } from '../../../lib/virtual/index.ts';
import { spellingOf } from '../../support/canary.ts';
import { DEVICE, parts, sample } from '../esp/identity/certificates.ts';

const timing = {
  resetHoldMs: 10,
  bootHoldMs: [20],
  syncMs: 40,
  syncsPerAttempt: 2,
  baudSettleMs: 1,
  settleMs: 300,
  watchdogMs: 60,
};
const PASSWORD = 'correct horse';
const hmacKey = new Uint8Array(randomBytes(32));
const held = new Map<string, Uint8Array>([
  ['h:key', Buffer.from(sample.key)],
  ['h:wifi', Buffer.from(PASSWORD)],
  ['h:hmac', hmacKey],
]);
const secrets = (handle: string): Uint8Array => held.get(handle)?.slice() ?? assert.fail(handle);

describe('an identity flashed by a session, read by the chip', function () {
  this.timeout(30_000);
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  interface Bench {
    readonly chip: VirtualChip;
    /** Flashes, and gives what the app printed after. */
    run(recipe: NvsRecipe, app: DemoIdentity, more?: Partial<PlanOptions>, table?: Uint8Array): Promise<string[]>;
  }

  function bench(options: Partial<VirtualChipOptions> = {}): Bench {
    const chip = new VirtualChip({ model: 'esp32c3', mac: '7c:df:a1:00:00:01', ...options });
    const socket = new VirtualSocket({ name: 'identity-session' });
    open.push(() => chip.powerOff());
    open.push(() => socket.close());
    socket.insert(chip);
    const links: Link[] = [];
    const hangUp = async (): Promise<void> => {
      for (const link of links.splice(0)) await link.close();
    };
    open.push(hangUp);
    const target = {
      open: async (again: { readonly address: string } | null) => {
        const { address } = await waitForDevice(again ?? { address: `virtual:${socket.name}` }, { timeoutMs: 5000 });
        const opened = await openLink(address, { owner: 'test' });
        links.push(opened);
        return opened;
      },
    };
    const run: Bench['run'] = async (recipe, app, more = {}, table) => {
      const demo = demoImageSet(chip.model.name, 'factory', { size: 30_000, identity: app });
      const regions = demo.regions.map((region) =>
        region.kind === 'partition-table' && table !== undefined ? { ...region, data: table } : region,
      );
      const set = { ...demo, regions };
      const plan = await planFlash(set, {
        mode: 'provisioning',
        platform: nodePlatform,
        force: ['DEMO_IMAGE'],
        nvs: [{ partition: 'nvs', recipe }],
        ...more,
      });
      let lines: string[] = [];
      const said = Promise.withResolvers<void>();
      const listener = (line: string): void => {
        if (line.includes('Calling app_main()')) lines = [];
        else lines.push(line.replace(/ \(\d+\)/, ''));
        // The last that the app says, well or not.
        if (/Wi-Fi credentials|NVS cannot be read/.test(line)) said.resolve();
      };
      chip.on('log', listener);
      const result = await flash(target, plan, { platform: nodePlatform, timing, secrets });
      await said.promise;
      chip.off('log', listener);
      await hangUp();
      for (const secret of [sample.key.slice(40, 80), PASSWORD]) {
        assert.equal(spellingOf(secret, [result, lines]), undefined);
      }
      return lines;
    };
    return { chip, run };
  }

  const ENCRYPTIONS: readonly NvsEncryption[] = [
    { scheme: 'none' },
    { scheme: 'nvs_keys' },
    { scheme: 'hmac', handle: 'h:hmac' },
  ];

  for (const layout of IDENTITY_LAYOUTS) {
    for (const encryption of ENCRYPTIONS) {
      const { scheme } = encryption;
      it(`${layout}, ${scheme}: identity and Wi-Fi arrive; by a re-flash a fresh certificate, Wi-Fi kept`, async () => {
        const { chip, run } = bench(scheme === 'hmac' ? { security: { hmacKey } } : {});
        const items = identityItems(layout, parts(layout, { handle: 'h:key' }));
        const network = wifiItems({ ssid: 'workshop', password: { handle: 'h:wifi' } });
        const app = { layout, nvs: scheme };
        const first = await run({ mode: 'replace', items: [...items, ...network], encryption }, app);
        assert.ok(
          first.some((line) => line.includes(`identity found: CN=${DEVICE}, valid until 2026-04-29`)),
          first.join('\n'),
        );
        assert.equal(first.at(-1), 'I scadable: Wi-Fi credentials for "workshop"');
        assert.equal(Buffer.from(chip.flash).includes(Buffer.from(PASSWORD)), scheme === 'none');

        const certificate = sample.issued({ notAfter: Buffer.from('170d3330303130323033303430355a', 'hex') });
        const fresh = identityItems(layout, { ...parts(layout, { handle: 'h:key' }), certificate });
        const second = await run({ mode: 'merge', items: fresh, encryption }, app);
        assert.ok(
          second.some((line) => line.includes('valid until 2030-01-02 03:04:05 UTC')),
          second.join('\n'),
        );
        assert.equal(second.at(-1), 'I scadable: Wi-Fi credentials for "workshop"');
      });
    }
  }

  it('nvs_keys under flash encryption: the keys pass through it, NVS does not', async () => {
    for (const model of ['esp32', 'esp32s3', 'esp32c3']) {
      const { run } = bench({ model, security: { flashCryptCount: 1 } });
      const items = identityItems('scadable', parts('scadable', { handle: 'h:key' }));
      const recipe: NvsRecipe = { mode: 'replace', items, encryption: { scheme: 'nvs_keys' } };
      const lines = await run(recipe, { layout: 'scadable', nvs: 'nvs_keys' }, { encryption: 'encrypt' });
      assert.ok(
        lines.some((line) => line.includes('NVS partition "nvs" is encrypted.')),
        `${model}\n${lines.join('\n')}`,
      );
      assert.ok(
        lines.some((line) => line.includes(`identity found: CN=${DEVICE}`)),
        lines.join('\n'),
      );
      for (const close of open.splice(0).reverse()) await close();
    }
  });

  it('an NVS partition that the table marks as encrypted is none under flash encryption', async () => {
    const csv = PROVISIONING_4MB_CSV.replace('0x9000, 24K,', '0x9000, 24K, encrypted');
    const table = encodePartitionTable(parsePartitionCsv(csv, { flashSize: 4 << 20 }));
    const items = identityItems('scadable', parts('scadable', { handle: 'h:key' }));
    for (const [flashCryptCount, said] of [
      [0, /identity found/],
      [1, /E nvs: .*ESP_ERR_NVS_WRONG_ENCRYPTION/],
    ] as const) {
      const { chip, run } = bench({ security: { flashCryptCount } });
      const recipe: NvsRecipe = { mode: 'replace', items, encryption: { scheme: 'none' } };
      const lines = await run(recipe, { layout: 'scadable' }, { encryption: 'encrypt' }, table);
      assert.match(lines.join('\n'), said);
      chip.powerOff();
      for (const close of open.splice(0).reverse()) await close();
    }
  });

  it('a chip says which entry the flash plan left out', async () => {
    const { run } = bench();
    const items = identityItems('scadable', parts('scadable', { handle: 'h:key' })).slice(0, 2);
    const lines = await run({ mode: 'replace', items, encryption: { scheme: 'none' } }, { layout: 'scadable' });
    assert.deepEqual(lines.slice(-2), [
      'E scadable: scadable_init failed: SCADABLE_ERR_NO_CERT (scadable_certs/ca is missing)',
      'I scadable: no Wi-Fi credentials in NVS',
    ]);
  });
});
