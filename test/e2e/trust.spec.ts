import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../house/sources.ts';
import { type Browser, findChromium, openBrowser } from '../support/chromium.ts';
import { type FlowNode, NodeRed } from '../support/node-red.ts';

const PICTURES = join(root, 'build', 'screenshots');
const executable = findChromium();
const TAB = '07e2e00000000001';

/** Node-RED keeps a flow's own order of ids, and knows what is a node by them. */
const id = (number: number): string => `07e2e000000001${String(number).padStart(2, '0')}`;
const [registry, authority, endpoint, est] = [id(1), id(2), id(3), id(4)] as [string, string, string, string];

const configs: FlowNode[] = [
  { id: registry, type: 'keyway-registry', name: 'demo', demo: true, version: 1 },
  {
    ...{ id: authority, type: 'keyway-authority', name: 'house', registry, version: 1 },
    namespaces: [{ name: 'e2e', broker: 'localhost', validityDays: '', rotateHour: '', graceDays: '' }],
  },
  {
    ...{ id: endpoint, type: 'keyway-endpoint', name: 'door', authority, host: '127.0.0.1', port: '0', version: 1 },
    ...{ names: 'gate.example.com', cadence: '15', cutNow: true, cutAtExpiry: false, topicPrefix: 'd/{mac}/' },
  },
  {
    ...{ id: est, type: 'keyway-est', name: 'renewals', authority, host: '127.0.0.1', port: '0', version: 1 },
    names: 'est.example.com',
  },
];

/** Each with values that are not the defaults. */
const saved: FlowNode[] = [
  {
    ...{ id: id(11), type: 'keyway-endpoint-in', name: 'in', endpoint, messages: false, presence: false },
    ...{ refused: true, cuts: true, filter: 'telemetry/#', namespace: 'e2e', format: 'buffer', version: 1 },
  },
  {
    ...{ id: id(12), type: 'keyway-endpoint-out', name: 'out', endpoint, topic: 'set/relay', topicType: 'str' },
    ...{ message: 'on', messageType: 'str', namespace: 'e2e', namespaceType: 'str', qos: '2', qosType: 'op' },
    ...{ mac: '60:55:f9:0a:b1:c2', macType: 'str', expiry: '9', expiryType: 'num', version: 1 },
    ...{ timeout: '7', timeoutType: 'num' },
  },
  {
    ...{ id: id(13), type: 'keyway-est-events', name: 'tell', est, enrolled: false, renewed: false, refused: true },
    ...{ namespace: 'e2e', version: 1 },
  },
  {
    ...{ id: id(14), type: 'keyway-revoke', name: 'out with it', authority, endpoint, cut: 'cadence', cutType: 'op' },
    ...{ reason: 'keyCompromise', reasonType: 'op', namespace: 'e2e', namespaceType: 'str', version: 1 },
    ...{ mac: 'payload.mac', macType: 'msg', crlFile: '', pidFile: '/run/x.pid', command: 'true -x' },
    ...{ controlUrl: 'mqtts://broker.example.com:8883', timeout: '8', timeoutType: 'num' },
  },
  {
    ...{ id: id(15), type: 'keyway-crl', name: 'list', authority, operation: 'renew', operationType: 'op' },
    ...{ namespace: 'e2e', namespaceType: 'str', format: 'pem', formatType: 'op', file: '', events: true },
    ...{ timeout: '9', timeoutType: 'num', version: 1 },
  },
  {
    ...{ id: id(16), type: 'keyway-renew', name: 'own', source: 'files', url: 'https://h:1', urlType: 'str' },
    ...{ namespace: 'e2e', namespaceType: 'str', identity: 'own', identityType: 'flow', version: 1 },
    ...{ certificateFile: '/etc/own/a.pem', keyFile: '/etc/own/b.pem', caFile: '/etc/own/c.pem' },
    ...{ when: 'now', whenType: 'op', part: '0.5', partType: 'num', servername: 's.example.com' },
    ...{ servernameType: 'str', redeemer: 'keyway-flash', lifetime: '5', lifetimeType: 'num' },
    ...{ timeout: '6', timeoutType: 'num' },
  },
];

const flow: FlowNode[] = [
  { id: TAB, type: 'tab', label: 'Trust' },
  ...configs,
  ...saved.map((node, at): FlowNode => ({ ...node, z: TAB, x: 200, y: 60 + 60 * at, wires: [[]] })),
];

describe('the dialogs of endpoint, EST, revocation and renewal, in Chromium', function () {
  this.timeout(60000);
  let red: NodeRed;
  let browser: Browser;

  before(async function () {
    if (executable === undefined) {
      assert.notEqual(process.env.KEYWAY_PEERS, 'required', 'Chromium is required here and not found');
      console.log('      left out: no Chromium on this machine (Debian: apt-get install chromium)');
      this.skip();
    }
    mkdirSync(PICTURES, { recursive: true });
    red = await NodeRed.start();
    await red.deploy(flow);
    browser = await openBrowser(executable);
    await browser.page.goto(red.address);
    await browser.page
      .locator('.red-ui-flow-node')
      .nth(saved.length - 1)
      .waitFor();
  });

  after(async () => {
    await browser?.close();
    await red?.stop();
  });

  const form = () => browser.page.locator('.red-ui-tray form.form-horizontal:visible').last();

  /** Opens a dialog, everything unfolded. */
  async function open({ id: own, type }: FlowNode): Promise<void> {
    const isConfig = configs.some((node) => node.id === own);
    await browser.page.evaluate(
      isConfig ? `RED.editor.editConfig('', '${type}', '${own}')` : `RED.editor.edit(RED.nodes.node('${own}'))`,
    );
    await form().waitFor();
    for (const fold of await form().locator('.keyway-fold[aria-expanded="false"]').all()) await fold.click();
    await form().locator('.keyway-options').first().waitFor();
  }

  /** Presses Done, or Update; an evaluation, since it may lie below what the tray shows. */
  async function accept({ id: own }: FlowNode): Promise<void> {
    const isConfig = configs.some((node) => node.id === own);
    const before = await browser.page.locator('.red-ui-tray').count();
    await browser.page.locator(isConfig ? '#node-config-dialog-ok' : '#node-dialog-ok').click();
    await browser.page.waitForFunction(`document.querySelectorAll('.red-ui-tray').length < ${before}`);
  }

  const held = async (own: string): Promise<Record<string, unknown>> =>
    (await browser.page.evaluate(
      `(() => { const node = RED.nodes.node('${own}'); return Object.fromEntries(
        Object.keys(node._def.defaults).map((key) => [key, node[key]])); })()`,
    )) as Record<string, unknown>;

  for (const node of [...configs.slice(2), ...saved]) {
    const { id: own, type } = node;
    it(`${type}: shows what was saved, whole, and keeps it`, async () => {
      const before = await held(own);
      for (const [key, value] of Object.entries(node)) {
        if (!['id', 'type', 'z'].includes(key)) assert.deepEqual(before[key], value, key);
      }
      await open(node);
      await browser.page.waitForTimeout(350); // the tray slides in; only for the picture
      await browser.page.screenshot({ path: join(PICTURES, `trust-${type}.png`) });
      const prefix = configs.includes(node) ? 'node-config-input' : 'node-input';
      for (const [key, value] of Object.entries(before)) {
        const field = form().locator(`#${prefix}-${key}`);
        if ((await field.count()) === 0 || typeof value === 'boolean') continue;
        assert.equal(await field.inputValue(), String(value), key);
      }
      // A label that is wider than its column lies over the field beside it.
      const cut = await form()
        .locator('.form-row > label:not(.keyway-beside)')
        .evaluateAll((labels) =>
          labels.filter((label) => label.scrollWidth > label.clientWidth + 1).map((label) => label.textContent),
        );
      assert.deepEqual(cut, []);
      await accept(node);
      assert.deepEqual(await held(own), before);
      // Node-RED takes a password that is left blank for a change.
      const isSecret = ['keyway-revoke', 'keyway-crl'].includes(type);
      const changed = await browser.page.evaluate(`Boolean(RED.nodes.node('${own}').changed)`);
      if (!isSecret) assert.equal(changed, false, 'it is taken for changed');
    });
  }

  it('keeps what is changed', async () => {
    const [node] = saved.filter(({ type }) => type === 'keyway-endpoint-in') as [FlowNode];
    await open(node);
    await form().locator('#node-input-filter').fill('log/+');
    await form().locator('#node-input-cuts').uncheck();
    await accept(node);
    const { filter, cuts, refused } = await held(node.id);
    assert.deepEqual([filter, cuts, refused], ['log/+', false, true]);
  });

  for (const [node, wanted] of [
    [endpoint, /^It listens on 127\.0\.0\.1:\d+\. Sessions: 0\./],
    [est, /^It answers at https:\/\/127\.0\.0\.1:\d+/],
  ] as const) {
    const config = configs.find((one) => one.id === node) as FlowNode;
    it(`${config.type}: its Test button says how it stands`, async () => {
      await open(config);
      await form().locator(`#${config.type}-test`).click();
      await browser.page.waitForFunction(`/\\.$/.test(document.querySelector('#${config.type}-result').textContent)`);
      assert.match(String(await form().locator(`#${config.type}-result`).textContent()), wanted);
      await accept(config);
    });
  }

  it('logged no error in the browser', () => {
    assert.deepEqual(browser.errors, []);
  });
});
