import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import {
  cutAtMosquitto,
  type Judge,
  MosquittoControl,
  mosquittoConfig,
  reloadMosquitto,
} from '../../lib/endpoint/index.ts';
import { CrlPublisher } from '../../lib/pki/node.ts';
import { type Bench, type Identity, MAC, NAMESPACE, PREFIX, textOf, tlsOf } from '../lib/endpoint/support.ts';
import { type Trust, trust } from '../lib/endpoint/trust.ts';
import { put, scratch } from '../lib/pki/support.ts';

const PLUGINS = [
  ...['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf'].map((name) => `/usr/lib/${name}`),
  ...['/usr/lib', '/usr/lib64', '/usr/local/lib'],
].map((folder) => `${folder}/mosquitto_dynamic_security.so`);

/** Says what is missing; on a machine that must have all, fails. */
function leftOut(what: string): void {
  if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
  console.log(`    left out: ${what}`);
}

const run = (command: string, args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve, reject) => {
    execFile(command, args, { timeout: 30_000 }, (error, out, err) => {
      if (error !== null && typeof error.code !== 'number') reject(new Error(`${command}: ${err}`, { cause: error }));
      else resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });

async function findFirst(paths: readonly string[]): Promise<string | undefined> {
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
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The files of an identity, for programs. */
async function filesOf(folder: string, name: string, who: Identity): Promise<string[]> {
  return [
    ...['--cert', await put(folder, `${name}.crt`, who.cert), '--key', await put(folder, `${name}.key`, who.key)],
    ...['--cafile', await put(folder, `${name}.ca`, who.issued.authorities)],
  ];
}

/** A mosquitto that runs, and what it said. */
class Broker {
  readonly #child: ChildProcess;
  log = '';

  private constructor(program: string, config: string) {
    this.#child = spawn(program, ['-v', '-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.log += chunk.toString();
        this.#child.emit('said');
      });
    }
  }

  static async start(program: string, config: string): Promise<Broker> {
    const broker = new Broker(program, config);
    await broker.says(/mosquitto version .* running/);
    return broker;
  }

  async says(what: RegExp): Promise<void> {
    while (!what.test(this.log)) {
      if (this.#child.exitCode !== null) throw new Error(`mosquitto ended: ${this.log}`);
      await Promise.race([once(this.#child, 'said'), once(this.#child, 'exit')]);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await gone;
  }
}

describe('peers: mosquitto', function () {
  this.timeout(60_000);
  let all: Trust;
  let folder = '';
  let remove: (() => Promise<void>) | undefined;

  before(async function () {
    if ((await run('mosquitto_pub', ['--help']).catch(() => undefined)) === undefined) {
      leftOut('mosquitto_pub not found');
      this.skip();
    }
    ({ folder, remove } = await scratch());
    all = await trust();
  });
  after(async () => {
    await all?.close();
    await remove?.();
  });

  describe('its clients and our endpoint', () => {
    let bench: Bench<Judge>;
    beforeEach(async () => {
      bench = await all.bench();
    });
    afterEach(() => bench?.close());

    for (const version of ['311', '5']) {
      it(`mosquitto_pub and mosquitto_sub, MQTT ${version}`, async () => {
        const own = [...(await filesOf(folder, 'device', all.device)), '-p', String(bench.port), '-h', '127.0.0.1'];
        for (const qos of ['0', '1', '2']) {
          const sent = await run('mosquitto_pub', [...own, '-V', version, '-t', `${PREFIX}up`, '-m', qos, '-q', qos]);
          assert.equal(sent.code, 0, sent.err);
        }
        const messages = await bench.told.until('message', 3);
        assert.deepEqual(messages.map(textOf), ['0', '1', '2']);
        const gone = bench.told.all('offline').length;
        await bench.told.until('offline', Math.max(gone, 3));
        const subscriber = run('mosquitto_sub', [
          ...own,
          ...['-V', version, '-t', `${PREFIX}down/#`, '-q', '2', '-C', '3', '-W', '20', '-F', '%t %p'],
        ]);
        await bench.told.until('online', 4);
        while (bench.endpoint.sessions()[0]?.subscriptions.length !== 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const qos of [0, 1, 2] as const) {
          await bench.endpoint.publish({
            namespace: NAMESPACE,
            mac: MAC,
            topic: `down/${qos}`,
            payload: `to ${qos}`,
            qos,
          });
        }
        const { code, out } = await subscriber;
        assert.equal(code, 0);
        assert.equal(out, [0, 1, 2].map((qos) => `${PREFIX}down/${qos} to ${qos}\n`).join(''));
      });
    }

    it('what is not allowed, it is told in MQTT’s words', async () => {
      const own = [...(await filesOf(folder, 'device', all.device)), '-p', String(bench.port), '-h', '127.0.0.1'];
      const outside = await run('mosquitto_pub', [...own, '-V', '5', '-t', 'other/x', '-m', 'x', '-q', '1', '-d']);
      assert.match(outside.out + outside.err, /not authori[sz]ed/i);
      const filter = await run('mosquitto_sub', [...own, '-V', '5', '-t', '#', '-W', '5', '-C', '1']);
      assert.match(filter.out + filter.err, /not authori[sz]ed|denied/i);
      const gone = await all.mint();
      await all.authority.revoke(gone.serial, 1);
      const revoked = [...(await filesOf(folder, 'gone', gone)), '-p', String(bench.port), '-h', '127.0.0.1'];
      const refused = await run('mosquitto_pub', [...revoked, '-t', `${PREFIX}x`, '-m', 'x']);
      assert.notEqual(refused.code, 0);
      assert.doesNotMatch(refused.out + refused.err, /revoked|authori[sz]ed/i);
      assert.equal(bench.told.codes.at(-1), 'CERT_REVOKED');
      // The device holds one again.
      Object.assign(all, { device: await all.mint() });
    });
  });

  describe('in front, with our list', () => {
    let program: string | undefined;
    let plugin: string | undefined;
    let broker: Broker;
    let crls: CrlPublisher;
    let port = 0;
    let control: { url: string; username: string; password: string };
    const pidFile = (): string => join(folder, 'mosquitto.pid');
    const clients: MqttClient[] = [];

    before(async function () {
      program = await findFirst(['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto']);
      plugin = await findFirst(PLUGINS);
      if (program === undefined || plugin === undefined) {
        leftOut('mosquitto or its dynamic security plugin not found');
        this.skip();
      }
      port = await freePort();
      const localPort = await freePort();
      control = { url: `mqtt://127.0.0.1:${localPort}`, username: 'admin', password: 'of no value to anybody' };
      const dynsec = join(folder, 'dynsec.json');
      await run('mosquitto_ctrl', ['dynsec', 'init', dynsec, control.username, control.password]);
      const crlFile = join(folder, 'devices.crl.pem');
      crls = new CrlPublisher({
        store: all.registry,
        authority: all.authority,
        files: [{ path: crlFile, namespaces: [NAMESPACE] }],
      });
      await crls.start();
      const config = mosquittoConfig({
        ...{ port, localPort, pidFile: pidFile(), crlFile },
        keyFile: await put(folder, 'broker.key', all.service.key),
        certFile: await put(folder, 'broker.crt', all.service.cert),
        caFile: await put(folder, 'broker.ca', all.device.issued.authorities),
        dynamicSecurity: { plugin, file: dynsec },
      });
      // As root it would give up the right to read the files of this test.
      const path = await put(
        folder,
        'mosquitto.conf',
        `${config}log_dest stderr\n${process.getuid?.() === 0 ? 'user root\n' : ''}`,
      );
      broker = await Broker.start(program, path);
    });
    afterEach(async () => {
      await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
    });
    after(async () => {
      await broker?.stop();
      await crls?.close();
    });

    /** Resolves to whether it was let in. */
    const tryIn = (who: Identity): Promise<MqttClient | undefined> =>
      new Promise((resolve) => {
        const client = mqtt.connect(`mqtts://127.0.0.1:${port}`, { ...tlsOf(who), reconnectPeriod: 0 });
        clients.push(client);
        client.on('error', () => undefined);
        client.once('connect', () => resolve(client));
        client.once('close', () => resolve(undefined));
      });

    const endOf = (client: MqttClient): Promise<void> =>
      new Promise((resolve) => {
        client.once('close', () => resolve());
      });

    it('accepts a device, refuses it after its revocation, and ends its session only by the kick', async () => {
      const who = await all.mint();
      const session = await tryIn(who);
      const bystander = await tryIn(all.other);
      assert.ok(session !== undefined && bystander !== undefined);
      const ended = endOf(session);
      await all.authority.revokeDevice(NAMESPACE, MAC, 1);
      const kicked = await cutAtMosquitto(
        { reload: { pidFile: pidFile() }, control },
        { write: () => crls.publish(NAMESPACE), usernames: [`${NAMESPACE}:${MAC}`] },
      );
      assert.deepEqual(kicked, [`${NAMESPACE}:${MAC}`]);
      await ended;
      assert.equal(await tryIn(who), undefined);
      assert.ok(bystander.connected);
      assert.ok((await tryIn(all.other)) !== undefined);
    });

    it('the other order lets it back in: kicked before the list is read', async () => {
      const who = await all.mint();
      const session = await tryIn(who);
      assert.ok(session !== undefined);
      const ended = endOf(session);
      await all.authority.revoke(who.serial, 1);
      await crls.publish(NAMESPACE);
      const speaker = await MosquittoControl.open(control);
      try {
        await speaker.kick([`${NAMESPACE}:${MAC}`]);
        await ended;
        const back = await tryIn(who);
        assert.ok(back !== undefined, 'the list was read without a signal');
        await reloadMosquitto({ pidFile: pidFile() });
        await speaker.command('getDefaultACLAccess');
        assert.equal(await tryIn(who), undefined);
        assert.ok(back.connected, 'SIGHUP alone ended a session');
      } finally {
        await speaker.close();
      }
    });

    it('a device that was flashed again comes in, though it was kicked', async () => {
      const again = await all.mint();
      assert.ok((await tryIn(again)) !== undefined);
    });

    it('says what is wrong with the way to it', async () => {
      await assert.rejects(MosquittoControl.open({ ...control, password: 'another' }), { code: 'MOSQUITTO_REFUSED' });
      const closed = { ...control, url: `mqtt://127.0.0.1:${await freePort()}` };
      await assert.rejects(MosquittoControl.open(closed), { code: 'MOSQUITTO_NOT_THERE' });
      const speaker = await MosquittoControl.open(control);
      try {
        await assert.rejects(speaker.command('nonsense'), { code: 'MOSQUITTO_REFUSED' });
      } finally {
        await speaker.close();
      }
    });
  });
});
