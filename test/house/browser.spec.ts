import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { browserBundle } from '../../scripts/browser-bundle.mjs';
import { root } from './sources.ts';

describe('the browser', () => {
  it('can load lib/esp: no import of Node reaches it', async () => {
    const code = await browserBundle(join(root, 'dist/lib/esp/index.js'), 'keyway');
    // Only what a browser has. Without `process`, `Buffer` and `require` a stray use at module level throws here.
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
    const context = createContext(web);
    runInContext('globalThis.self = globalThis.window = globalThis;', context);
    const names = runInContext(`${code}; Object.keys(keyway)`, context) as string[];
    for (const name of ['planFlash', 'flash', 'connectChip', 'parseImage', 'decodePartitionTable', 'ConsoleParser']) {
      assert.ok(names.includes(name), `${name} is not exported: ${names.join(', ')}`);
    }
  });

  it('would notice an import of Node', async () => {
    await assert.rejects(browserBundle(join(root, 'dist/lib/esp/node.js'), 'keyway'), /imports node:/);
  });
});
