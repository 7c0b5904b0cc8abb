import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { MqttClient } from 'mqtt';
import { mosquittoConfig } from '../../lib/endpoint/index.ts';
import { serviceCertificate } from '../../nodes/shared/trust-certificate.ts';
import { Bench } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import { connect, type Holder, hangUp, holder, MAC, OTHER, occupy, opened } from './trust-bench.ts';

const PROGRAMS = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'];
const PLUGINS = ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf', '']
  .map((name) => join('/usr/lib', name, 'mosquitto_dynamic_security.so'))
  .concat('/usr/lib64/mosquitto_dynamic_security.so', '/usr/local/lib/mosquitto_dynamic_security.so');

async function first(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const { port, close } = await occupy();
  await close();
  return port;
}

/** Resolves once it says so. */
function says(child: ChildProcess, what: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    const take = (chunk: Buffer): void => {
      log += chunk.toString();
      if (what.test(log)) resolve();
    };
    child.stderr?.on('data', take);
    child.once('exit', () => reject(new Error(`mosquitto ended: ${log}`)));
  });
}

describe('a mosquitto in front, and the revoke node', function () {
  this.timeout(60_000);
  const userDir = freshUserDir();
  let broker: ChildProcess | undefined;
  let program: string | undefined;
  let plugin: string | undefined;

  before(async function () {
    [program, plugin] = [await first(PROGRAMS), await first(PLUGINS)];
    if (program !== undefined && plugin !== undefined) return;
    if (process.env.KEYWAY_PEERS === 'required') throw new Error('mosquitto not found, and KEYWAY_PEERS is "required"');
    console.log('    left out: mosquitto or its dynamic security plugin not found');
    this.skip();
  });
  afterEach(async () => {
    await hangUp();
    const child = broker;
    broker = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill();
    await once(child, 'exit');
  });

  /** Starts it with what a gateway would give it. */
  async function start(port: number, localPort: number, who: Holder, password: string): Promise<void> {
    const folder = userDir();
    const put = async (name: string, content: string | Uint8Array): Promise<string> => {
      await writeFile(join(folder, name), content, { mode: 0o600 });
      return join(folder, name);
    };
    const service = await serviceCertificate(await opened(), ['localhost', '127.0.0.1']);
    const dynsec = join(folder, 'dynsec.json');
    await promisify(execFile)('mosquitto_ctrl', ['dynsec', 'init', dynsec, 'admin', password]);
    const config = mosquittoConfig({
      ...{ port, localPort, pidFile: join(folder, 'mosquitto.pid'), crlFile: join(folder, 'crl.pem') },
      keyFile: await put('broker.key', service.key),
      certFile: await put('broker.crt', service.chain),
      caFile: await put('broker.ca', who.issued.authorities),
      dynamicSecurity: { plugin: plugin as string, file: dynsec },
    });
    // As root it would give up the right to read the files of this test.
    const asRoot = process.getuid?.() === 0 ? 'user root\n' : '';
    const path = await put('mosquitto.conf', `${config}log_dest stderr\n${asRoot}`);
    broker = spawn(program as string, ['-v', '-c', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    await says(broker, /mosquitto version .* running/);
  }

  it('writes the list, has it read, and then ends the session', async () => {
    const [port, localPort] = [await freePort(), await freePort()];
    const password = 'of no value to anybody';
    const common = {
      ...{ type: 'keyway-revoke', authority: 'authority', wires: [['out']] },
      ...{ crlFile: join(userDir(), 'crl.pem'), pidFile: join(userDir(), 'mosquitto.pid') },
    };
    const bench = await Bench.load(
      [
        ...demoAuthority(),
        { ...common, id: 'revoke', controlUrl: `mqtt://127.0.0.1:${localPort}` },
        { ...common, id: 'stranger', controlUrl: `mqtt://127.0.0.1:${localPort}` },
      ],
      [],
      {
        revoke: { controlUser: 'admin', controlPassword: password },
        stranger: { controlUser: 'admin', controlPassword: 'another' },
      },
    );
    const [who, other] = [await holder(), await holder(OTHER)];
    const file = join(userDir(), 'crl.pem');
    // The file is there from the deploy on: mosquitto does not start without it.
    await isThere(file);
    await start(port, localPort, who, password);
    const session: MqttClient = await connect(port, who);
    const bystander = await connect(port, other, { clientId: 'b' });
    const ended = new Promise<void>((resolve) => session.once('close', () => resolve()));
    const before = await readFile(file, 'utf8');
    bench.send('revoke', { device: { namespace: NAMESPACE, mac: MAC } });
    const { payload } = await Promise.race([
      bench.out.next(),
      bench.caught.next().then(({ error }) => Promise.reject(new Error(`${error.code}: ${error.message}`))),
    ]);
    await ended;
    assert.deepEqual(payload.kicked, [`${NAMESPACE}:${who.mac}`]);
    assert.notEqual(await readFile(file, 'utf8'), before);
    await assert.rejects(connect(port, who));
    assert.equal(bystander.connected, true);
    // Flashed again it comes in, though it was kicked.
    await connect(port, await holder());
    assert.equal(await bench.failure('stranger', { device: { namespace: NAMESPACE, mac: MAC } }), 'MOSQUITTO_REFUSED');
    assert.ok(!JSON.stringify([bench.caught.messages, bench.out.messages]).includes(password));
  });
});

/** Resolves when a file is there. */
function isThere(path: string): Promise<void> {
  return new Promise((resolve) => {
    const look = async (): Promise<void> => {
      if ((await first([path])) === undefined) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(dirname(path), () => void look());
    void look();
  });
}
