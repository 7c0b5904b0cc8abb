import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeRed } from '../support/node-red.ts';
import { identityScenarios } from './identity-scenarios.ts';
import { osdpScenarios } from './osdp-scenarios.ts';
import { provisionerScenarios } from './provisioner-scenarios.ts';
import { trustScenarios } from './trust-scenarios.ts';

/** How an example ends: what is pressed, and what the flow then shows. */
export type Scenario = (red: NodeRed) => Promise<void>;

const includes = (text: string) => (value: unknown) => JSON.stringify(value).includes(text);
const isDone = (value: unknown) => includes('"verified":true')(value);

interface Step {
  action: string;
  name: string;
  kind?: string;
  offset: number;
  outcome: string;
  written: number;
  verified: boolean;
  attempts: number;
}

interface Flashed {
  chip: { name: string; mac: string };
  steps: Step[];
  resumed: number;
  baudRate: number;
  wireBytes: number;
  notes: { code: string }[];
}

type Listing = { entries: { namespace: string; key: string; encoding: string; bytes: number }[] };

/** The secrets that the examples handle: none may be seen outside the vault. */
export const secrets = [
  'correct horse battery staple',
  'an api key for another pack',
  'a Wi-Fi password for the dev bench',
  'a Wi-Fi password that must survive',
  'a token that lies encrypted',
  'a Wi-Fi password for the workbench',
];

/** One a file of examples/flows; the suite fails when one is missing. */
export const scenarios: Record<string, Scenario> = {
  '01-flash/Start here.json': async (red) => {
    await red.press('Flash it');
    const result = (await red.shown('flashed')) as { chip: { name: string }; steps: { verified: boolean }[] };
    assert.equal(result.chip.name, 'ESP32-C3');
    assert.ok(result.steps.length >= 3 && result.steps.every((step) => step.verified), JSON.stringify(result.steps));
    await red.shown('boot log', includes('Loaded app from partition'));
    await red.status('flash bench-1', (status) => status.fill === 'green' && status.shape === 'dot');

    // Pull while it works; the flow is told, and after plugging in it works again.
    red.forget();
    await red.press('Flash it');
    await red.status('flash bench-1', (status) => status.text === 'connecting');
    await red.press('Pull the cable');
    await red.shown('the cable went');
    await red.press('Plug it in');
    await red.press('Flash it');
    await red.shown('flashed', isDone);
  },

  '01-flash/Provisioning layout onto a blank chip.json': async (red) => {
    await red.press('Show the plan');
    const plan = (await red.shown('the plan')) as { steps: { action: string; name: string; kind: string }[] };
    assert.equal(plan.steps[0]?.name, 'otadata');
    assert.equal(plan.steps[0]?.action, 'erase');
    assert.equal(plan.steps.at(-1)?.kind, 'bootloader');
    assert.doesNotMatch(JSON.stringify(plan), /"data":/, 'a dry run holds no bytes');
    assert.ok(!red.debug.some((entry) => entry.name === 'unit flashed'));

    await red.press('Flash the unit');
    await red.shown('unit flashed', isDone);
    await red.shown('boot log of blank-1', includes('factory'));

    await red.press('Plan for 2 MB of flash');
    await red.shown('why it is refused');
  },

  '01-flash/ESP Web Tools manifest.json': async (red) => {
    await red.press('Make the download');
    await red.shown('manifest written');
    await red.until(
      'three parts are written',
      () => red.debug.filter((entry) => entry.name === 'part written').length >= 3,
    );
    await red.press('Flash from the manifest');
    await red.shown('manifest flashed', isDone);
    await red.shown('boot log of manifest-1', includes('downloaded'));
    await red.press('Break the manifest');
    await red.shown('why it is refused here', includes('The manifest is no JSON'));
  },

  '01-flash/Wrong chip caught.json': async (red) => {
    await red.press('Flash the S3 build');
    await red.shown('refused', includes('ESP32-S3'));
    await red.status('flash wrong-1', (status) => status.fill === 'red' && status.text === 'WRONG_CHIP');
    await red.press('Flash the right build');
    await red.shown('flashed well', isDone);
    assert.ok(!red.debug.some((entry) => entry.name === 'another reason'));
  },

  '01-flash/Several chips at once.json': async (red) => {
    await red.press('Flash all four');
    const macs = () =>
      new Set(
        red.debug
          .filter((entry) => entry.name === 'board done')
          .map((entry) => (entry.value as { chip: { mac: string } }).chip.mac),
      );
    await red.until('four boards are done', () => macs().size === 4, 60000);
    for (const name of ['rack-1', 'rack-2', 'rack-3', 'rack-4'])
      await red.shown(`boot log of ${name}`, includes('rack'));
    await red.press('Flash the port next door');
    await red.shown('why this board is refused', includes('rack-9'));
  },

  '01-flash/Build and inspect an image.json': async (red) => {
    await red.press('Build and inspect');
    await red.shown('what it is', includes('greenhouse'));
    await red.press('Inspect a damaged one');
    await red.shown('what is wrong', includes('false'));
    await red.press('Inspect a text');
    await red.shown('what it says', includes('BAD_IMAGE'));
  },

  '01-flash/Provisioning layout onto a used chip.json': async (red) => {
    await red.press('Make it a used chip');
    await red.shown('used chip ready', isDone);
    await red.shown('boot log of used-1', includes('ota_0'));
    await red.shown('boot log of used-1', includes('old-firmware'));
    red.forget();
    await red.press('Provision it');
    const { steps } = (await red.shown('provisioned', isDone)) as Flashed;
    assert.equal(steps[0]?.name, 'otadata');
    assert.ok(
      steps.every((step) => step.verified),
      JSON.stringify(steps),
    );
    await red.shown('boot log of used-1', includes('factory'));
    await red.shown('boot log of used-1', includes('bootstrap'));
    assert.ok(!red.debug.some((entry) => entry.name === 'boot log of used-1' && includes('old-firmware')(entry.value)));
    await red.press('Provision, but keep ota_0');
    await red.shown('why it would lose ota_0', includes('ota_0'));
  },

  '01-flash/Direct mode with Wi-Fi.json': async (red) => {
    await red.press('Flash it with Wi-Fi');
    const { chip, steps } = (await red.shown('flashed with Wi-Fi', isDone)) as Flashed;
    assert.equal(chip.name, 'ESP32-S3');
    assert.ok(
      steps.every((step) => step.verified),
      JSON.stringify(steps),
    );
    await red.shown('boot log of direct-1', includes('ota_0'));
    await red.shown('boot log of direct-1', includes('greenhouse'));
    await red.press('List what NVS holds');
    const { entries } = (await red.shown('what NVS holds')) as Listing;
    assert.deepEqual(entries.map(({ namespace, key, encoding }) => `${namespace}/${key} ${encoding}`).sort(), [
      'site/channel u8',
      'wifi/password string',
      'wifi/ssid string',
    ]);
    assert.doesNotMatch(JSON.stringify(entries), /Dev bench/, 'a listing has no values');
    await red.press('Channel 300 as u8');
    await red.shown('why the value is refused', includes('300'));
  },

  '01-flash/One NVS namespace replaced.json': async (red) => {
    await red.press('Set the unit up');
    await red.shown('set up', isDone);
    await red.press('Move it to another site');
    const { steps } = (await red.shown('site replaced', isDone)) as Flashed;
    assert.deepEqual(
      steps.map(({ action, outcome }) => [action, outcome]),
      [['write', 'patched']],
      JSON.stringify(steps),
    );
    assert.equal(steps[0]?.written, 4096, 'one sector of the partition was written');
    await red.press('List its NVS');
    const { entries } = (await red.shown('its NVS')) as Listing;
    assert.deepEqual(entries.map(({ namespace, key }) => `${namespace}/${key}`).sort(), [
      'site/name',
      'site/number',
      'wifi/password',
      'wifi/ssid',
    ]);
    await red.press('A key of 20 letters');
    await red.shown('why the key is refused', includes('number_of_the_building'));
  },

  '01-flash/Boards by plug event.json': async (red) => {
    const boards = ['line-1', 'line-2', 'line-3', 'line-4'];
    await red.press('Unplug them');
    for (const board of boards) await red.shown('who went', includes(board));
    red.forget();
    await red.press('Plug four boards in');
    const labels = () => red.debug.filter((entry) => entry.name === 'label of the board');
    await red.until('four boards are labelled', () => labels().length === 4, 60000);
    assert.equal(new Set(labels().map((entry) => entry.value)).size, 4, JSON.stringify(labels()));
    const records = () => red.debug.filter((entry) => entry.name === 'record written').length;
    await red.until('four records are written', () => records() === 4);
    await red.press('Unplug them');
    for (const board of boards) await red.shown('who went', includes(board));
    await red.press('Plug an S3 into line-1');
    await red.shown('why this one failed', includes('ESP32-S3'));
    await red.until('the failure is written down too', () => records() === 5);
    const rows = readFileSync(join(red.userDir, 'records', 'flashed.csv'), 'utf8')
      .trim()
      .split(/\r?\n/);
    assert.equal(rows.length, 6, rows.join('\n'));
    assert.equal(rows.filter((row) => row.includes('WRONG_CHIP')).length, 1);
  },

  '01-flash/Cable pulled and resumed.json': async (red) => {
    await red.press('Flash it, and trip over the cable');
    await red.status('flash trip-1', (status) => status.fill === 'yellow' && status.text === 'wait for board');
    await red.press('Plug it in again');
    const { resumed, steps } = (await red.shown('resumed and done', isDone)) as Flashed;
    assert.equal(resumed, 1);
    assert.ok(steps.every((step) => step.verified));
    await red.shown('boot log of trip-1', includes('tripped'));
    await red.press('Flash, wait a second');
    await red.shown('how far it came', includes('of'));
    await red.status('flash trip-2', (status) => status.fill === 'red');
  },

  '01-flash/Another board plugged instead.json': async (red) => {
    await red.press('Flash, then lose the board');
    await red.status('flash twin-1', (status) => status.text === 'wait for board');
    await red.press('Plug a stranger in');
    await red.shown('another board', includes('02:4b:57:00:00:99'));
    const blank = await red.shown('its flash');
    assert.equal(blank, 'f'.repeat(512), 'nothing was written to the stranger');
    await red.press('Put the right one back');
    await red.press('Flash the right one');
    const { chip } = (await red.shown('the right board is done', isDone)) as Flashed;
    assert.equal(chip.mac, '02:4b:57:00:00:01');
  },

  '01-flash/Noisy line.json': async (red) => {
    await red.press('Flash at 921600 over a bad cable');
    const { baudRate, steps } = (await red.shown('carried in the end', isDone, 60000)) as Flashed;
    assert.ok(baudRate <= 230400, String(baudRate));
    assert.ok(steps.every((step) => step.verified));
    await red.shown('boot log of noisy-1', includes('noisy'));
    red.forget();
    await red.press('Take a good cable');
    const again = (await red.shown('carried in the end', isDone)) as Flashed;
    assert.equal(again.baudRate, 921600);
    assert.ok(again.steps.every((step) => step.action === 'erase' || step.outcome === 'skipped'));
    await red.press('Insist on 921600');
    await red.shown('why it failed', () => true, 60000);
    await red.status('flash noisy-2', (status) => status.fill === 'red');
  },

  '01-flash/Release-mode chip refused.json': async (red) => {
    await red.press('Flash the locked chip');
    await red.shown('the locked chip is refused');
    await red.status('flash locked-1', (status) => status.fill === 'red');
    await red.press('Flash the development chip');
    const { steps, notes } = (await red.shown('written encrypted')) as Flashed;
    assert.ok(
      steps.some((step) => step.action === 'write' && !step.verified),
      JSON.stringify(steps),
    );
    assert.ok(
      notes.some(({ code }) => code === 'UNVERIFIED'),
      JSON.stringify(notes),
    );
    await red.shown('boot log of dev-1', includes('encrypted-app'));
    await red.press('Flash it in clear');
    await red.shown('why not in clear');
    assert.ok(!red.debug.some((entry) => entry.name === 'never shown'));
  },

  '01-flash/Encrypted NVS.json': async (red) => {
    await red.press('Flash with nvs_keys');
    await red.shown('keyed and done', isDone);
    await red.press('List with its keys');
    const { entries } = (await red.shown('what keys-1 holds')) as Listing;
    assert.deepEqual(entries.map(({ namespace, key }) => `${namespace}/${key}`).sort(), ['cloud/host', 'cloud/token']);
    await red.press('Flash with the HMAC key');
    await red.shown('hmac done', isDone);
    await red.press('List without the key');
    await red.shown('why it cannot be read');
    await red.status('read hmac-1', (status) => status.fill === 'red');
  },

  '02-bench/Console with reset.json': async (red) => {
    await red.press('Reset the chip');
    await red.shown('was reset');
    await red.shown('log', includes('Loaded app from partition'));
    await red.press('Detect it');
    await red.shown('what it is here', includes('ESP32-C3'));
    const before = red.debug.length;
    await red.press('Reset the chip');
    await red.until('the console hears again', () =>
      red.debug.slice(before).some((entry) => entry.name === 'log' && includes('boot')(entry.value)),
    );
    await red.press('Brown-out');
    await red.shown('what it means');
  },

  '02-bench/Serial port borrowed and handed back.json': async (red) => {
    // The pseudo-terminal takes a moment to appear; the serial node tries again until it does.
    await red.status('gateway log', (status) => status.text.endsWith('.connected'));
    await red.press('Flash through the serial port');
    await red.shown('flashed over the borrowed port', isDone, 60000);
    await red.shown('serial in hears', includes('Loaded app from partition'), 60000);
  },

  '02-bench/Plug and unplug.json': async (red) => {
    await red.press('List the ports');
    await red.shown('the list', includes('plug-1'));
    await red.press('Unplug');
    await red.shown('went', includes('plug-1'));
    await red.press('Plug another board in');
    await red.shown('came', includes('plug-1'));
    await red.shown('the newcomer', includes('ESP32-C3'));
    await red.press('Erase 64 KB');
    await red.shown('all FF');
    await red.press('Read an odd range');
    await red.shown('why the range is refused', includes('65537'));
  },

  '02-bench/Faults on the line.json': async (red) => {
    await red.press('Flip a bit');
    const { steps } = (await red.shown('recovered', isDone)) as { steps: { resent: number }[] };
    const resent = steps.reduce((sum, step) => sum + step.resent, 0);
    assert.equal(resent, 1, JSON.stringify(steps));
    await red.press('Pull half way');
    await red.shown('stopped', includes('PORT_GONE'));
    red.forget();
    await red.press('Plug and try again');
    await red.shown('recovered', isDone);
  },

  '03-secrets/A secret becomes a handle.json': async (red) => {
    await red.press('Store it');
    await red.shown('all that travels', includes('keyway:handle:'));
    await red.press('Store and reveal');
    assert.equal(await red.shown('its length'), secrets[1]?.length);
    await red.press('Open a made-up handle');
    await red.shown('why it stays shut');
  },

  ...identityScenarios,
  ...osdpScenarios,
  ...provisionerScenarios,
  ...trustScenarios,

  'dashboards/Bench of 8.json': async (red) => {
    await red.press('Trip by hand');
    await red.press('Start by hand');
    type Row = { socket: string; mac: string; percent: number; state: string };
    const done = (rows: unknown) => (rows as Row[]).filter(({ state }) => state.startsWith('ok')).length;
    await red.shown('all rows', (rows) => done(rows) === 7, 60000);
    await red.shown('all rows', (rows) =>
      (rows as Row[]).some(({ socket, state }) => socket === 'socket-8' && state === 'wait for board'),
    );
    await red.press('Plug by hand');
    const rows = (await red.shown('all rows', (all) => done(all) === 8, 60000)) as Row[];
    assert.equal(rows.length, 8);
    assert.equal(new Set(rows.map(({ mac }) => mac)).size, 8);
    const page = await fetch(`${red.address}/dashboard/bench`);
    assert.equal(page.status, 200);
  },
};
