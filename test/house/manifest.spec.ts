import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'rollup/parseAst';
import { filesBelow, readJson, root } from './sources.ts';

interface Manifest {
  name: string;
  license?: string;
  repository?: unknown;
  bugs?: unknown;
  keywords: string[];
  engines: { node: string };
  dependencies: Record<string, string>;
  bin: Record<string, string>;
  exports: Record<string, unknown>;
  'node-red': { version: string; nodes: Record<string, string> };
}

type Tree = { type: string; [key: string]: unknown };
type Flow = { id: string; type: string; name?: string; g?: string; z?: string; info?: string; category?: string }[];

const manifest = readJson<Manifest>('package.json');
const types = Object.keys(manifest['node-red'].nodes);
const examples = filesBelow('examples', (path) => path.endsWith('.json'));
const flows = new Map(examples.map((path) => [path, readJson<Flow>(path)]));
const text = (path: string) => readFileSync(join(root, path), 'utf8');

/** The definition object that the built editor half hands to registerType, as the scorecard reads it. */
function definitionOf(type: string): Map<string, Tree> {
  const html = text(`dist/nodes/${type}/${type}.html`);
  const scripts = [...html.matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)].map(
    (match) => match[1] ?? '',
  );
  const found: Map<string, Tree>[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (node === null || typeof node !== 'object') return;
    const tree = node as Tree;
    const args = tree.arguments as Tree[] | undefined;
    const callee = tree.callee as (Tree & { property?: { name?: string } }) | undefined;
    if (tree.type === 'CallExpression' && callee?.property?.name === 'registerType') {
      assert.equal(args?.[0]?.type, 'Literal', `${type}: the type is no literal`);
      assert.equal(args[0].value, type);
      assert.equal(args[1]?.type, 'ObjectExpression', `${type}: the definition is no object literal`);
      const properties =
        (args[1].properties as (Tree & { key: { name?: string; value?: string }; value: Tree })[]) ?? [];
      found.push(
        new Map(properties.filter((p) => p.type === 'Property').map((p) => [p.key.name ?? p.key.value ?? '', p.value])),
      );
    }
    Object.values(tree).forEach(visit);
  };
  for (const script of scripts) visit(parseAst(script));
  assert.equal(found.length, 1, `${type}: registerType is called ${found.length} times`);
  return found[0] as Map<string, Tree>;
}

/** Core types that the examples may use, and the serial nodes whose port one of them borrows. */
const CORE = new Set(
  'tab group comment inject debug catch switch change split file json delay template exec serial-port'
    .split(' ')
    .concat('serial in', 'link in', 'link out'),
);

const isConfig = (type: string) => definitionOf(type).get('category')?.value === 'config';
const atLeast = (range: string, version: string) => {
  const wanted = /^>=(\d+)\.(\d+)(?:\.(\d+))?$/.exec(range);
  assert.ok(wanted, `"${range}" is no plain ">=x.y"`);
  const parts = version.split('.').map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (parts[i] ?? 0) - Number(wanted[i + 1] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
};

describe('the manifest', () => {
  describe('answers the Node-RED scorecard', () => {
    it('P01: has a licence', () => assert.ok(manifest.license && existsSync(join(root, 'LICENSE'))));
    it('P03: links to its repository', () => assert.ok(manifest.repository && manifest.bugs));
    it('P04: is scoped', () => assert.match(manifest.name, /^@[^/]+\/[^/]*node-red[^/]*$/));
    it('P05: has the keyword', () => assert.ok(manifest.keywords.includes('node-red')));
    it('P06: names a Node-RED version that both lines satisfy', () => {
      assert.ok(atLeast(manifest['node-red'].version, '4.1.15') && atLeast(manifest['node-red'].version, '5.0.7'));
    });
    it('P07: runs on the oldest Node of Node-RED 5', () => assert.ok(atLeast(manifest.engines.node, '22.9.0')));
    it('D01: has at most six dependencies', () => assert.ok(Object.keys(manifest.dependencies).length <= 6));
    it('N02: shows every node in an example', () => {
      const used = new Set([...flows.values()].flatMap((flow) => flow.map((node) => node.type)));
      assert.deepEqual(
        types.filter((type) => !isConfig(type) && !used.has(type)),
        [],
      );
    });
    for (const type of types) {
      it(`reads ${type} inline`, () => {
        const definition = definitionOf(type);
        assert.equal(definition.get('defaults')?.type, 'ObjectExpression', 'defaults');
        const literals = isConfig(type) ? ['category'] : ['category', 'color', 'icon', 'inputs', 'outputs'];
        for (const key of literals) assert.equal(definition.get(key)?.type, 'Literal', key);
      });
    }
  });

  it('lists exactly the folders below nodes/', () => {
    const folders = readdirSync(join(root, 'nodes'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'shared')
      .map((entry) => entry.name);
    assert.deepEqual(folders.sort(), [...types].sort());
  });

  for (const type of types) {
    describe(type, () => {
      const folder = `nodes/${type}`;
      it('has its files', () => {
        const wanted = ['config.ts', `${type}.ts`, `${type}.editor.ts`, `${type}.editor.html`];
        const locale = [`locales/en-US/${type}.json`, `locales/en-US/${type}.md`];
        assert.deepEqual(
          [...wanted, ...locale].filter((file) => !existsSync(join(root, folder, file))),
          [],
        );
        assert.equal(manifest['node-red'].nodes[type], `dist/${folder}/${type}.cjs`);
        assert.ok(existsSync(join(root, `dist/${folder}/${type}.cjs`)), 'built entry');
      });

      it('registers under its folder name in both halves', () => {
        assert.match(text(`${folder}/${type}.ts`), new RegExp(`registerType\\(\\s*'${type}'`));
        assert.ok(definitionOf(type));
        assert.match(text(`${folder}/${type}.editor.html`), new RegExp(`data-template-name="${type}"`));
      });

      it('has an icon that exists and port labels for every output', () => {
        const definition = definitionOf(type);
        if (definition.get('category')?.value === 'config') return;
        const icon = String(definition.get('icon')?.value);
        assert.ok(existsSync(join(root, 'icons', icon)), `icons/${icon}`);
        assert.ok(existsSync(join(root, `dist/${folder}/icons/${icon}`)), `dist/${folder}/icons/${icon}`);
        assert.doesNotMatch(String(definition.get('category')?.value), /-/);
        if (Number(definition.get('outputs')?.value) > 0) assert.ok(definition.has('outputLabels'), 'outputLabels');
      });

      it('has the same locale keys in every language, and uses each', () => {
        const languages = readdirSync(join(root, folder, 'locales'));
        const keys = (language: string) => flatten(readJson(`${folder}/locales/${language}/${type}.json`)).sort();
        const english = keys('en-US');
        for (const language of languages) assert.deepEqual(keys(language), english, language);
        const users = [
          ...filesBelow(folder, (path) => /\.(ts|html)$/.test(path)),
          ...filesBelow('nodes/shared', (path) => path.endsWith('.ts')),
          ...filesBelow('editor', (path) => path.endsWith('.ts')),
        ];
        const used = users.map(text).join('\n');
        const unused = english.filter(
          (key) =>
            !key
              .split('.')
              .slice(-1)
              .some((last) => used.includes(last)),
        );
        assert.deepEqual(unused, []);
      });

      it('has help with a tooltip, Inputs, Outputs, Details and Errors', () => {
        const help = text(`${folder}/locales/en-US/${type}.md`);
        assert.match(help.trimStart(), /^[A-Z]/, 'the first paragraph is the tooltip');
        const sections = isConfig(type) ? ['Details', 'Errors'] : ['Inputs', 'Outputs', 'Details', 'Errors'];
        for (const section of sections) assert.match(help, new RegExp(`^### ${section}$`, 'm'), section);
      });
    });
  }

  describe('the examples', () => {
    it('have ids that no other example uses', () => {
      const seen = new Map<string, string>();
      const twice: string[] = [];
      for (const [path, flow] of flows) {
        for (const node of flow) {
          if (seen.has(node.id)) twice.push(`${node.id}: ${seen.get(node.id)} and ${path}`);
          seen.set(node.id, path);
        }
      }
      assert.deepEqual(twice, []);
    });

    for (const [path, flow] of flows) {
      it(`${path} is one tab with a comment, groups and names, of core nodes and ours`, () => {
        const of = (type: string) => flow.filter((node) => node.type === type);
        assert.equal(of('tab').length, 1, 'tabs');
        assert.ok(of('comment').length >= 1, 'a comment node');
        assert.ok(of('group').length >= 1, 'a group');
        assert.deepEqual(of('function'), [], 'function nodes');
        const foreign = flow.map((node) => node.type).filter((type) => !type.startsWith('keyway-') && !CORE.has(type));
        if (!path.startsWith('examples/dashboards/')) assert.deepEqual(foreign, []);
        for (const node of flow.filter((one) => one.type.startsWith('keyway-'))) {
          assert.ok(types.includes(node.type), `${node.type} is no node of ours`);
        }
      });
    }
  });

  it('locks the optional packages of every platform (else: node scripts/complete-lockfile.mjs)', () => {
    interface Locked {
      optionalDependencies?: Record<string, string>;
    }
    const { packages } = readJson<{ packages: Record<string, Locked> }>('package-lock.json');
    const names = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    const platform = names.filter((name) => /(linux|darwin|win32)-(x64|arm64)/.test(name));
    assert.ok(platform.length > 10);
    assert.deepEqual(
      platform.filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`))),
      [],
    );
  });

  it('exports what the README promises, and not the vault', () => {
    const paths = Object.keys(manifest.exports);
    assert.ok(paths.includes('./lib/esp') && paths.includes('./lib/virtual'));
    assert.deepEqual(
      paths.filter((path) => path.includes('vault') || path.includes('*')),
      [],
    );
    for (const target of Object.values(manifest.exports)) {
      for (const file of typeof target === 'string' ? [target] : Object.values(target as Record<string, string>)) {
        assert.ok(existsSync(join(root, file)), file);
      }
    }
    for (const file of Object.values(manifest.bin)) assert.match(text(file), /^#!\/usr\/bin\/env node/);
  });
});

/** { a: { b: 'x' } } → ["a.b"] */
function flatten(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, item]) =>
    typeof item === 'object' && item !== null ? flatten(item, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}
