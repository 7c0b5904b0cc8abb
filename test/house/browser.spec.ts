import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { browserBundle } from '../../scripts/browser-bundle.mjs';
import { root } from './sources.ts';

/** What each area exports, among other things. */
const AREAS = {
  esp: ['planFlash', 'flash', 'connectChip', 'parseImage', 'decodePartitionTable', 'ConsoleParser'],
  pki: ['createIdentityKey', 'createCsr', 'verifyCsr', 'parseCertificate', 'describeCertificate', 'normaliseMac'],
};

/** Only what a browser has. Without `process`, `Buffer` and `require` a stray use at module level throws here. */
const web = {
  TextEncoder,
  TextDecoder,
  URL,
  crypto,
  console,
  setTimeout,
  clearTimeout,
  queueMicrotask,
  AbortController,
  DOMException,
  atob,
  btoa,
};

async function load(area: string, expression: string): Promise<unknown> {
  const code = await browserBundle(join(root, `dist/lib/${area}/index.js`), 'keyway');
  const context = createContext({ ...web });
  runInContext('globalThis.self = globalThis.window = globalThis;', context);
  return runInContext(`${code}; ${expression}`, context);
}

describe('the browser', () => {
  for (const [area, wanted] of Object.entries(AREAS)) {
    it(`can load lib/${area}: no import of Node reaches it`, async () => {
      const names = (await load(area, 'Object.keys(keyway)')) as string[];
      for (const name of wanted) assert.ok(names.includes(name), `${name} is not exported: ${names.join(', ')}`);
    });
  }

  it('makes a key and a signing request that hold, with what it has', async () => {
    const made = await load(
      'pki',
      `keyway.createIdentityKey(keyway.webPki, { namespace: 'plant', mac: '24:6F:28:AA:BB:CC' })
        .then(({ csr, privateKey }) => keyway.verifyCsr(keyway.webPki, csr)
          .then(({ key }) => [key.name, new TextDecoder().decode(privateKey.subarray(0, 27))]))`,
    );
    assert.deepEqual([...(made as string[])], ['P-256', '-----BEGIN PRIVATE KEY-----']);
  });

  for (const area of Object.keys(AREAS)) {
    it(`would notice an import of Node in lib/${area}`, async () => {
      await assert.rejects(browserBundle(join(root, `dist/lib/${area}/node.js`), 'keyway'), /imports node:/);
    });
  }
});
