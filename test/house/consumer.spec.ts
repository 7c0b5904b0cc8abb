import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './sources.ts';

describe('a script that uses the library', () => {
  it('is the one in the README, and compiles against the built declarations', function () {
    this.timeout(60000);
    const [, script = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    assert.match(script, /planFlash/);
    const folder = mkdtempSync(join(tmpdir(), 'keyway-consumer-'));
    try {
      mkdirSync(join(folder, 'node_modules', '@keyway'), { recursive: true });
      symlinkSync(root, join(folder, 'node_modules', '@keyway', 'node-red-provisioning'), 'dir');
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(folder, 'script.ts'), script);
      // No skipLibCheck: what our declarations import has to be there for a user, too.
      const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
      const types = ['--typeRoots', join(root, 'node_modules', '@types')];
      const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      const outcome = spawnSync(process.execPath, [tsc, ...options, ...types, 'script.ts'], {
        cwd: folder,
        encoding: 'utf8',
      });
      assert.equal(outcome.status, 0, outcome.stdout + outcome.stderr);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
