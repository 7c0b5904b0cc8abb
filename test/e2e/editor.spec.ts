import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { root } from '../house/sources.ts';
import { type Browser, findChromium, openBrowser } from '../support/chromium.ts';
import { NodeRed } from '../support/node-red.ts';

const PICTURES = join(root, 'build', 'screenshots');
const executable = findChromium();

describe('the editor in Chromium', function () {
  this.timeout(90000);
  let red: NodeRed;
  let browser: Browser;

  before(async function () {
    if (executable === undefined) {
      assert.notEqual(process.env.KEYWAY_PEERS, 'required', 'Chromium is required here and not found');
      console.log('      left out: no Chromium on this machine (Debian: apt-get install chromium)');
      this.skip();
    }
    mkdirSync(PICTURES, { recursive: true });
    red = await NodeRed.start({ KEYWAY_LINE: 'free' });
    await red.deploy([{ id: 'e2e0000000000001', type: 'tab', label: 'Empty' }]);
    browser = await openBrowser(executable);
    await browser.page.goto(red.address);
    await browser.page.waitForSelector('.red-ui-palette-node[data-palette-type="keyway-flash"]', { timeout: 30000 });
  });

  after(async () => {
    await browser?.close();
    await red?.stop();
  });

  it('shows every node of ours in its palette category, with a label', async () => {
    const shown = await browser.page.$$eval('.red-ui-palette-node[data-palette-type^="keyway-"]', (nodes) =>
      nodes.map((node) => ({
        type: node.getAttribute('data-palette-type') ?? '',
        label: node.querySelector('.red-ui-palette-label')?.textContent ?? '',
      })),
    );
    const isConfig = (type: string) =>
      readFileSync(join(root, 'dist', 'nodes', type, `${type}.html`), 'utf8').includes("category: 'config'");
    const wanted = Object.keys(manifest['node-red'].nodes).filter((type) => !isConfig(type));
    assert.deepEqual(shown.map((node) => node.type).sort(), wanted.sort());
    for (const node of shown) assert.match(node.label, /^[a-z][a-z ]+$/, node.type);
    await browser.page.screenshot({ path: join(PICTURES, 'palette.png') });
  });

  it('imports the guided example from the menu, deploys it, and its button flashes the chip', async () => {
    const { page } = browser;
    await page.evaluate("RED.actions.invoke('core:show-examples-import-dialog')");
    const entry = (label: string) => page.locator('.ui-dialog .red-ui-treeList-label:visible', { hasText: label });
    await entry('@keyway/node-red-provisioning').click();
    // Node-RED has a level "flows" of its own above the package's.
    await entry('flows').nth(1).click();
    await entry('01-flash').click();
    await entry('Start here').click();
    await page.locator('#red-ui-clipboard-dialog-ok').click();
    await page.locator('.red-ui-tab', { hasText: 'Start here' }).click();
    await page.locator('.red-ui-flow-node').first().waitFor();
    await page.keyboard.press('Escape');
    const starts = () => red.log.split('Started flows').length;
    const before = starts();
    await page.evaluate("RED.actions.invoke('core:deploy-flows')");
    await red.until('the import is deployed', () => starts() > before);
    const inject = await page.evaluate("RED.nodes.filterNodes({ type: 'inject' }).map((node) => node.id)[0]");
    await fetch(`${red.address}/inject/${String(inject)}`, { method: 'POST' });
    const flash = await page.evaluate("RED.nodes.filterNodes({ type: 'keyway-flash' })[0].id");
    const isDone = () =>
      red.statuses.some(({ id, fill, text }) => id === flash && fill === 'green' && /^ok/.test(text));
    await red.until('the flash ends well', isDone);
    await page.screenshot({ path: join(PICTURES, 'start-here.png') });
  });

  for (const type of Object.keys(manifest['node-red'].nodes)) {
    it(`opens the dialog of ${type} with every label translated`, async () => {
      const { page } = browser;
      const isConfig = await page.evaluate(`RED.nodes.getType('${type}').category === 'config'`);
      if (isConfig === true) await page.evaluate(`RED.editor.editConfig('', '${type}', '_ADD_')`);
      else {
        await page.evaluate(`(() => {
          const definition = RED.nodes.getType('${type}');
          const node = { id: RED.nodes.id(), type: '${type}', z: RED.workspaces.active(), x: 300, y: 600, wires: [],
            _def: definition, inputs: definition.inputs, outputs: definition.outputs, changed: true, dirty: true, users: [] };
          for (const key of Object.keys(definition.defaults)) node[key] = definition.defaults[key].value;
          RED.nodes.add(node); RED.editor.edit(node);
        })()`);
      }
      const form = page.locator('.red-ui-tray form.form-horizontal:visible').first();
      await form.waitFor();
      // biome-ignore lint/performance/useDomNodeTextContent: only what a person sees counts
      const words = await form.innerText();
      assert.doesNotMatch(words, /keyway-[a-z-]+\.[a-z.]+/i, 'an untranslated key');
      assert.ok(words.trim().length > 0, 'the dialog is empty');
      await page.waitForTimeout(400); // the tray slides in; only for the picture
      await page.screenshot({ path: join(PICTURES, `dialog-${type}.png`) });
      const cancel = isConfig === true ? '#node-config-dialog-cancel' : '#node-dialog-cancel';
      await page.locator(cancel).click();
      await form.waitFor({ state: 'detached' });
    });
  }

  it('logged no error in the browser', () => {
    assert.deepEqual(browser.errors, []);
  });
});
