import assert from 'node:assert/strict';
import type { JsonObject } from '../../../lib/pki/index.ts';
import { DEFAULT_SETTINGS, readSettings, renewalTime, spreadRenewalTime } from '../../../lib/pki/index.ts';
import { namesOf } from '../../../lib/pki/settings.ts';

const HOUR = 3_600_000;
const DEVICE = { namespace: 'plant', mac: '246f28aabbcc', serial: 'A 1', name: null };

describe('pki: settings of a namespace', () => {
  it('have the defaults of the documented life cycle', () => {
    const settings = readSettings({});
    assert.deepEqual(settings, DEFAULT_SETTINGS);
    assert.equal(settings.validityHours, 7 * 24);
    assert.deepEqual(settings.rotation, { windowHours: 24, atHour: 18 });
    assert.equal(settings.graceAwaitingSetupHours, 30 * 24);
    assert.equal(settings.graceHours, 0);
  });

  const bad: [string, JsonObject][] = [
    ['validityHours', { validityHours: 0 }],
    ['validityHours', { validityHours: 9 / 3600 }],
    ['validityHours', { validityHours: 219001 }],
    ['graceHours', { graceHours: -1 }],
    ['rekey', { rekey: 'never' }],
    ['keys', { keys: 'P-521' }],
    ['rotation', { rotation: { windowHours: 24, atHour: 25 } }],
    ['rotation', { rotation: { fraction: 1 } }],
    ['rotation', { rotation: { fraction: 0.5, atHour: 2 } }],
    ['rotation', { rotation: null }],
    ['brokerHost', { brokerHost: 'a b' }],
    ['brokerHost', { brokerHost: 5 }],
    ['crlBaseUrl', { crlBaseUrl: 'ldap://x/y' }],
    ['crlBaseUrl', { crlBaseUrl: 'http://user:word@x/' }],
    ['crlBaseUrl', { crlBaseUrl: 'http://user@x/' }],
    ['crlBaseUrl', { crlBaseUrl: 'http://x/?a' }],
    ['alternativeNames', { alternativeNames: 'dns:a' }],
    ['alternativeNames', { alternativeNames: ['email:a@b'] }],
    ['alternativeNames', { alternativeNames: ['dns:{password}'] }],
    ['alternativeNames', { alternativeNames: ['dns:{broker'] }],
    ['alternativeNames', { alternativeNames: Array.from({ length: 9 }, () => 'dns:a') }],
    ['validtyHours', { validtyHours: 5 }],
    ['__proto__', JSON.parse('{"__proto__": {"validityHours": 1}}') as JsonObject],
  ];
  for (const [field, settings] of bad) {
    it(`refuse ${JSON.stringify(settings)}`, () => {
      assert.throws(
        () => readSettings(settings),
        (error: { code?: string; detail?: { field?: string } }) =>
          error.code === 'BAD_SETTINGS' && error.detail?.field === field,
      );
    });
  }

  it('make the alternative names of what is known', () => {
    const of = (json: JsonObject) => namesOf(readSettings(json), DEVICE).map(({ kind, value }) => `${kind}:${value}`);
    assert.deepEqual(of({}), [], 'no broker is known');
    assert.deepEqual(of({ brokerHost: 'b.example.com' }), ['dns:b.example.com']);
    assert.deepEqual(of({ brokerHost: '10.1.2.3' }), ['ip:10.1.2.3'], 'an address is no DNS name');
    const templates = [
      'uri:urn:dev:mac:{mac}',
      'uri:x:{serial}',
      'dns:{name}.example.com',
      'dns:{mac}.{namespace}.example.com',
    ];
    assert.deepEqual(of({ alternativeNames: templates }), [
      'uri:urn:dev:mac:246f28aabbcc',
      'uri:x:A%201',
      'dns:246f28aabbcc.plant.example.com',
    ]);
  });

  it('spread renewals of devices that were flashed together, and not beyond the end', () => {
    const day = { windowHours: 24, atHour: 18 };
    const end = 7 * 24 * HOUR;
    const at = (random: number, now = 0) => spreadRenewalTime(day, 0, end, now, random);
    assert.equal(at(0), 18 * HOUR);
    assert.equal(at(1), 18 * HOUR + 1.2 * HOUR, 'a twentieth of the window');
    assert.ok(at(0.3) > at(0.2));
    assert.equal(spreadRenewalTime({ fraction: 0.5 }, 0, end, 0, 1), end / 2 + end / 20);
    assert.ok(at(1, 6.7 * 24 * HOUR) < end);
    assert.ok(spreadRenewalTime({ windowHours: 24, atHour: 18 }, 0, 18.5 * HOUR, 0, 1) < 18.5 * HOUR);
    assert.equal(spreadRenewalTime(day, 0, 18 * HOUR, 0, 1), 18 * HOUR, 'nothing is left to spread over');
  });

  it('allow lessons: a validity of seconds, and graces and windows of parts of an hour', () => {
    const lesson = { validityHours: 10 / 3600, graceHours: 0.5, graceAwaitingSetupHours: 0.1, graceSupersededHours: 0 };
    const settings = readSettings({ ...lesson, rotation: { windowHours: 0.05, atHour: 0.04 } });
    assert.deepEqual({ ...settings, ...lesson }, settings);
    assert.equal(renewalTime(settings.rotation, 0, HOUR, 0), 0.04 * HOUR);
  });

  it('renew at hour 18 of each window, or at a part of the validity', () => {
    const day = { windowHours: 24, atHour: 18 };
    const end = 7 * 24 * HOUR;
    assert.equal(renewalTime(day, 0, end, 0), 18 * HOUR);
    assert.equal(renewalTime(day, 0, end, 18 * HOUR), 42 * HOUR);
    assert.equal(renewalTime(day, 0, end, 41 * HOUR), 42 * HOUR);
    assert.equal(renewalTime(day, 0, end, 6.9 * 24 * HOUR), end);
    assert.equal(renewalTime({ fraction: 0.5 }, 0, end, 5), end / 2);
  });
});
