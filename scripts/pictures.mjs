// `npm run pictures`: the README's pictures, taken of the example flows in a real editor; `-- osdp` only that one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findChromium, openBrowser } from '../test/support/chromium.ts';
import { NodeRed } from '../test/support/node-red.ts';
import { build } from './tools.mjs';

const PICTURES = {
  'start-here': '01-flash/Start here.json',
  provisioning: '01-flash/Provisioning layout onto a blank chip.json',
  'nvs-namespace': '01-flash/One NVS namespace replaced.json',
  'plug-event': '01-flash/Boards by plug event.json',
  resumed: '01-flash/Cable pulled and resumed.json',
  identity: '04-identity/Provisioning mode, end to end.json',
  osdp: '05-osdp/Find an unknown reader.json',
  'door-row': '06-provisioner/Commission a door row.json',
  rotation: '07-trust/Rotation.json',
  revoked: '07-trust/Revoked and cut.json',
  manifest: '01-flash/ESP Web Tools manifest.json',
  'several-chips': '01-flash/Several chips at once.json',
  'borrowed-port': '02-bench/Serial port borrowed and handed back.json',
};

/** What is pressed, and what is shown in the end; else the first button, until something ends. */
const STORIES = {
  'plug-event': { press: ['Unplug them', 'Plug four boards in'], until: 'label of the board' },
  resumed: { press: ['Flash it, and trip over the cable', 'Plug it in again'], until: 'resumed and done' },
  osdp: { press: ['Find it'], until: 'found' },
  'door-row': { press: ['Start the row', 'Set it back', 'Retry', 'Skip'], until: 'the keys are in' },
  rotation: { press: ['Provision rotate-1'], until: 'renewed' },
  revoked: { press: ['Provision lost-1', 'Provision lost-2', 'Revoke lost-1 now'], until: 'cut' },
  identity: { press: ['Provision a blank chip'], until: 'unit-1 is ready' },
  'nvs-namespace': { press: ['Set the unit up', 'Move it to another site', 'List its NVS'], until: 'its NVS' },
};

build();
const executable = findChromium();
if (executable === undefined) throw new Error('No Chromium on this machine.');
const wished = process.argv.slice(2);
for (const [name, file] of Object.entries(PICTURES)) {
  if (wished.length > 0 && !wished.includes(name)) continue;
  const red = await NodeRed.start({ KEYWAY_LINE: 'free' });
  await red.deploy(JSON.parse(readFileSync(join('examples', 'flows', file), 'utf8')));
  const browser = await openBrowser(executable);
  await browser.page.goto(red.address);
  await browser.page.locator('.red-ui-flow-node').first().waitFor();
  await browser.page.setViewportSize({ width: 1900, height: 800 });
  await browser.page.evaluate("RED.actions.invoke('core:toggle-palette'); RED.sidebar.show('debug')");
  const injects = await browser.page.evaluate("RED.nodes.filterNodes({ type: 'inject' }).map((node) => node.id)");
  if (name === 'borrowed-port') await red.status('gateway log', ({ text }) => text.endsWith('.connected'));
  const story = STORIES[name];
  if (story === undefined) {
    await fetch(`${red.address}/inject/${injects[0]}`, { method: 'POST' });
    await red.until('something ends', () =>
      red.statuses.some((status) => status.fill === 'green' && status.shape === 'dot'),
    );
  } else {
    for (const button of story.press) {
      await red.press(button);
      await browser.page.waitForTimeout(2500); // one after the other; only for the picture
    }
    await red.shown(story.until);
  }
  if (name === 'borrowed-port')
    await red.until('the loan ends', () => red.debug.some(({ name: shown }) => shown.startsWith('flashed')));
  await browser.page.waitForTimeout(1500); // boot logs come in; only for the picture
  await browser.page.screenshot({ path: join('docs', 'pictures', `${name}.png`) });
  await browser.close();
  await red.stop();
}
