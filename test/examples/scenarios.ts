import assert from 'node:assert/strict';
import type { NodeRed } from '../support/node-red.ts';

/** How an example ends: what is pressed, and what the flow then shows. */
export type Scenario = (red: NodeRed) => Promise<void>;

const includes = (text: string) => (value: unknown) => JSON.stringify(value).includes(text);
const isDone = (value: unknown) => includes('"verified":true')(value);

/** The secrets that the examples handle: none may be seen outside the vault. */
export const secrets = ['correct horse battery staple', 'an api key for another pack'];

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
};
