// `npm start`: Node-RED on loopback with the guided tab and a few example flows, all on the virtual bench.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { composeFlows, STARTERS } from './flows.mjs';
import { build } from './tools.mjs';

build();
const userDir = resolve('.keyway');
mkdirSync(userDir, { recursive: true, mode: 0o700 });
chmodSync(userDir, 0o700);
linkPackage();
// Where examples that start programs of others put their files.
const demoDir = join(userDir, 'demo');
mkdirSync(demoDir, { recursive: true, mode: 0o700 });
const port = await choosePort();
const flowFile = join(userDir, 'flows.json');
if (!existsSync(flowFile))
  writeFileSync(flowFile, JSON.stringify(await composeFlows(STARTERS, freePort), null, 2), { mode: 0o600 });

const red = spawn(
  process.execPath,
  [join('node_modules', 'node-red', 'red.js'), '-u', userDir, '-s', join('scripts', 'settings.cjs')],
  { stdio: 'inherit', env: { KEYWAY_DEMO_DIR: demoDir, ...process.env, KEYWAY_USER_DIR: userDir, PORT: String(port) } },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => red.kill(signal));
red.on('exit', (code) => process.exit(code ?? 0));
await announce();

/** Node-RED finds the checkout as an installed package, as users have it. */
function linkPackage() {
  const link = join(userDir, 'node_modules', '@keyway', 'node-red-provisioning');
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true, recursive: false });
  symlinkSync(resolve('.'), link, process.platform === 'win32' ? 'junction' : 'dir');
}

/** PORT when it is set; else 1880, or the next free one. */
async function choosePort() {
  const wished = process.env.PORT;
  if (wished !== undefined && wished !== '') {
    const number = Number(wished);
    if (!Number.isInteger(number) || number < 1 || number > 65535)
      stop(`PORT is "${wished}": give a number from 1 to 65535.`);
    if (!(await isFree(number))) stop(`Port ${number} is in use. Choose another: PORT=1881 npm start`);
    return number;
  }
  for (let number = 1880; number < 1900; number++) if (await isFree(number)) return number;
  return stop('Ports 1880 to 1899 are all in use. Choose another: PORT=2880 npm start');
}

function isFree(number) {
  return new Promise((answer) => {
    const probe = createServer();
    probe.once('error', () => answer(false));
    probe.listen(number, '127.0.0.1', () => probe.close(() => answer(true)));
  });
}

function freePort() {
  return new Promise((answer, refuse) => {
    const probe = createServer();
    probe.once('error', refuse);
    probe.listen(0, '127.0.0.1', () => {
      const { port: number } = probe.address();
      probe.close(() => answer(number));
    });
  });
}

/** Says the address once the editor answers. */
async function announce() {
  const address = `http://127.0.0.1:${port}/`;
  for (let tries = 0; tries < 600; tries++) {
    const answer = await fetch(address).catch(() => undefined);
    if (answer?.ok) {
      console.log(
        `\n  Keyway is ready:  ${address}\n  Press the button of the inject node on the tab "Start here". Ctrl-C ends it.\n`,
      );
      return;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  console.error('The editor did not answer within a minute: see the log above.');
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
