// Bundles a built module as a browser would get it; any module of Node's in the graph is an error.
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { rollup } from 'rollup';

const noNode = {
  name: 'no-node',
  resolveId(source, importer) {
    if (source.startsWith('node:')) this.error(`${importer ?? '?'} imports ${source}`);
    return null;
  },
};

/**
 * @param {string} input a built module
 * @param {string} name the global it becomes
 * @returns {Promise<string>} one script
 */
export async function browserBundle(input, name) {
  const unresolved = [];
  const build = await rollup({
    input,
    plugins: [noNode, nodeResolve({ browser: true, preferBuiltins: false }), commonjs(), json()],
    onLog(level, log, handle) {
      if (log.code === 'UNRESOLVED_IMPORT') unresolved.push(log.message);
      else if (level !== 'warn') handle(level, log);
    },
  });
  const { output } = await build.generate({ format: 'iife', name, inlineDynamicImports: true });
  await build.close();
  if (unresolved.length > 0) throw new Error(unresolved.join('\n'));
  return output[0].code;
}
