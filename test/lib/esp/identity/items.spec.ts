import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { KeywayError } from '../../../../lib/errors/index.ts';
import {
  IDENTITY_LAYOUTS,
  type IdentityLayoutName,
  identityErrors,
  identityItems,
  identityLayout,
  identityNamespaces,
  readIdentity,
  readWifi,
  wifiItems,
} from '../../../../lib/esp/identity/index.ts';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { buildNvs, type NvsEntry, type NvsItem, parseNvs, prepareNvs } from '../../../../lib/esp/nvs/index.ts';
import { spellingOf } from '../../../support/canary.ts';
import { AUTHORITY, commonName, DEVICE, FROM, parts, sample, UNTIL } from './certificates.ts';

const size = 0x6000;

/** What the chip would hold. */
async function stored(items: readonly NvsItem[], handles: Record<string, string> = {}): Promise<NvsEntry[]> {
  const secrets = (handle: string): Uint8Array => Buffer.from(handles[handle] ?? assert.fail(handle));
  const prepared = prepareNvs({ mode: 'replace', items, encryption: { scheme: 'none' } }, { size, secrets, platform });
  try {
    const { bytes } = await prepared.build({ onChip: null, keysOnChip: null });
    return [...(await parseNvs(bytes, { platform })).entries];
  } finally {
    prepared.wipe();
  }
}

function refusal(field: string, work: () => unknown): KeywayError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof KeywayError, String(error));
    assert.ok(Object.hasOwn(identityErrors, error.code), error.code);
    assert.equal(error.detail?.field, field, error.message);
    return error;
  }
  return assert.fail(`${field} was taken`);
}

const shape = (entries: readonly NvsEntry[]): string[] =>
  entries.map(({ namespace, key, encoding }) => `${namespace}/${key} ${encoding}`);

describe('an identity as NVS entries', () => {
  const SHAPES: Record<IdentityLayoutName, string[]> = {
    scadable: ['scadable_certs/cert blob', 'scadable_certs/key blob', 'scadable_certs/ca blob'],
    libscadable: [
      'scadable_certs/device_cert string',
      'scadable_certs/device_key string',
      'scadable_certs/ca_cert string',
    ],
    'gateway-esp': [
      'scadable_cfg/device_id string',
      'scadable_cfg/common_name string',
      'scadable_cfg/cert_pem string',
      'scadable_cfg/key_pem string',
      'scadable_cfg/ca_pem string',
      'scadable_cfg/mqtt_host string',
      'scadable_cfg/mqtt_port string',
    ],
  };

  for (const layout of IDENTITY_LAYOUTS) {
    it(`${layout}: the names and types that its reader asks for, and all of it found again`, async () => {
      const entries = await stored(identityItems(layout, parts(layout)));
      assert.deepEqual(shape(entries), SHAPES[layout]);
      const reading = readIdentity({ entries }, layout);
      assert.deepEqual(reading.faults, []);
      assert.deepEqual(reading.unterminated, []);
      assert.ok(reading.present && reading.hasKey);
      const { commonName: name, issuer, serial, notBefore, notAfter, der } = reading.certificate ?? assert.fail();
      assert.deepEqual([name, issuer, serial, notBefore, notAfter], [DEVICE, AUTHORITY, sample.serial, FROM, UNTIL]);
      assert.equal(new X509Certificate(der).serialNumber.toLowerCase(), serial);
      assert.deepEqual(
        reading.ca.map((one) => one.commonName),
        [AUTHORITY],
      );
      assert.equal(spellingOf(sample.key, reading), undefined);
    });

    it(`${layout}: the same with the key behind a handle`, async () => {
      const plain = await stored(identityItems(layout, parts(layout)));
      const items = identityItems(layout, parts(layout, { handle: 'h:key' }));
      assert.equal(spellingOf(sample.key, items), undefined);
      assert.deepEqual(await stored(items, { 'h:key': sample.key }), plain);
    });
  }

  it('blobs end in a NUL, unless it is not wanted, and are read either way', async () => {
    const last = (entries: NvsEntry[]) => entries.map(({ value }) => (value as Uint8Array).at(-1));
    const open = await stored(identityItems('scadable', parts('scadable'), { terminate: false }));
    assert.deepEqual(last(open), [10, 10, 10]);
    assert.deepEqual(last(await stored(identityItems('scadable', parts('scadable')))), [0, 0, 0]);
    const { faults, unterminated } = readIdentity({ entries: open }, 'scadable');
    assert.deepEqual(faults, []);
    assert.deepEqual(unterminated, ['scadable_certs/cert', 'scadable_certs/key', 'scadable_certs/ca']);
  });

  it('settings: what the certificate says, what is given, what the reader was built with', async () => {
    const value = (items: readonly NvsItem[], key: string) => items.find((item) => item.key === key)?.value;
    const gateway = identityItems('gateway-esp', parts('gateway-esp'));
    assert.deepEqual(
      ['device_id', 'common_name', 'mqtt_host', 'mqtt_port'].map((key) => value(gateway, key)),
      ['7cdfa1000001', DEVICE, 'broker.example', '8883'],
    );
    const own = { ...parts('gateway-esp'), certificate: sample.issued({ subject: commonName('SC-dev-42') }) };
    assert.equal(value(identityItems('gateway-esp', own), 'device_id'), 'dev-42');
    const given = { brokerHost: '10.0.0.7', brokerPort: 1883, deviceId: 'one', commonName: 'SC-one' };
    assert.deepEqual(
      identityItems('gateway-esp', { ...own, extra: given })
        .map((item) => [item.key, item.value])
        .filter(([key]) => !String(key).endsWith('_pem')),
      [
        ['device_id', 'one'],
        ['common_name', 'SC-one'],
        ['mqtt_host', '10.0.0.7'],
        ['mqtt_port', '1883'],
      ],
    );
    const { ca: _, ...alone } = parts('libscadable');
    const extra = { brokerUrl: 'mqtts://broker.example:8883', namespaceId: 'acme', gatewayId: 'esp-1' };
    const library = identityItems('libscadable', { ...alone, extra });
    assert.deepEqual(
      library.map(({ namespace, key }) => `${namespace}/${key}`),
      [
        'scadable_certs/device_cert',
        'scadable_certs/device_key',
        'scadable_cfg/broker_url',
        'scadable_cfg/namespace_id',
        'scadable_cfg/gateway_id',
      ],
    );
    const reading = readIdentity({ entries: await stored(library) }, 'libscadable');
    assert.deepEqual([reading.faults, reading.ca, reading.settings], [[], [], extra]);
    assert.equal(identityItems('libscadable', alone).length, 2);
  });

  it('names what cannot be stored, and shows no key', () => {
    const make = (layout: IdentityLayoutName, more: object) => () =>
      identityItems(layout, { ...parts(layout), ...more });
    assert.match(refusal('layout', make('nvs' as IdentityLayoutName, {})).hint ?? '', /libscadable/);
    for (const layout of IDENTITY_LAYOUTS) {
      for (const [field, more, message] of [
        ['certificate', { certificate: '' }, /is empty/],
        ['certificate', { certificate: 7 }, /is no text/],
        ['certificate', { certificate: 'hello' }, /no BEGIN CERTIFICATE/],
        ['certificate', { certificate: sample.certificate.slice(0, 200) }, /no END line/],
        ['certificate', { certificate: sample.key }, /holds a PEM block PRIVATE KEY where a certificate belongs/],
        ['certificate', { certificate: sample.issued({ subject: Uint8Array.of(0x30, 0) }) }, /without a common name/],
        [
          'certificate',
          { certificate: sample.issued({ subject: Uint8Array.of(0x31, 0) }) },
          /is no X\.509 certificate/,
        ],
        ['certificate', { certificate: `${sample.certificate}\0` }, /has a NUL/],
        ['ca', { ca: sample.ca.replace('M', '*') }, /something else than base64/],
        ['key', { key: { value: sample.certificate } }, /PEM block CERTIFICATE where a private key belongs/],
        ['key', { key: { value: sample.encrypted } }, /under a passphrase/],
        ['key', { key: { value: sample.key.slice(0, 100) } }, /no END line/],
        ['key', { key: { value: sample.publicKey } }, /PUBLIC KEY where a private key belongs/],
        ['key', { key: { value: sample.key + sample.otherKey } }, /something behind/],
        ['key', { key: {} }, /needs a handle or a value/],
        ['key', { key: { value: sample.key, handle: 'h' } }, /needs a handle or a value/],
        ['key', { key: { handle: '' } }, /handle that is no text/],
      ] as const) {
        const error = refusal(field, make(layout, more));
        assert.match(error.message, message);
        assert.equal(spellingOf(sample.key.slice(40, 80), error), undefined);
      }
    }
    for (const layout of ['scadable', 'gateway-esp'] as const) {
      assert.match(refusal('ca', make(layout, { ca: undefined })).message, /cannot do without/);
    }
    for (const [field, extra] of [
      ['brokerHost', {}],
      ['brokerHost', { brokerHost: 'a b' }],
      ['brokerHost', { brokerHost: 'h'.repeat(128) }],
      ['brokerPort', { brokerHost: 'h', brokerPort: 0 }],
      ['brokerPort', { brokerHost: 'h', brokerPort: 65536 }],
      ['brokerPort', { brokerHost: 'h', brokerPort: 1.5 }],
      ['deviceId', { brokerHost: 'h', deviceId: 'd'.repeat(64) }],
      ['commonName', { brokerHost: 'h', commonName: 'c\n' }],
    ] as const) {
      refusal(field, make('gateway-esp', { extra }));
    }
    refusal('brokerUrl', make('libscadable', { extra: { brokerUrl: 'http://broker' } }));
  });

  it('keeps to the lengths that each reader takes', () => {
    const chain = (count: number): string => sample.ca.repeat(count);
    const fits = (layout: IdentityLayoutName, count: number): boolean => {
      try {
        identityItems(layout, { ...parts(layout), ca: chain(count) });
        return true;
      } catch (error) {
        assert.match((error as Error).message, /the chip takes \d+ at most|more than 20 PEM blocks/);
        return false;
      }
    };
    for (const layout of IDENTITY_LAYOUTS) {
      const longest = identityLayout(layout).fields.find(({ role }) => role === 'ca')?.longest ?? 0;
      const most = Math.min(20, Math.floor(longest / sample.ca.length));
      assert.deepEqual([fits(layout, most), fits(layout, most + 1)], [true, false], layout);
    }
  });

  it('namespaces to be cleared when an identity goes', () => {
    assert.deepEqual(IDENTITY_LAYOUTS.map(identityNamespaces), [
      ['scadable_certs'],
      ['scadable_certs', 'scadable_cfg'],
      ['scadable_cfg'],
    ]);
    for (const { namespace, key } of IDENTITY_LAYOUTS.flatMap((name) => identityLayout(name).fields)) {
      assert.ok(Buffer.byteLength(namespace) <= 15 && Buffer.byteLength(key) <= 15, `${namespace}/${key}`);
    }
  });
});

describe('Wi-Fi credentials as NVS entries', () => {
  const password = 'correct horse';

  it('come back, and the password does not', async () => {
    for (const [secret, state] of [
      [{ value: password }, 'present'],
      [{ handle: 'h:wifi' }, 'present'],
      [{ value: 'a'.repeat(64) }, 'present'],
      [undefined, 'open'],
    ] as const) {
      const items = wifiItems({ ssid: 'workshop', ...(secret === undefined ? {} : { password: secret }) });
      const entries = await stored(items, { 'h:wifi': password });
      assert.deepEqual(shape(entries), ['wifi/ssid string', 'wifi/password string']);
      const reading = readWifi({ entries });
      assert.deepEqual(reading, { state, ssid: 'workshop', what: null });
    }
  });

  it('say what the firmware cannot use', async () => {
    const entry = (key: string, encoding: NvsEntry['encoding'], value: NvsEntry['value']): NvsEntry => ({
      namespace: 'wifi',
      key,
      encoding,
      value,
    });
    const name = entry('ssid', 'string', 'workshop');
    const good = entry('password', 'string', password);
    for (const [entries, what] of [
      [[name], 'wifi/password is missing'],
      [[good], 'wifi/ssid is missing'],
      [[name, entry('password', 'blob', Buffer.from(password))], 'wifi/password is no string'],
      [[entry('ssid', 'u8', 1), good], 'wifi/ssid is no string'],
      [[entry('ssid', 'string', ''), good], 'wifi/ssid is no name of 1 to 32 bytes'],
      [[entry('ssid', 'string', 'ä'.repeat(17)), good], 'wifi/ssid is no name of 1 to 32 bytes'],
      [[name, entry('password', 'string', 'short')], 'wifi/password has not 8 to 63 characters'],
      [[name, entry('password', 'string', Buffer.from('ff', 'hex'))], 'wifi/password is no text'],
    ] as const) {
      const reading = readWifi({
        entries: (await parseNvs(await buildNvs(entries, { size, platform }), { platform })).entries,
      });
      assert.deepEqual([reading.state, reading.what], ['faulty', what]);
    }
    assert.equal(readWifi({ entries: [] }).state, 'absent');
  });

  it('are refused where WPA2 would refuse them, without being shown', () => {
    for (const ssid of ['', 'x'.repeat(33), 'ü'.repeat(17), 'a\0b']) refusal('ssid', () => wifiItems({ ssid }));
    for (const value of ['', '1234567', 'x'.repeat(65), 'g'.repeat(64), 'käsekuchen', 'line\nbreak'] as const) {
      const error = refusal('password', () => wifiItems({ ssid: 'workshop', password: { value } }));
      if (value.length > 6) assert.equal(spellingOf(value, error), undefined);
    }
    refusal('password', () => wifiItems({ ssid: 'workshop', password: { handle: '' } }));
  });

  it('any name and password that WPA2 allows comes back', () => {
    const printable = fc
      .string({ unit: 'binary-ascii', minLength: 8, maxLength: 63 })
      .filter((text) => /^[\x20-\x7e]+$/.test(text));
    const ssid = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 10 })
      .filter((text) => Buffer.byteLength(text) <= 32 && !text.includes('\0'));
    fc.assert(
      fc.property(ssid, printable, (name, value) => {
        const entries = wifiItems({ ssid: name, password: { value } }) as NvsEntry[];
        assert.deepEqual(readWifi({ entries }), { state: 'present', ssid: name, what: null });
      }),
      { numRuns: 50 },
    );
  });
});
