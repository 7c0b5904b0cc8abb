import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from '../support/node-red.ts';

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
    let red: ChildProcess;
    let address: string;
    let log = '';

    before(async () => {
      const runtime = join(base, leg.name, 'runtime');
      const userDir = join(base, leg.name, 'user');
      const port = await freePort();
      address = `http://127.0.0.1:${port}`;
      const settings = join(userDir, 'settings.js');
      writeFileSync(
        settings,
        `module.exports = { uiHost: '127.0.0.1', uiPort: ${port}, credentialSecret: 'matrix', telemetry: { enabled: false }, editorTheme: { palette: { catalogues: [] } } };`,
      );
      const args = [join(runtime, 'node_modules', 'node-red', 'red.js'), '-u', userDir, '-s', settings];
      red = spawn(join(runtime, 'node_modules', '.bin', 'node'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [red.stdout, red.stderr]) stream?.on('data', (chunk: Buffer) => (log += chunk.toString()));
      await started(red, () => log.includes('Started flows') || log.includes('Server now running'));
    });

    after(async () => {
      const ended = new Promise((done) => red.once('exit', done));
      red.kill('SIGTERM');
      await ended;
    });

    async function get<T>(path: string): Promise<T> {
      const answer = await fetch(address + path, { headers: { accept: 'application/json' } });
      assert.equal(answer.status, 200, path);
      return (await answer.json()) as T;
    }

    it('loads every type', async () => {
      const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
      const sets = (await get<NodeSet[]>('/nodes')).filter((set) => set.module === manifest.name);
      assert.deepEqual(
        sets.filter((set) => set.err !== undefined || !set.enabled),
        [],
      );
      assert.deepEqual(sets.flatMap((set) => set.types).sort(), Object.keys(manifest['node-red'].nodes).sort());
    });

    it('lists the examples', async () => {
      const text = JSON.stringify(await get('/library/_examples_'));
      assert.ok(text.includes('Start here') || text.includes('01-flash'), text.slice(0, 400));
    });

    it('warns of nothing that is ours', () => {
      const lines = log
        .split('\n')
        .filter((line) => /\[(warn|error)\]|Warning:/i.test(line) && /keyway|deprecat/i.test(line));
      assert.deepEqual(lines, []);
    });
  });
}

/** Resolves when `ready` says so; rejects when the process ends first. */
function started(child: ChildProcess, ready: () => boolean): Promise<void> {
  return new Promise((answer, refuse) => {
    const look = (): void => {
      if (ready()) answer();
    };
    child.stdout?.on('data', look);
    child.once('exit', (code) => refuse(new Error(`Node-RED ended with ${code}`)));
  });
}
