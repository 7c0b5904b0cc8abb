import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeRed } from '../support/node-red.ts';

const includes = (text: string) => (value: unknown) => JSON.stringify(value).includes(text);
const everyVerified = (value: unknown) => {
  const { steps } = value as { steps?: { verified: boolean }[] };
  return steps?.every((step) => step.verified) ?? false;
};

interface Row {
  serial: string;
  mac: string;
  state: string;
}

/** The examples of 04-identity, a scenario each. */
export const identityScenarios: Record<string, (red: NodeRed) => Promise<void>> = {
  '04-identity/Provisioning mode, end to end.json': async (red) => {
    for (const [press, done, log] of [
      ['Provision a blank chip', 'unit-1 is ready', 'log of unit-1'],
      ['Provision a used chip', 'unit-2 is ready', 'log of unit-2'],
    ] as const) {
      await red.press(press);
      await red.shown(done, everyVerified, 60000);
      await red.shown(log, includes('factory'));
      await red.shown(log, includes('identity found: CN=greenhouse:024b570401'));
    }
    await red.press('List the devices');
    const devices = (await red.shown('the devices')) as Row[];
    assert.deepEqual(
      devices.map(({ state }) => state),
      ['awaiting-setup', 'awaiting-setup'],
      JSON.stringify(devices),
    );
    await red.shown('state', includes('awaiting-setup'));
    await red.press('Mint a second one');
    await red.shown('why not a second one');
    assert.ok(!red.debug.some(({ name }) => name === 'not reached'));
  },

  '04-identity/Direct mode with Wi-Fi and identity.json': async (red) => {
    await red.press('Flash it all');
    await red.shown('direct-2 is done', everyVerified, 60000);
    await red.shown('log of direct-2', includes('ota_0'));
    await red.shown('log of direct-2', includes('identity found: CN=workbench:024b57040201'));
    await red.shown('log of direct-2', includes('Wi-Fi credentials for \\"Workbench\\"'));
    await red.press('Mint in another namespace');
    await red.shown('why not there', includes('nowhere'));
  },

  '04-identity/Fresh certificate by re-flash.json': async (red) => {
    await red.press('Set the unit up');
    await red.shown('in use', everyVerified, 60000);
    await red.press('Renew without replace');
    await red.shown('why it takes a word');
    await red.press('Renew its certificate');
    const { steps } = (await red.shown('renewed', everyVerified, 60000)) as { steps: { name: string }[] };
    assert.deepEqual(
      steps.map(({ name }) => name),
      ['nvs'],
    );
    await red.press('List its certificates');
    const states = ((await red.shown('its certificates')) as Row[])
      .filter(({ mac }) => mac === '02:4b:57:04:03:01')
      .map(({ state }) => state);
    assert.deepEqual(states.sort(), ['live', 'revoked']);
    await red.press('List its NVS');
    await red.shown('its NVS now', includes('"wifi"'));
    await red.shown('its NVS now', includes('scadable_certs'));
  },

  '04-identity/Batch of eight with labels.json': async (red) => {
    await red.press('Start the batch');
    const count = (name: string) => red.debug.filter((entry) => entry.name === name).length;
    await red.until(
      'eight boards are recorded and labelled',
      () => count('recorded') + count('labelled') === 16,
      90000,
    );
    await red.press('Count the batch');
    const devices = (await red.shown('awaiting setup')) as Row[];
    assert.equal(new Set(devices.map(({ mac }) => mac)).size, 8);
    const labels = readFileSync(join(red.userDir, 'records', 'labels.csv'), 'utf8')
      .trim()
      .split(/\r?\n/);
    assert.equal(labels.length, 9);
    assert.equal(labels.filter((row) => /urn:dev:mac:024b5704040[1-8]:B-[1-8]/.test(row)).length, 8, labels.join('\n'));
    await red.press('Start one that is not there');
    await red.shown('why it was left out', includes('elsewhere-9'));
  },

  '04-identity/Identity in encrypted NVS.json': async (red) => {
    await red.press('With nvs_keys');
    await red.shown('crypt-1 is done', everyVerified, 60000);
    await red.shown('log of crypt-1', includes('identity found: CN=vaulted:024b57040501'));
    await red.press('With a burnt key');
    await red.shown('crypt-2 is done', everyVerified, 60000);
    await red.shown('log of crypt-2', includes('identity found: CN=vaulted:024b57040502'));
    await red.press('Without a key');
    await red.shown('why not without it');
  },

  "04-identity/libscadable's layout.json": async (red) => {
    await red.press('Flash for libscadable');
    await red.shown('lib-1 is done', everyVerified, 60000);
    await red.shown('log of lib-1', includes('identity found: CN=library:024b57040601'));
    await red.press('Flash the other layout');
    await red.shown('log of lib-2', includes('SCADABLE_ERR_NO_CERT'), 60000);
    await red.shown('log of lib-2', includes('device_cert'));
  },

  '04-identity/Flash failed and repeated.json': async (red) => {
    await red.press('Flash, and pull the cable');
    await red.shown('why the try failed', includes('PORT_GONE'));
    const first = (await red.shown('minted')) as { serial: string; reused: boolean };
    assert.equal(first.reused, false);
    await red.shown('event', includes('"registered"'));
    await red.press('Plug in and try again');
    await red.shown('again-1 is done', everyVerified, 60000);
    const second = (await red.shown('minted', includes('"reused":true'))) as { serial: string };
    assert.equal(second.serial, first.serial);
    await red.press('List the certificates');
    const [one, ...others] = (await red.shown('one certificate')) as Row[];
    assert.deepEqual([one?.state, others.length], ['live', 0]);
    await red.shown('event', includes('awaiting-setup'));
  },

  '04-identity/Expiring soon.json': async (red) => {
    await red.press('Mint three');
    await red.until('three are minted', () => red.debug.filter(({ name }) => name === 'minted three').length === 3);
    await red.press('Report');
    const soon = (await red.shown('expiring soon')) as Row[];
    assert.deepEqual(soon.map(({ mac }) => mac).sort(), [
      '02:4b:57:04:08:01',
      '02:4b:57:04:08:02',
      '02:4b:57:04:08:03',
    ]);
    assert.deepEqual(await red.shown('expiring now'), []);
    await red.press('Inspect one');
    await red.shown('what is in it', includes('report:024b57040801'));
    await red.press('Inspect a text');
    await red.shown('why it is none');
  },

  '04-identity/CSR from outside.json': async (red) => {
    await red.press('A request arrives');
    await red.shown('signed');
    await red.shown('who it is for', includes('elsewhere:024b57040901'));
    await red.press('It is on the device');
    await red.shown('live');
    await red.press('A damaged request arrives');
    await red.shown('why it is refused');
    assert.ok(!red.debug.some(({ name }) => name === 'never signed'));
  },
};
