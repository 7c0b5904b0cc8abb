// What the scripts share: running a tool of node_modules, and building only what changed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** No tool and no suite takes so long: what does hangs, and is ended. */
const LONGEST_MS = 15 * 60_000;

/** Runs a JavaScript tool on this Node; ends the script when it fails. */
export function run(title, args, { env = {}, allowFailure = false } = {}) {
  const outcome = spawnSync(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, ...env },
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  });
  if (outcome.error?.code === 'ETIMEDOUT') console.error(`\n${title} did not end within 15 minutes.`);
  if (outcome.status !== 0 && !allowFailure) {
    console.error(`\n${title} failed (exit ${outcome.status ?? outcome.signal}).`);
    process.exit(outcome.status ?? 1);
  }
  return outcome.status ?? 1;
}

/** Begins a tool beside others. @returns what waits for it, then prints what it said, and gives its exit code */
export function begin(title, args, { env = {} } = {}) {
  const log = join('build', `${title}.log`);
  const out = openSync(log, 'w');
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', out, out],
    env: { ...process.env, ...env },
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  });
  closeSync(out);
  const ended = new Promise((done) => child.once('exit', (code) => done(code ?? 1)));
  return async () => {
    const code = await ended;
    process.stdout.write(readFileSync(log));
    return code;
  };
}

export const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
export const rollup = join('node_modules', 'rollup', 'dist', 'bin', 'rollup');
export const mocha = join('node_modules', 'mocha', 'bin', 'mocha.js');
export const biome = join('node_modules', '@biomejs', 'biome', 'bin', 'biome');

const SOURCES = ['lib', 'nodes', 'editor', 'icons', 'package.json', 'package-lock.json', 'rollup.config.js'];

/** Compiles and bundles when a source changed since the last build. */
export function build() {
  const stamp = join('build', 'sources.sha256');
  const hash = hashTree([...SOURCES, 'tsconfig.json', 'tsconfig.base.json']);
  if (existsSync(stamp) && existsSync('dist') && readFileSync(stamp, 'utf8') === hash) return;
  const from = Date.now();
  console.log('Building …');
  run('tsc', [tsc, '-b']);
  run('rollup', [rollup, '-c', '--silent']);
  mkdirSync('build', { recursive: true });
  writeFileSync(stamp, hash);
  console.log(`Built in ${((Date.now() - from) / 1000).toFixed(1)} s.`);
}

function hashTree(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(path).update('\0').update(readFileSync(path));
  };
  for (const path of paths) visit(path);
  return hash.digest('hex');
}
