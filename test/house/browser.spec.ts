import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import nodeResolve from '@rollup/plugin-node-resolve';
import { type Plugin, rollup } from 'rollup';
import { root } from './sources.ts';

/** Any module of Node's in the graph is an error: the bundle could not run in a browser. */
const noNode: Plugin = {
  name: 'no-node',
  resolveId(source, importer) {
    if (source.startsWith('node:')) this.error(`${importer ?? '?'} imports ${source}`);
    return null;
  },
};

async function bundle(input: string): Promise<string> {
  const unresolved: string[] = [];
  const build = await rollup({
    input: join(root, input),
    plugins: [noNode, nodeResolve({ browser: true, preferBuiltins: false }), commonjs(), json()],
    onLog(level, log, handle) {
      if (log.code === 'UNRESOLVED_IMPORT') unresolved.push(log.message);
      else if (level !== 'warn') handle(level, log);
    },
  });
  const { output } = await build.generate({ format: 'iife', name: 'keyway', inlineDynamicImports: true });
  await build.close();
  assert.deepEqual(unresolved, []);
  return output[0].code;
}

describe('the browser', () => {
  it('can load lib/esp: no import of Node reaches it', async () => {
    const code = await bundle('dist/lib/esp/index.js');
    // Only what a browser has. Without `process`, `Buffer` and `require` a stray use at module level throws here.
    const web = {
      TextEncoder,
      TextDecoder,
      URL,
      crypto,
      setTimeout,
      clearTimeout,
      queueMicrotask,
      AbortController,
      DOMException,
      atob,
      btoa,
    };
    const context = createContext({ ...web, console });
    const names = runInContext(`${code}; Object.keys(keyway)`, context) as string[];
    for (const name of ['planFlash', 'flash', 'connectChip', 'parseImage', 'decodePartitionTable', 'ConsoleParser']) {
      assert.ok(names.includes(name), `${name} is not exported: ${names.join(', ')}`);
    }
  });

  it('would notice an import of Node', async () => {
    await assert.rejects(bundle('dist/lib/esp/node.js'), /imports node:/);
  });
});
