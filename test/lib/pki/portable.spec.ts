import assert from 'node:assert/strict';
import { importsOf } from '../../house/sources.ts';

/** Every file that `entry` reaches, and what it imports from elsewhere. */
function reach(entry: string): { files: Set<string>; packages: string[] } {
  const files = new Set<string>();
  const packages: string[] = [];
  const left = [entry];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const { to, own, typeOnly } of importsOf(file)) {
      if (typeOnly) continue;
      if (own) left.push(to);
      else packages.push(`${file} → ${to}`);
    }
  }
  return { files, packages };
}

describe('pki: what a browser loads', () => {
  it('reaches nothing of Node, and no package', () => {
    const { files, packages } = reach('lib/pki/index.ts');
    assert.ok(files.size > 10, `${files.size} files`);
    assert.deepEqual(packages, []);
  });

  it('would notice', () => {
    assert.notDeepEqual(reach('lib/pki/node.ts').packages, []);
  });
});
