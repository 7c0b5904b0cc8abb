// Packs the package and installs it, without development dependencies, as users do: in Node-RED 4.1 on Node 22 and in
// Node-RED 5 on Node 24. The suite then starts each and looks.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build, mocha, run } from './tools.mjs';

const LEGS = [
  { name: 'node-red-4.1', node: '22', nodeRed: '~4.1.0' },
  { name: 'node-red-5', node: '24', nodeRed: '^5.0.0' },
];

build();
const base = resolve('build', 'matrix');
rmSync(base, { recursive: true, force: true });
mkdirSync(base, { recursive: true });
const packed = npm(['pack', '--ignore-scripts', '--json', '--pack-destination', base], process.cwd(), 'pipe');
const tarball = join(base, tarballName(packed));
for (const leg of LEGS) {
  const runtime = join(base, leg.name, 'runtime');
  const userDir = join(base, leg.name, 'user');
  for (const folder of [runtime, userDir]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(runtime, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
  writeFileSync(join(userDir, 'package.json'), JSON.stringify({ private: true }));
  console.log(`Installing Node-RED ${leg.nodeRed} on Node ${leg.node}, and the tarball …`);
  npm(['install', `node@${leg.node}`, `node-red@${leg.nodeRed}`], runtime);
  npm(['install', '--omit=dev', tarball], userDir);
}
run('matrix', [mocha, '--timeout', '120000', 'test/matrix/**/*.spec.ts'], { env: { KEYWAY_MATRIX: base } });

function npm(args, cwd, stdout = 'inherit') {
  const outcome = spawnSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', stdout, 'inherit'],
    shell: process.platform === 'win32',
  });
  if (outcome.status !== 0) {
    console.error(`npm ${args[0]} failed in ${cwd}.`);
    process.exit(1);
  }
  return outcome.stdout;
}

/** npm 10 prints a list, npm 12 an object by name. */
function tarballName(text) {
  const answer = JSON.parse(text);
  const [one] = Array.isArray(answer) ? answer : Object.values(answer);
  return one.filename;
}
