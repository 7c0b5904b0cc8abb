// Bundles what tsc has checked: for every folder of nodes/ the editor half as <type>.html, with its texts, help and icon
// beside it, and the one-line CommonJS file that Node-RED loads. Run after `tsc -b`.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import nodeResolve from '@rollup/plugin-node-resolve';

const types = readdirSync('nodes', { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join('nodes', entry.name, 'config.ts')))
  .map((entry) => entry.name)
  .sort();

const halves = types.map((type) => ({
  input: `build/editor/nodes/${type}/${type}.editor.js`,
  output: { file: `dist/nodes/${type}/${type}.html`, format: 'iife' },
  plugins: [nodeResolve({ browser: true }), nodeFiles(type)],
  onwarn(warning) {
    throw new Error(`${type}: ${warning.message}`);
  },
}));

/** Small libraries that are carried along in the one compiled file that imports them, with their licences. */
const carried = Object.entries({ 'dist/lib/record/qr.js': 'uqr' }).map(([file, library]) => ({
  input: file,
  output: { file, format: 'es' },
  external: /^\./,
  plugins: [nodeResolve(), licence(library)],
}));

export default [...halves, ...carried];

function licence(library) {
  const notice = readFileSync(join('node_modules', library, 'LICENSE'), 'utf8').trim();
  const comment = `/*! This file carries the library ${library}:\n\n${notice}\n*/\n`;
  return {
    name: 'keyway-licence',
    renderChunk: (code) => (code.startsWith(comment) ? null : { code: comment + code, map: null }),
  };
}

/** Wraps the bundle in its script tag, appends the template, and lays the node's other files beside it. */
function nodeFiles(type) {
  const from = join('nodes', type);
  const to = join('dist', 'nodes', type);
  return {
    name: 'keyway-node-files',
    buildStart() {
      this.addWatchFile(join(from, `${type}.editor.html`));
    },
    renderChunk(code) {
      const template = readFileSync(join(from, `${type}.editor.html`), 'utf8');
      return { code: `<script type="text/javascript">\n${code}</script>\n\n${template}`, map: null };
    },
    writeBundle(_options, bundle) {
      writeFileSync(
        join(to, `${type}.cjs`),
        `module.exports = async (RED) => { const { default: register } = await import('./${type}.js'); await register(RED); };\n`,
      );
      writeTexts(type, from, to);
      const code = Object.values(bundle)[0].code;
      const icon = /icon: '([\w-]+\.svg)'/.exec(code)?.[1];
      if (icon !== undefined) {
        mkdirSync(join(to, 'icons'), { recursive: true });
        copyFileSync(join('icons', icon), join(to, 'icons', icon));
      }
    },
  };
}

/** The node's texts with those that all nodes share, and its help as Node-RED wants it. */
function writeTexts(type, from, to) {
  for (const language of readdirSync(join(from, 'locales'))) {
    const target = join(to, 'locales', language);
    mkdirSync(target, { recursive: true });
    const shared = JSON.parse(readFileSync(join('nodes', 'shared', 'locales', language, 'shared.json'), 'utf8'));
    const own = JSON.parse(readFileSync(join(from, 'locales', language, `${type}.json`), 'utf8'));
    writeFileSync(join(target, `${type}.json`), `${JSON.stringify({ ...shared, ...own }, null, 2)}\n`);
    const help = readFileSync(join(from, 'locales', language, `${type}.md`), 'utf8');
    writeFileSync(
      join(target, `${type}.html`),
      `<script type="text/markdown" data-help-name="${type}">\n${help.trim()}\n</script>\n`,
    );
  }
}
