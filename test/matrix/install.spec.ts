import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { scenarios } from '../examples/scenarios.ts';
import { filesBelow, readJson } from '../house/sources.ts';
import { type FlowNode, NodeRed } from '../support/node-red.ts';

// `npm run matrix` prepares the folders: one a leg, with Node-RED, its Node, and the packed tarball as users install it.
const base = process.env.KEYWAY_MATRIX ?? resolve('build', 'matrix');

interface NodeSet {
  module: string;
  types: string[];
  enabled: boolean;
  err?: string;
}

for (const leg of readdirSync(base, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  describe(`the packed package in ${leg.name}`, () => {
    let red: NodeRed;

    before(async () => {
      const modules = join(base, leg.name, 'runtime', 'node_modules');
      const installation = { node: join(modules, '.bin', 'node'), nodeRed: join(modules, 'node-red') };
      const userDir = join(base, leg.name, 'user');
      red = await NodeRed.start({ KEYWAY_LINE: 'free' }, { ...installation, userDir, temporary: false });
    });

    after(() => red?.stop());

    async function get<T>(path: string): Promise<T> {
      const answer = await fetch(red.address + path, { headers: { accept: 'application/json' } });
      assert.equal(answer.status, 200, path);
      return (await answer.json()) as T;
    }

    it('loads every type', async () => {
      const sets = (await get<NodeSet[]>('/nodes')).filter((set) => set.module === manifest.name);
      assert.deepEqual(
        sets.filter((set) => set.err !== undefined || !set.enabled),
        [],
      );
      assert.deepEqual(sets.flatMap((set) => set.types).sort(), Object.keys(manifest['node-red'].nodes).sort());
    });

    it('lists every example', async () => {
      const listed = async (path: string): Promise<string[]> => {
        const entries = await get<(string | { fn: string })[]>(`/library/examples/flows/${manifest.name}${path}`);
        const found = entries.map((entry) =>
          typeof entry === 'string' ? listed(`${path}/${entry}`) : [`${path}/${entry.fn}`],
        );
        return (await Promise.all(found)).flat();
      };
      const wanted = filesBelow('examples', (path) => path.endsWith('.json'));
      assert.deepEqual(
        (await listed('')).sort(),
        wanted.map((path) => path.replace(/^examples/, '').replace(/\.json$/, '')).sort(),
      );
    });

    it('flashes a chip', async () => {
      const file = '01-flash/Start here.json';
      await red.deploy(readJson<FlowNode[]>(`examples/flows/${file}`));
      await scenarios[file]?.(red);
    });

    it('warns of nothing that is ours', () => {
      const warnings = red.log
        .split('\n')
        .filter((line) => /\[(warn|error)\]|Warning:/i.test(line) && /keyway|deprecat/i.test(line))
        // The cable is pulled on purpose while it flashes.
        .filter((line) => !line.includes('[keyway-flash:flash bench-1] KeywayError: The cable'));
      assert.deepEqual(warnings, []);
    });
  });
}
