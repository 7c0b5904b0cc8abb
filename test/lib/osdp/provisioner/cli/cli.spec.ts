import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { runConsole } from '../../../../../lib/osdp/provisioner/cli/console.ts';
import { parseArguments } from '../../../../../lib/osdp/provisioner/cli/options.ts';
import { type RunningProvisioner, startProvisioner } from '../../../../../lib/osdp/provisioner/cli/start.ts';
import { ProvisionerHost, pairProvisioner, spawnProvisioner } from '../../../../../lib/osdp/provisioner/host/index.ts';
import type { Edge } from '../../../../../lib/osdp/provisioner/types.ts';
import { makeKeyFile } from '../../../../../lib/vault/index.ts';
import { makeReaders, ReaderBus, serveRfc2217 } from '../../../../../lib/virtual/index.ts';
import { testIdentities, until } from '../link/bench.ts';
import { TERMS } from '../link/fake-device.ts';

const COMMAND = fileURLToPath(new URL('../../../../../lib/osdp/provisioner/cli.ts', import.meta.url));
const coded = (code: string) => (error: unknown) => isKeywayError(error, code);
/** Nothing listens there: the bus is looked for when an attempt needs it. */
const NO_BUS = 'tcp://127.0.0.1:9';

interface Ready {
  readonly listening: string[];
  readonly fingerprint: string;
  readonly pid: number;
}

describe('keyway-provisioner', function () {
  // Each start of the program takes a second or two.
  this.timeout(60_000);
  let folder: string;
  let ends: (() => Promise<unknown> | unknown)[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-prov-'));
    await chmod(folder, 0o700);
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends.reverse()) await end();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]): ChildProcessWithoutNullStreams => {
    const child = spawn(process.execPath, [COMMAND, ...args]);
    ends.push(() => void child.kill('SIGKILL'));
    return child;
  };
  const usual = (): string[] => [
    ...['--port', NO_BUS, '--store', join(folder, 'store'), '--listen', `unix:${join(folder, 's.sock')}`],
    ...['--key-file', join(folder, 'key')],
  ];
  const ready = async (child: ChildProcessWithoutNullStreams): Promise<Ready> => {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return JSON.parse(line) as Ready;
  };
  const output = async (...args: string[]): Promise<{ code: number | null; out: string; error: string }> => {
    const child = run(...args);
    let [out, error] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      error += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, error };
  };
  /** A command of the console, without a process of its own. */
  const console = (...args: string[]): Promise<string> => {
    const wish = parseArguments(args);
    assert.ok(wish.command !== 'help' && wish.command !== 'run');
    return runConsole(wish);
  };
  const inProcess = async (...listen: string[]): Promise<RunningProvisioner> => {
    const running = await startProvisioner({
      port: NO_BUS,
      store: join(folder, 'store'),
      listen,
      key: { file: join(folder, 'key') },
      makeKey: true,
      name: 'gateway 7',
    });
    ends.push(() => running.close());
    return running;
  };

  it('reads its arguments, and refuses what it cannot use with a code and 2', async () => {
    assert.deepEqual(parseArguments(['--help']), { command: 'help' });
    assert.deepEqual(parseArguments(['pair', '--store', 's', '--enrol']), { command: 'pair', store: 's', enrol: true });
    assert.deepEqual(parseArguments(['hosts', '--store', 's']), {
      command: 'hosts',
      store: 's',
      verb: 'list',
      fingerprint: '',
    });
    assert.deepEqual(parseArguments(['log', '--store', 's']), { command: 'log', store: 's' });
    assert.deepEqual(
      parseArguments(['log', '--verify', '--store', 's', '--key-credential', 'k', '--previous-key-file', 'old']),
      { command: 'log', store: 's', verify: { key: { credential: 'k' }, previous: [{ file: 'old' }] } },
    );
    const base = ['--port', '/dev/ttyUSB0', '--store', 's', '--listen', 'tls:0.0.0.0:7443'];
    assert.deepEqual(
      parseArguments([...base, '--key-credential', 'k', '--modes', 'offline', '--slots', '3', '--pair', '--parent']),
      {
        command: 'run',
        run: {
          port: '/dev/ttyUSB0',
          store: 's',
          listen: ['tls:0.0.0.0:7443'],
          modes: ['offline'],
          slots: 3,
          key: { credential: 'k' },
          previous: [],
          makeKey: false,
          pair: true,
          parent: true,
        },
      },
    );
    for (const [args, field] of [
      [[], /--listen is missing/],
      [base, /--key-file is missing/],
      [[...base, '--key-file', 'a', '--key-variable', 'B'], /several/],
      [[...base, '--key-variable', 'B', '--make-key'], /--make-key/],
      [[...base, '--key-file', 'k', '--slots', '65'], /--slots cannot be "65"/],
      [[...base, '--key-file', 'k', '--modes', 'live,live'], /--modes/],
      [[...base, '--key-file', 'k', '--what'], /--what/],
      [['hosts', 'burn', '--store', 's'], /--hosts cannot be "burn"/],
      [['hosts', 'forget', 'xyz', '--store', 's'], /--fingerprint/],
      [['pair'], /--store is missing/],
      [['log', 'x', 'y', '--store', 's'], /./],
      [['log', '--store', 's', '--verify'], /--key-file is missing/],
      [['log', '--store', 's', '--key-file', 'k'], /--verify is missing/],
      [['log', '--verify', '--key-file', 'k'], /--store is missing/],
    ] as const) {
      assert.throws(
        () => parseArguments(args),
        (error) => isKeywayError(error, 'BAD_LINK_OPTION') && field.test(error.message),
      );
    }
    assert.throws(() => parseArguments([...base, '--key-file', 'k', '--listen', 'x:y']), coded('BAD_LINK_ADDRESS'));
    const wrong = await output('--port', NO_BUS);
    assert.deepEqual([wrong.code, wrong.error.split(':')[0]], [2, 'BAD_LINK_OPTION']);
    const help = await output('--help');
    assert.deepEqual([help.code, /--listen ADDRESS/.test(help.out)], [0, true]);
  });

  it('leaves with 1 when it cannot start: no key, a socket folder or a key that lets others in, a store in use', async () => {
    const missing = await output(...usual());
    assert.deepEqual([missing.code, missing.error.split(':')[0]], [1, 'KEYSTORE_KEY_MISSING']);
    await makeKeyFile(join(folder, 'key'));
    await chmod(folder, 0o755);
    const open = await output(...usual());
    assert.deepEqual([open.code, /LINK_FOLDER_OPEN/.test(open.error)], [1, true]);
    await chmod(folder, 0o700);
    const child = run(...usual());
    await ready(child);
    const second = await output(...usual());
    assert.deepEqual([second.code, /STORE_BUSY/.test(second.error)], [1, true]);
  });

  it('says where hosts come in one line of JSON, keeps its identity, and ends on SIGTERM with 0', async () => {
    const fingerprints: string[] = [];
    for (let i = 0; i < 2; i++) {
      const child = run(...usual(), '--make-key', '--listen', 'tls:127.0.0.1:0', '--name', 'gateway 7');
      const said = await ready(child);
      fingerprints.push(said.fingerprint);
      assert.match(said.listening[1] ?? '', /^tls:127\.0\.0\.1:[1-9]\d*$/);
      const host = await ProvisionerHost.connect(said.listening[0] ?? '', { name: 'test' });
      ends.push(() => host.close());
      assert.equal(host.status?.name, 'gateway 7');
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      assert.deepEqual(await closed, [0, null]);
      await host.close();
    }
    assert.equal(fingerprints[0], fingerprints[1]);
    const identity = await readFile(join(folder, 'store', 'link', 'identity.json'), 'utf8');
    assert.doesNotMatch(identity, /PRIVATE/);
    assert.equal((await stat(join(folder, 'store', 'link', 'identity.json'))).mode & 0o777, 0o600);
  });

  it('ends when its parent does', async () => {
    const child = run(...usual(), '--make-key', '--parent');
    await ready(child);
    const closed = once(child, 'close');
    child.stdin.end();
    assert.deepEqual(await closed, [0, null]);
  });

  it('shows a pairing code at its console, lists, enrols and forgets hosts there, and keeps a log', async () => {
    const running = await inProcess('tls:127.0.0.1:0');
    const store = ['--store', join(folder, 'store')];
    const [address = ''] = running.listening;
    const { host: identity, other } = await testIdentities();
    assert.match(await console('hosts', ...store), /No host/);
    const { out } = await output('pair', ...store);
    const code = /^(\S+)\n/.exec(out)?.[1] ?? '';
    const peer = await pairProvisioner(address, code, { identity, name: 'bench laptop' });
    assert.equal(peer.name, 'gateway 7');
    const enrolling = /^(\S+)\n/.exec(await console('pair', '--enrol', ...store))?.[1] ?? '';
    await pairProvisioner(address, enrolling, { identity: other, name: 'office' });
    const listed = await console('hosts', 'list', ...store);
    assert.match(listed, new RegExp(`${identity.fingerprint}  \\S+  paired +bench laptop`));
    assert.match(listed, new RegExp(`${other.fingerprint}  \\S+  enrolled +office`));
    const host = await ProvisionerHost.connect(address, { name: 'bench laptop', identity, pins: [peer.fingerprint] });
    ends.push(() => host.close());
    await host.create(1, TERMS, [{ address: 5, baudRate: 9600 }]);
    await host.withSeed(1, ({ seed }) => assert.equal(seed.length, 16));
    const start = identity.fingerprint.slice(0, 10);
    assert.match(await console('hosts', 'enrol', start, ...store), /is enrolled/);
    assert.match(await console('hosts', 'dismiss', start, ...store), /no longer/);
    assert.match(await console('hosts', 'forget', start, ...store), /is forgotten/);
    await until(() => host.problem?.code === 'NOT_PAIRED');
    await assert.rejects(console('hosts', 'forget', start, ...store), coded('NOT_PAIRED'));
    const log = await console('log', ...store);
    for (const word of [
      'listening',
      'pairing-open',
      'paired',
      'attached',
      'sealed',
      'seed-read',
      'forgotten',
      'left',
    ]) {
      assert.ok(log.includes(`"event":"${word}"`), `${word} is not in the log:\n${log}`);
    }
    assert.ok(!log.includes(code));
    await running.close();
    const late = await output('pair', ...store);
    assert.deepEqual([late.code, late.error.split(':')[0]], [1, 'PROVISIONER_NOT_RUNNING']);
    assert.match(await console('hosts', 'forget', other.fingerprint, ...store), /is forgotten/);
  });

  it('lets only a host that sealed a slot take over, or read its seed; and one that was enrolled', async () => {
    const running = await inProcess('tls:127.0.0.1:0');
    const [address = ''] = running.listening;
    const { host: first, other } = await testIdentities();
    const pins = [running.fingerprint];
    await pairProvisioner(address, running.pair().code, { identity: first, name: 'first' });
    await pairProvisioner(address, running.pair().code, { identity: other, name: 'other' });
    const owner = await ProvisionerHost.connect(address, { name: 'first', identity: first, pins });
    ends.push(() => owner.close());
    await owner.create(1, TERMS, [{ address: 5, baudRate: 9600 }]);
    const asking = { name: 'other', identity: other, pins, takeover: true };
    await assert.rejects(ProvisionerHost.connect(address, asking), coded('TAKEOVER_REFUSED'));
    await owner.close();
    const guest = await ProvisionerHost.connect(address, asking);
    ends.push(() => guest.close());
    await assert.rejects(
      guest.withSeed(1, () => undefined),
      coded('NOT_YOUR_SLOT'),
    );
    const again = await ProvisionerHost.connect(address, { name: 'first', identity: first, pins, takeover: true });
    ends.push(() => again.close());
    await until(() => guest.problem?.code === 'HOST_BUSY');
    await guest.close();
    await again.close();
    await console('hosts', 'enrol', other.fingerprint, '--store', join(folder, 'store'));
    const enrolled = await ProvisionerHost.connect(address, asking);
    ends.push(() => enrolled.close());
    await enrolled.withSeed(1, ({ seed }) => assert.equal(seed.length, 16));
  });

  it('verifies its log: pairings, takeovers, refusals and exports are in the chain', async () => {
    const running = await inProcess('tls:127.0.0.1:0');
    const [address = ''] = running.listening;
    const { host: first, other } = await testIdentities();
    const pins = [running.fingerprint];
    const store = join(folder, 'store');
    const verify = ['log', '--verify', '--store', store, '--key-file', join(folder, 'key')];
    const { code } = running.pair();
    const wrong = code.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'));
    await assert.rejects(
      pairProvisioner(address, wrong, { identity: first, name: 'first' }),
      coded('PAIRING_WRONG_CODE'),
    );
    await pairProvisioner(address, code, { identity: first, name: 'first' });
    await pairProvisioner(address, running.pair(true).code, { identity: other, name: 'other' });
    const guest = await ProvisionerHost.connect(address, { name: 'other', identity: other, pins });
    ends.push(() => guest.close());
    const asking = { name: 'first', identity: first, pins, takeover: true };
    await assert.rejects(ProvisionerHost.connect(address, asking), coded('TAKEOVER_REFUSED'));
    await console('hosts', 'enrol', first.fingerprint, '--store', store);
    const owner = await ProvisionerHost.connect(address, asking);
    ends.push(() => owner.close());
    await owner.create(1, TERMS, [{ address: 5, baudRate: 9600 }]);
    await owner.verb(1, 0, 'skip');
    const { session } = (await owner.open(1)).summary;
    await owner.exported(1, session ?? '');
    const events = async (): Promise<string[]> =>
      (await readFile(join(store, 'device.log'), 'utf8'))
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { event: string }).event);
    const told = [
      'chain-begun',
      'pairing-open',
      'pairing-wrong',
      'paired',
      'pairing-open',
      'paired',
      'takeover-refused',
    ];
    told.push('enrolled', 'taken-over', 'sealed', 'exported');
    await until(async () => (await events()).length >= told.length);
    assert.deepEqual(await events(), told);
    assert.match(await console(...verify), /^The log holds: 11 entries, the last of \S+ \([0-9a-f]{64}\)\.\n$/);
    const shown = await console('log', '--store', store);
    assert.match(shown, /"event":"taken-over","host":\{"id":"[0-9a-f]{64}","name":"first"\}/);
    assert.doesNotMatch(shown, /"mac"/);
    await owner.close();
    await guest.close();
    await running.close();
    const good = await output(...verify);
    assert.deepEqual([good.code, /^The log holds: 11 entries/.test(good.out), good.error], [0, true, '']);
    const log = await readFile(join(store, 'device.log'), 'utf8');
    await writeFile(join(store, 'device.log'), log.replace('"takeover-refused"', '"taken-over"'));
    const bad = await output(...verify);
    assert.deepEqual([bad.code, bad.out], [1, '']);
    assert.match(bad.error, /^LOG_ALTERED: The log does not hold: entry 7 is not as it was written\./);
    await writeFile(join(store, 'device.log'), log.split('\n').slice(0, 4).join('\n'));
    await assert.rejects(console(...verify), (error) => {
      assert.ok(isKeywayError(error, 'LOG_ALTERED'));
      assert.match(error.message, /entry 4 and what came after it were cut off/);
      return true;
    });
    await makeKeyFile(join(folder, 'other-key'));
    const foreign = ['log', '--verify', '--store', store, '--key-file', join(folder, 'other-key')];
    await assert.rejects(console(...foreign), coded('KEYSTORE_WRONG_KEY'));
    const nothing = ['log', '--verify', '--store', folder, '--key-file', join(folder, 'key')];
    await assert.rejects(console(...nothing), coded('LOG_NOT_CHAINED'));
  });

  it('refuses what startProvisioner cannot use, leaving nothing open', async () => {
    const options = { port: NO_BUS, store: join(folder, 'store'), key: { file: join(folder, 'key') }, makeKey: true };
    const listen = [`unix:${join(folder, 's.sock')}`];
    await assert.rejects(startProvisioner({ ...options, listen: ['x'] }), coded('BAD_LINK_ADDRESS'));
    await assert.rejects(startProvisioner({ ...options, listen, name: 'a\u0007b' }), coded('BAD_LINK_OPTION'));
    const long = join(folder, 'x'.repeat(100));
    await assert.rejects(startProvisioner({ ...options, listen, store: long }), coded('BAD_LINK_OPTION'));
    await assert.rejects(startProvisioner({ ...options, listen: [...listen, ...listen] }), coded('LINK_LISTEN_FAILED'));
    const running = await startProvisioner({ ...options, listen });
    await running.close();
    await running.close();
  });

  describe('as a child', () => {
    it('commissions readers of a bus from end to end, and is started again when it dies', async () => {
      const bus = new ReaderBus({ name: 'link-e2e', mode: 'free', baudRate: 9600 });
      for (const reader of makeReaders({ count: 1, baudRate: 9600, natures: [] })) bus.add(reader);
      const served = await serveRfc2217(bus.cable(), { port: 0 });
      ends.push(async () => {
        await served.close();
        bus.close();
      });
      const states: string[] = [];
      const child = await spawnProvisioner({
        port: served.address,
        store: join(folder, 'store'),
        socket: join(folder, 'run', 'p.sock'),
        key: { file: join(folder, 'key') },
        makeKey: true,
        name: '--odd name',
        restartMs: [10, 50],
        onState: ({ state }) => states.push(state),
      });
      ends.push(() => child.stop());
      assert.equal((await stat(join(folder, 'run'))).mode & 0o777, 0o700);
      const host = await ProvisionerHost.connect(child.address, { name: 'flow', retryMs: [10, 50] });
      ends.push(() => host.close());
      assert.equal(host.status?.name, '--odd name');
      const got: Edge[] = [];
      host.onEdge((edge) => void got.push(edge));
      await host.create(1, TERMS, [
        { address: 9, baudRate: 9600 },
        { address: 10, baudRate: 9600 },
      ]);
      await host.verb(1, 0, 'try');
      await until(() => got.some(({ step }) => step.state === 'success' || step.state === 'failure'), 'no end', 15_000);
      assert.equal(got.at(-1)?.step.outcome, 'ok', JSON.stringify(got.at(-1)?.step.detail));
      await host.verb(1, 1, 'skip');
      assert.equal((await host.open(1)).summary.state, 'complete');

      const { pid } = child;
      process.kill(pid ?? 0, 'SIGKILL');
      await until(
        () => child.pid !== undefined && child.pid !== pid && host.state === 'attached',
        'it did not come back',
        15_000,
      );
      assert.equal((await host.open(1)).summary.provisioned, 1);
      assert.deepEqual(states, ['running', 'ended', 'running']);
      await host.close();
      await child.stop();
      assert.equal(child.pid, undefined);
    }).timeout(60_000);

    it('says why it did not start, and has no secret in its arguments', async () => {
      const options = { port: NO_BUS, store: join(folder, 'store'), socket: join(folder, 'run', 'p.sock') };
      const key = { file: join(folder, 'no-such-key') };
      await assert.rejects(spawnProvisioner({ ...options, key }), (error) => {
        assert.ok(isKeywayError(error, 'PROVISIONER_NOT_STARTED'));
        assert.match(error.message, /KEYSTORE_KEY_MISSING/);
        return true;
      });
      await assert.rejects(
        spawnProvisioner({ ...options, key: { environment: 'KEYWAY_TEST_NO_KEY' } }),
        coded('SECRET_MISSING'),
      );
      const secret = '0123456789abcdef0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778';
      process.env.KEYWAY_TEST_KEY = secret;
      const child = await spawnProvisioner({ ...options, key: { environment: 'KEYWAY_TEST_KEY' } });
      ends.push(() => child.stop());
      assert.equal(process.env.KEYWAY_TEST_KEY, undefined);
      const argv = await readFile(`/proc/${child.pid}/cmdline`, 'utf8').catch(() => '');
      assert.ok(!argv.includes(secret));
      await child.stop();
      await writeFile(join(folder, 'odd.mjs'), 'console.log("hello"); setInterval(() => {}, 1000);');
      const program = { file: process.execPath, args: [join(folder, 'odd.mjs')] };
      await assert.rejects(spawnProvisioner({ ...options, key, program }), coded('PROVISIONER_NOT_STARTED'));
      const none = { file: join(folder, 'none'), args: [] };
      await assert.rejects(spawnProvisioner({ ...options, key, program: none }), coded('PROVISIONER_NOT_STARTED'));
    }).timeout(60_000);
  });
});
