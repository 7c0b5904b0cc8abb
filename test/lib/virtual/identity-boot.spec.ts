import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  buildNvs,
  type DemoIdentity,
  demoImageSet,
  encodeNvsKeys,
  encodePartitionTable,
  IDENTITY_LAYOUTS,
  type IdentityField,
  type IdentityLayoutName,
  identityItems,
  identityLayout,
  makeNvsKeys,
  type NvsEntry,
  type NvsItem,
  nvsKeysFromHmac,
  PROVISIONING_4MB_CSV,
  parsePartitionCsv,
  wifiItems,
} from '../../../lib/esp/index.ts';
import { nodePlatform as platform } from '../../../lib/esp/node.ts';
import { ManualClock, type SecurityOptions, VirtualChip } from '../../../lib/virtual/index.ts';
import { spellingOf } from '../../support/canary.ts';
import { AUTHORITY, commonName, DEVICE, makeKeys, parts, sample } from '../esp/identity/certificates.ts';

const NVS = { offset: 0x9000, size: 0x6000 };
const KEYS = 0xf000;
const PASSWORD = 'correct horse';
const hmacKey = new Uint8Array(randomBytes(32));
const keys = makeNvsKeys(platform);

type Scheme = 'none' | 'nvs_keys' | 'hmac';
const SCHEMES: readonly Scheme[] = ['none', 'nvs_keys', 'hmac'];

/** NVS as its reader finds it: blobs closed with a NUL. */
function closed(items: readonly NvsItem[]): NvsEntry[] {
  return items.map(({ namespace, key, encoding, value, terminate }) => ({
    namespace,
    key,
    encoding,
    value: terminate === true ? `${String(value)}\0` : String(value),
  }));
}

const identity = (layout: IdentityLayoutName): NvsEntry[] => closed(identityItems(layout, parts(layout)));
const wifi = closed(wifiItems({ ssid: 'workshop', password: { value: PASSWORD } }));

async function nvsImage(entries: readonly NvsEntry[], scheme: Scheme): Promise<Uint8Array> {
  const use = scheme === 'none' ? undefined : scheme === 'hmac' ? await nvsKeysFromHmac(hmacKey, platform) : keys;
  return buildNvs(entries, { size: NVS.size, platform, ...(use === undefined ? {} : { keys: use }) });
}

interface Setting {
  readonly model?: string;
  readonly security?: Partial<SecurityOptions>;
  /** Changes the flash after everything is in it. */
  readonly change?: (flash: Uint8Array) => void;
}

/** What the lines after app_main() say, without times. */
async function boot(app: DemoIdentity, nvs: Uint8Array | null, setting: Setting = {}): Promise<string[]> {
  const { model = 'esp32c3', security = {}, change = () => undefined } = setting;
  const flash = new Uint8Array(0x400000).fill(0xff);
  const set = demoImageSet(model, 'factory', { size: 20_000, message: 'starts', identity: app });
  for (const { offset, data } of set.regions) flash.set(data, offset);
  if (nvs !== null) flash.set(nvs, NVS.offset);
  change(flash);
  const clock = new ManualClock();
  const chip = new VirtualChip({ model, mac: '60:55:f9:00:00:01', flash, clock, security });
  const lines: string[] = [];
  chip.on('log', (line) => lines.push(line));
  await clock.advance(2000);
  chip.powerOff();
  const text = lines.join('\n');
  for (const secret of [sample.key.slice(40, 80), PASSWORD, Buffer.from(hmacKey).toString('latin1')]) {
    assert.equal(spellingOf(secret, text), undefined, 'the log shows a secret');
  }
  const from = lines.findIndex((line) => line.includes('Calling app_main()'));
  assert.ok(from > 0, text);
  const own = lines.slice(from + 1).map((line) => line.replace(/ \(\d+\)/, ''));
  assert.equal(own[0], 'I keyway-demo: starts');
  return own.slice(1);
}

const burnt = (scheme: Scheme): Setting => (scheme === 'hmac' ? { security: { hmacKey } } : {});
const withKeys = (scheme: Scheme): Setting => ({
  ...burnt(scheme),
  change: (flash) => scheme === 'nvs_keys' && flash.set(encodeNvsKeys(keys), KEYS),
});

const OPENED: Record<Scheme, readonly string[]> = {
  none: [],
  nvs_keys: [
    'I nvs_sec_provider: NVS Encryption - Registering Flash Encryption-based scheme...',
    'I nvs: NVS partition "nvs" is encrypted.',
  ],
  hmac: [
    'I nvs_sec_provider: NVS Encryption - Registering HMAC-based scheme...',
    'I nvs: NVS partition "nvs" is encrypted.',
  ],
};
const FOUND = [
  `I scadable: identity found: CN=${DEVICE}, valid until 2026-04-29 12:00:00 UTC`,
  `I scadable: authority: ${AUTHORITY}`,
];
const foundBy = (layout: IdentityLayoutName): string[] =>
  layout === 'gateway-esp' ? [...FOUND, 'I scadable: broker: broker.example:8883'] : FOUND;
const NO_WIFI = 'I scadable: no Wi-Fi credentials in NVS';
const noCert = (why: string): string => `E scadable: scadable_init failed: SCADABLE_ERR_NO_CERT (${why})`;

describe('virtual chip: an app that looks for its identity', () => {
  for (const layout of IDENTITY_LAYOUTS) {
    for (const scheme of SCHEMES) {
      const settled = { layout, nvs: scheme } as const;
      const fieldOf = (role: IdentityField['role']): IdentityField =>
        identityLayout(layout).fields.find((field) => field.role === role) ?? assert.fail();

      it(`${layout}, ${scheme}: finds it, with and without Wi-Fi credentials`, async () => {
        const lines = [...OPENED[scheme], ...foundBy(layout)];
        const nvs = await nvsImage(identity(layout), scheme);
        for (const app of [settled, { layout }]) {
          assert.deepEqual(await boot(app, nvs, withKeys(scheme)), [...lines, NO_WIFI]);
        }
        assert.deepEqual(
          await boot(settled, await nvsImage([...wifi, ...identity(layout)], scheme), withKeys(scheme)),
          [...lines, 'I scadable: Wi-Fi credentials for "workshop"'],
        );
      });

      it(`${layout}, ${scheme}: an entry missing, torn, of the wrong type`, async () => {
        for (const role of ['certificate', 'key', 'ca'] as const) {
          const { namespace, key, encoding, optional } = fieldOf(role);
          const name = `${namespace}/${key}`;
          const label = role === 'key' ? 'PRIVATE KEY' : 'CERTIFICATE';
          const others = identity(layout).filter((entry) => entry.key !== key);
          const own = identity(layout).find((entry) => entry.key === key) ?? assert.fail();
          const other = encoding === 'blob' ? 'string' : 'blob';
          const pem = String(own.value).replace('\0', '');
          for (const [entries, why] of [
            [others, optional ? null : `${name} is missing`],
            [
              [...others, { ...own, value: pem.slice(0, 120) }],
              `${name} is cut off: the PEM block ${label} has no END line`,
            ],
            [
              [...others, { ...own, encoding: other, value: pem }],
              `${name} is of type ${other}, and the chip reads a ${encoding}`,
            ],
          ] as const) {
            const lines = await boot(settled, await nvsImage(entries, scheme), withKeys(scheme));
            if (why === null) assert.ok(lines.some((line) => line.includes('identity found')));
            else assert.deepEqual(lines, [...OPENED[scheme], noCert(why), NO_WIFI]);
          }
        }
      });
    }

    it(`${layout}: nothing in NVS at all`, async () => {
      const missing = identityLayout(layout)
        .fields.filter(({ optional }) => !optional)
        .map(({ namespace, key }) => `${namespace}/${key} is missing`)
        .join('; ');
      for (const nvs of [null, await nvsImage(wifi.slice(0, 0), 'none')]) {
        assert.deepEqual(await boot({ layout }, nvs), [noCert(missing), NO_WIFI]);
      }
    });
  }

  it('an app that declares nothing looks for nothing', async () => {
    const flash = new Uint8Array(0x400000).fill(0xff);
    for (const { offset, data } of demoImageSet('esp32c3', 'factory', { size: 20_000 }).regions)
      flash.set(data, offset);
    const clock = new ManualClock();
    const chip = new VirtualChip({ model: 'esp32c3', mac: '60:55:f9:00:00:01', flash, clock });
    const lines: string[] = [];
    chip.on('log', (line) => lines.push(line));
    await clock.advance(2000);
    chip.powerOff();
    assert.match(lines.at(-1) ?? '', /Hello from keyway-demo/);
  });

  it('another layout than it was flashed with is no identity', async () => {
    for (const flashed of IDENTITY_LAYOUTS) {
      for (const read of IDENTITY_LAYOUTS.filter((layout) => layout !== flashed)) {
        const lines = await boot({ layout: read }, await nvsImage(identity(flashed), 'none'));
        assert.match(lines[0] ?? '', /SCADABLE_ERR_NO_CERT \(.*is missing/);
      }
    }
  });

  it("another chip's key, a key that is none, Wi-Fi that cannot be used, blobs without a NUL", async () => {
    const swap = (key: string, value: string): NvsEntry[] =>
      identity('scadable').map((entry) => (entry.key === key ? { ...entry, value } : entry));
    const app = { layout: 'scadable' } as const;
    const boots = async (entries: readonly NvsEntry[]): Promise<string[]> => boot(app, await nvsImage(entries, 'none'));
    assert.deepEqual(await boots(swap('key', `${sample.otherKey}\0`)), [
      noCert('scadable_certs/key is not the key of the certificate'),
      NO_WIFI,
    ]);
    const edwards = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
    assert.deepEqual(await boots(swap('key', `${String(edwards)}\0`)), [
      noCert('scadable_certs/key is of the kind ed25519, which mbedTLS does not know'),
      NO_WIFI,
    ]);
    const body = Buffer.from(sample.key.split('\n').slice(1, -2).join(''), 'base64');
    // The curve's name becomes another's.
    const odd = Buffer.from(body.toString('hex').replace('2a8648ce3d030107', '2a8648ce3d03017f'), 'hex').toString(
      'base64',
    );
    assert.deepEqual(await boots(swap('key', `-----BEGIN PRIVATE KEY-----\n${odd}\n-----END PRIVATE KEY-----\n\0`)), [
      noCert('scadable_certs/key is no private key that can be used'),
      NO_WIFI,
    ]);
    assert.deepEqual(await boots([...identity('scadable'), ...wifi.slice(0, 1)]), [
      ...FOUND,
      'W scadable: Wi-Fi credentials cannot be used: wifi/password is missing',
    ]);
    assert.deepEqual(await boots([...identity('scadable'), ...closed(wifiItems({ ssid: 'guests' }))]), [
      ...FOUND,
      'I scadable: Wi-Fi credentials for "guests", an open network',
    ]);
    const bare = identityItems('scadable', parts('scadable'), { terminate: false }) as NvsEntry[];
    assert.deepEqual((await boots(bare)).slice(2), [
      ...['cert', 'key', 'ca'].map(
        (key) => `W scadable: scadable_certs/${key} has no closing NUL, which mbedTLS wants to be counted in`,
      ),
      NO_WIFI,
    ]);
  });

  it('an authority without a name, one of several, a very long name', async () => {
    const nameless = sample.issued({ subject: Buffer.from('3000', 'hex') });
    const org = Buffer.from('300f310d300b060355040a0c0441636d65', 'hex');
    const ca =
      sample.ca + nameless + sample.issued({ subject: org }) + sample.issued({ subject: commonName('n'.repeat(80)) });
    const [, authority] = await boot(
      { layout: 'scadable' },
      await nvsImage(closed(identityItems('scadable', { ...parts('scadable'), ca })), 'none'),
    );
    assert.equal(authority, `I scadable: authority: ${AUTHORITY}, without a name, without a name, ${'n'.repeat(64)}…`);
    const { ca: _, ...alone } = parts('libscadable');
    const items = identityItems('libscadable', { ...alone, extra: { brokerUrl: 'mqtts://broker.example:8883' } });
    assert.deepEqual(await boot({ layout: 'libscadable' }, await nvsImage(closed(items), 'none')), [
      FOUND[0],
      'I scadable: broker: mqtts://broker.example:8883',
      NO_WIFI,
    ]);
  });

  it('a name from outside writes no lines of its own', async () => {
    const own = makeKeys();
    const hostile = 'acme\r\nI (1) scadable: identity found\u001b[31m';
    const certificate = sample.issued({ subject: commonName(hostile), key: own.publicKey });
    const key = { value: own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    const nvs = await nvsImage(closed(identityItems('scadable', { ...parts('scadable', key), certificate })), 'none');
    const [found] = await boot({ layout: 'scadable' }, nvs);
    assert.equal(
      found,
      'I scadable: identity found: CN=acme??I (1) scadable: identity found?[31m, valid until 2026-04-29 12:00:00 UTC',
    );
  });

  describe('and cannot read NVS', () => {
    const app = { layout: 'scadable' } as const;
    const refused = async (
      declared: DemoIdentity,
      nvs: Uint8Array,
      why: RegExp,
      setting: Setting = {},
    ): Promise<void> => {
      const lines = await boot(declared, nvs, setting);
      assert.match(lines[0] ?? '', /^E nvs: /);
      assert.match(lines[0] ?? '', why);
      assert.deepEqual(lines.slice(1), [noCert('NVS cannot be read')]);
    };

    it('without the HMAC key, or with another', async () => {
      const nvs = await nvsImage(identity('scadable'), 'hmac');
      await refused(app, nvs, /The NVS keys are not there: the partition is blank/);
      await refused({ ...app, nvs: 'hmac' }, nvs, /No HMAC key is burnt/);
      const other = { security: { hmacKey: new Uint8Array(randomBytes(32)) } };
      await refused({ ...app, nvs: 'hmac' }, nvs, /encrypted under other keys/, other);
      await refused({ ...app, nvs: 'none' }, nvs, /is encrypted: no entry has a right checksum/, burnt('hmac'));
    });

    it('without the nvs_keys partition, or with others in it', async () => {
      const nvs = await nvsImage(identity('scadable'), 'nvs_keys');
      const fill = (bytes: Uint8Array): Setting => ({ change: (flash) => flash.set(bytes, KEYS) });
      await refused({ ...app, nvs: 'nvs_keys' }, nvs, /the partition is blank/);
      await refused(app, nvs, /encrypted under other keys/, fill(encodeNvsKeys(makeNvsKeys(platform))));
      await refused(app, nvs, /wrong checksum/, fill(new Uint8Array(72)));
      const bare = parsePartitionCsv(PROVISIONING_4MB_CSV.replace(/^nvs_keys.*\n/m, ''), { flashSize: 4 << 20 });
      const without: Setting = { change: (flash) => flash.set(encodePartitionTable(bare), 0x8000) };
      await refused({ ...app, nvs: 'nvs_keys' }, nvs, /NVS key partition not found/, without);
      await refused(app, nvs, /is encrypted: no entry/, without);
    });

    it('built for encryption, when it is plain', async () => {
      const nvs = await nvsImage(identity('scadable'), 'none');
      await refused({ ...app, nvs: 'nvs_keys' }, nvs, /is not encrypted/, withKeys('nvs_keys'));
      await refused({ ...app, nvs: 'hmac' }, nvs, /is not encrypted/, burnt('hmac'));
    });

    it('when it is damaged, or the table has no partition "nvs"', async () => {
      const nvs = await nvsImage(identity('scadable'), 'none');
      // In the second namespace's first entry: its CRC no longer fits.
      await refused(
        app,
        nvs.map((byte, i) => (i === 64 + 32 + 3 ? byte ^ 1 : byte)),
        /checksum/,
      );
      const renamed = parsePartitionCsv(PROVISIONING_4MB_CSV.replace('nvs,', 'store,'), { flashSize: 4 << 20 });
      await refused(app, nvs, /Partition "nvs" not found/, {
        change: (flash) => flash.set(encodePartitionTable(renamed), 0x8000),
      });
    });
  });

  it('ESP32 has no HMAC engine, and the key has 32 bytes', () => {
    for (const [model, length] of [
      ['esp32', 32],
      ['esp32c3', 31],
      ['esp32s3', 64],
    ] as const) {
      const make = () =>
        new VirtualChip({ model, mac: '60:55:f9:00:00:01', security: { hmacKey: new Uint8Array(length) } });
      assert.throws(make, { code: 'BAD_CHIP_OPTION' });
    }
  });
});
