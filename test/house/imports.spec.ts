import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { areaOf, filesBelow, type Import, importsOf, root } from './sources.ts';

/** What each area may import besides itself. lib/errors is the ground for all. */
const ALLOWED: Record<string, readonly string[]> = {
  'lib/errors': [],
  'lib/link': ['lib/errors'],
  'lib/vault': ['lib/errors'],
  'lib/esp': ['lib/errors', 'lib/link'],
  'lib/record': ['lib/errors', 'lib/esp'],
  'lib/osdp': ['lib/errors', 'lib/link', 'lib/vault', 'lib/pki'],
  'lib/registry': ['lib/errors', 'lib/vault'],
  'lib/pki': ['lib/errors', 'lib/vault'],
  'lib/endpoint': ['lib/errors', 'lib/vault', 'lib/pki', 'lib/registry'],
  'lib/virtual': ['lib/errors', 'lib/link', 'lib/esp', 'lib/osdp', 'lib/pki', 'lib/endpoint'],
  nodes: [
    'lib/errors',
    'lib/link',
    'lib/vault',
    'lib/esp',
    'lib/osdp',
    'lib/record',
    'lib/registry',
    'lib/pki',
    'lib/endpoint',
    'lib/virtual',
    'editor',
  ],
  editor: ['lib/errors', 'lib/link', 'lib/esp'],
};

/** Libraries that the build puts into the one file that imports them. */
const CARRIED: Record<string, string> = { 'lib/record/qr.ts': 'uqr' };

/** Entries an area offers to others. */
const ENTRIES = /^lib\/[^/]+\/(index|node)\.ts$/;

const isSource = (path: string) => path.endsWith('.ts') && !path.endsWith('.d.ts');
const sources = ['lib', 'nodes', 'editor'].flatMap((folder) => filesBelow(folder, isSource));
const imports = sources.flatMap(importsOf);
const show = (one: Import) => `${one.from} → ${one.to}`;

describe('imports', () => {
  it('finds the sources and their imports', () => {
    assert.ok(sources.length > 40, `only ${sources.length} sources`);
    assert.ok(imports.length > sources.length, `only ${imports.length} imports`);
  });

  it('run one way between the areas', () => {
    const wrong = imports.filter((one) => {
      const [from, to] = [areaOf(one.from), areaOf(one.to)];
      return one.own && from !== to && !(ALLOWED[from] ?? []).includes(to);
    });
    assert.deepEqual(wrong.map(show), []);
  });

  it('enter another area of lib only through its index', () => {
    const wrong = imports.filter(
      (one) => one.own && areaOf(one.from) !== areaOf(one.to) && one.to.startsWith('lib/') && !ENTRIES.test(one.to),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('keep Node-RED and the browser out of lib', () => {
    const wrong = imports.filter(
      (one) => one.from.startsWith('lib/') && /^(@?node-red|jquery|express)/.test(one.to) && !one.own,
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('keep lib and Node out of the editor halves at run time', () => {
    const editorHalf = (path: string) => path.startsWith('editor/') || path.endsWith('.editor.ts');
    const wrong = imports.filter(
      (one) =>
        editorHalf(one.from) && !one.typeOnly && (one.to.startsWith('node:') || one.to.startsWith('lib/virtual')),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('let no node import another node', () => {
    const folder = (path: string) => path.split('/')[1] ?? '';
    const wrong = imports.filter(
      (one) =>
        one.own &&
        one.from.startsWith('nodes/') &&
        one.to.startsWith('nodes/') &&
        folder(one.from) !== folder(one.to) &&
        folder(one.to) !== 'shared',
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('make no circle', () => {
    const graph = new Map<string, string[]>();
    for (const one of imports) if (one.own) graph.set(one.from, [...(graph.get(one.from) ?? []), one.to]);
    assert.deepEqual(findCircles(graph), []);
  });

  it('names only packages that package.json installs for users', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    const installed = Object.keys(manifest.dependencies);
    const packageName = (to: string) => /^(@[^/]+\/[^/]+|[^/]+)/.exec(to)?.[1] ?? to;
    const isCarried = (one: Import) => CARRIED[one.from] === one.to;
    const wrong = imports.filter(
      (one) =>
        !one.own &&
        !one.typeOnly &&
        !one.to.startsWith('node:') &&
        !installed.includes(packageName(one.to)) &&
        !isCarried(one),
    );
    assert.deepEqual(wrong.map(show), []);
  });

  it('carries what it says in the built files, with its licence', () => {
    for (const [file, library] of Object.entries(CARRIED)) {
      const built = readFileSync(join(root, 'dist', file.replace(/\.ts$/, '.js')), 'utf8');
      assert.doesNotMatch(built, new RegExp(`from ['"]${library}['"]`));
      assert.match(built, new RegExp(`carries the library ${library}:[\\s\\S]*(MIT|Apache|BSD|ISC)`));
    }
  });
});

/** Each circle once, as "a → b → a". */
function findCircles(graph: Map<string, string[]>): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      circles.push([...path.slice(at), file].join(' → '));
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return circles;
}
