// Runs on whatever Node the machine has: sets the checkout up when it must, then hands over to the Node that npm
// brought (node_modules/node), on which everything else runs.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const OLDEST_NODE = [22, 13];
const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const [task, ...args] = process.argv.slice(2);

process.chdir(root);
install();
const node = findNode();
const child = spawn(node, [join('scripts', `${task}.mjs`), ...args], {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 0));

/** Installs only when the lockfile changed, so that a running Node-RED never loses its modules. */
function install() {
  const marker = join('node_modules', '.keyway-lock');
  const hash = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === hash) return;
  console.log('Setting up: installing the packages of package-lock.json …');
  rmSync(marker, { force: true });
  const npm = process.env.npm_execpath;
  const command = npm === undefined ? 'npm' : process.execPath;
  const prefix = npm === undefined ? [] : [npm];
  const done = spawnSync(command, [...prefix, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: 'inherit',
    shell: npm === undefined && process.platform === 'win32',
  });
  if (done.status !== 0) {
    console.error('npm ci did not finish: see above. Nothing was started.');
    process.exit(done.status ?? 1);
  }
  writeFileSync(marker, hash);
}

function findNode() {
  const brought = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const candidate = existsSync(brought) ? brought : process.execPath;
  const version = spawnSync(candidate, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return candidate;
  console.error(
    `Node ${version || '(none)'} is too old: Keyway needs ${OLDEST_NODE.join('.')} or newer. ` +
      'The npm package "node" brings one; if its install script was blocked, allow it and run `npm ci` again.',
  );
  process.exit(1);
}
