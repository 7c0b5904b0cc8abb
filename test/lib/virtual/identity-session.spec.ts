import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  encodePartitionTable,
  IDENTITY_LAYOUTS,
  identityItems,
  type NvsEncryption,
  type NvsRecipe,
  PROVISIONING_4MB_CSV,
  parsePartitionCsv,
  wifiItems,
} from '../../../lib/esp/index.ts';
import type { VirtualChipOptions } from '../../../lib/virtual/index.ts';
import { DEVICE, parts, sample } from '../esp/identity/certificates.ts';
import { identityBench } from './identity-bench.ts';

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

  const bench = (options?: Partial<VirtualChipOptions>) =>
    identityBench(open, secrets, [sample.key.slice(40, 80), PASSWORD], options);

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
      const force = ['DEMO_IMAGE', 'NVS_WRONG_ENCRYPTION'];
      const lines = await run(recipe, { layout: 'scadable' }, { encryption: 'encrypt', force }, table);
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
