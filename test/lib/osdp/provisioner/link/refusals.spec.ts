import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { openLinkIdentity, PeerBook } from '../../../../../lib/osdp/provisioner/link/index.ts';
import { cable, LinkBench, testIdentities, until } from './bench.ts';
import { steps, TERMS } from './fake-device.ts';
import { codeIn, RawHost } from './raw.ts';

const coded = (code: string) => (error: unknown) => isKeywayError(error, code);

describe('the provisioner’s link refuses', () => {
  let bench: LinkBench;
  beforeEach(async () => {
    bench = await LinkBench.make();
  });
  afterEach(() => bench.close());

  const raw = async (): Promise<RawHost> => {
    const host = await RawHost.connect((await bench.unix()).address);
    bench.atEnd(async () => host.socket.destroy());
    return host;
  };

  it('a version that it does not speak, saying which it does, and goes on with one that it does', async () => {
    const host = await raw();
    const refusal = await host.ask('hello', {
      protocol: 'keyway-provisioner',
      versions: [2, 7],
      role: 'host',
      name: 'x',
    });
    assert.equal(codeIn(refusal), 'VERSION_UNSUPPORTED');
    assert.deepEqual((refusal.error as { detail: { supported: unknown } }).detail.supported, [1]);
    assert.equal((await host.hello()).type, 'answer');
  });

  it('a kind of message that it does not know, and goes on', async () => {
    const host = await raw();
    await host.hello();
    const refusal = await host.ask('selfDestruct');
    assert.equal(codeIn(refusal), 'UNKNOWN_MESSAGE');
    assert.ok((refusal.error as { detail: { known: string[] } }).detail.known.includes('verb'));
    for (const type of ['__proto__', 'constructor', 'toString']) {
      assert.equal(codeIn(await host.ask(type)), 'UNKNOWN_MESSAGE');
    }
    assert.equal((await host.ask('ping')).type, 'answer');
  });

  it('what is asked before hello, and before attaching', async () => {
    const host = await raw();
    assert.equal(codeIn(await host.attach()), 'VERSION_UNSUPPORTED');
    assert.equal(codeIn(await host.ask('slots')), 'VERSION_UNSUPPORTED');
    await host.hello();
    assert.equal(codeIn(await host.ask('slots')), 'NOT_ATTACHED');
    assert.equal(codeIn(await host.ask('seed', { slot: 1 })), 'NOT_ATTACHED');
    assert.equal(codeIn(await host.ask('pair', { proof: '0'.repeat(64) })), 'PAIRING_CLOSED');
    await host.attach();
    assert.equal(codeIn(await host.attach()), 'BAD_MESSAGE');
    assert.equal((await host.ask('slots')).type, 'answer');
  });

  it('fields that are missing, unknown or out of their range, naming them; nothing reaches the device', async () => {
    const host = await raw();
    await host.hello();
    await host.attach();
    const session = 'ab'.repeat(16);
    const begin = { slot: 1, terms: TERMS, session, kdf: 'sp800108-cmac-v1' };
    const seed = Buffer.alloc(16, 7);
    for (const [type, params, secret, field] of [
      ['begin', begin, undefined, 'secret'],
      ['begin', { ...begin, session: 'AB'.repeat(16) }, seed, 'session'],
      ['begin', { ...begin, terms: { ...TERMS, extra: 1 } }, seed, 'terms.extra'],
      ['begin', { ...begin, terms: { ...TERMS, bus: 'both' } }, seed, 'terms.bus'],
      ['begin', { ...begin, seed: '00'.repeat(16) }, seed, 'seed'],
      ['steps', { slot: 1, steps: [] }, undefined, 'steps'],
      ['steps', { slot: 1, steps: [{ address: 1 }] }, undefined, 'steps[0].baudRate'],
      ['verb', { slot: 'dead', step: 0, verb: 'try' }, undefined, 'slot'],
      ['verb', { slot: 1, step: -1, verb: 'try' }, undefined, 'step'],
      ['verb', { slot: 1, step: 0, verb: 'burn' }, undefined, 'verb'],
      ['verb', { slot: 1.5, step: 0, verb: 'try' }, undefined, 'slot'],
      ['ping', {}, seed, 'secret'],
      ['slots', { more: true }, undefined, 'more'],
    ] as const) {
      const refusal = await host.ask(type, params, secret);
      assert.equal(codeIn(refusal), 'BAD_MESSAGE', `${type} ${JSON.stringify(params)}`);
      assert.equal((refusal.error as { detail: { field: string } }).detail.field, field);
    }
    host.send({ type: 'ping' });
    assert.equal(codeIn(await host.wait((said) => said.id === null)), 'BAD_MESSAGE');
    host.send({ id: 5 });
    assert.equal(codeIn(await host.wait((said) => said.id === 5)), 'BAD_MESSAGE');
    assert.deepEqual(bench.device.calls, []);
  });

  it('bytes that are no frame: it says so, and ends the connection alone', async () => {
    const listening = await bench.unix();
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([0, 1, 0, 1, 0]),
      Buffer.from([0, 0, 0, 2, 0x5b, 0x5d]),
      Buffer.from([0, 0, 0, 1, 0xff]),
      Buffer.from([0, 0, 0, 4, 0x7b, 0x7d, 0, 1]),
    ]) {
      const host = await RawHost.connect(listening.address);
      host.socket.write(bytes);
      assert.equal(codeIn(await host.wait((said) => said.id === null)), 'BAD_FRAME');
      await host.closed;
    }
    assert.equal((await bench.host(listening.address)).state, 'attached');
  });

  it('to wait: for one that is silent, that drips, or that does not read', async () => {
    await bench.close();
    bench = await LinkBench.make({ times: { idleMs: 600, frameMs: 100, writeMs: 300, keepaliveMs: 100 } });
    const { address } = await bench.unix();
    const silent = await RawHost.connect(address);
    const drips = await RawHost.connect(address);
    let drip = 0;
    const dripping = setInterval(
      () => drips.socket.write(Buffer.from([[0, 0, 0, 99, 32][Math.min(drip++, 4)] as number])),
      20,
    );
    await drips.closed;
    clearInterval(dripping);
    assert.ok(drip < 40);
    await silent.closed;

    const deaf = await RawHost.connect(address);
    await deaf.hello();
    await deaf.attach();
    deaf.socket.pause();
    bench.device.plans.clear();
    const host = await bench.host(address, { takeover: true, name: 'after' });
    assert.equal(host.state, 'attached');

    const greedy = await RawHost.connect(address);
    greedy.socket.pause();
    const asking = setInterval(() => {
      for (let i = 0; i < 200; i++) greedy.send({ type: 'nothing', id: 1 });
    }, 1);
    await until(() => greedy.socket.destroyed || greedy.socket.writableLength > 1 << 20, 'it reads without end');
    clearInterval(asking);
    greedy.socket.destroy();
  });

  it('more connections than it can keep', async () => {
    const { address } = await bench.unix();
    const many = await Promise.all(Array.from({ length: 20 }, () => RawHost.connect(address)));
    await until(() => many.filter((one) => one.socket.destroyed).length >= 4);
    for (const one of many) one.socket.destroy();
  });

  it('a second host, saying who is there; it may come when the first one left', async () => {
    const { address } = await bench.unix();
    const first = await bench.host(address, { name: 'bench laptop' });
    await assert.rejects(bench.host(address, { name: 'second' }), (error) => {
      assert.ok(isKeywayError(error, 'HOST_BUSY'));
      assert.equal(error.detail?.host, 'bench laptop');
      assert.ok(Number(error.detail?.since) > 0);
      return true;
    });
    const second = bench.start(address, { name: 'second' });
    await until(() => second.problem?.code === 'HOST_BUSY');
    await first.close();
    await until(() => second.state === 'attached');
  });

  it('a takeover by a host that sealed nothing and is not enrolled; not by the others', async () => {
    const { address } = await bench.tls();
    const { device, host, other } = await testIdentities();
    const pins = [device.fingerprint];
    for (const { fingerprint } of [host, other]) {
      await bench.book.put({ fingerprint, name: 'x', pairedAt: 1, enrolled: false });
    }
    const first = await bench.host(address, { name: 'first', identity: host, pins });
    await first.create(1, TERMS, steps(2));
    const taking = { name: 'second', identity: other, pins, takeover: true };
    await assert.rejects(bench.host(address, taking), coded('TAKEOVER_REFUSED'));
    assert.equal(first.state, 'attached');

    await bench.book.put({ fingerprint: other.fingerprint, name: 'x', pairedAt: 1, enrolled: true });
    const lostTo = new Promise<string | undefined>((resolve) => {
      first.onState(({ state, problem }) => {
        if (state === 'lost') resolve(problem?.code);
      });
    });
    const second = await bench.host(address, taking);
    assert.equal(await lostTo, 'HOST_TAKEN_OVER');
    await until(() => first.problem?.code === 'HOST_BUSY');
    assert.equal(second.state, 'attached');
    await assert.rejects(first.slots(), coded('HOST_BUSY'));

    // The first one sealed a slot that is still there.
    first.takeOver();
    await until(() => first.state === 'attached');
    await until(() => second.state !== 'attached');
    assert.deepEqual(
      bench.events
        .filter((one) => one.event === 'taken-over' || one.event === 'takeover-refused')
        .map((one) => one.event),
      ['takeover-refused', 'taken-over', 'taken-over'],
    );
  });

  it('to leave a slot in staging when its host is lost', async () => {
    const host = await raw();
    await host.hello();
    await host.attach();
    const key = { slot: 3, terms: TERMS, session: 'cd'.repeat(16), kdf: 'sp800108-cmac-v1' };
    await host.ask('begin', key, Buffer.alloc(16, 9));
    await host.ask('steps', { slot: 3, steps: steps(4) });
    assert.equal(bench.device.open(3).summary.state, 'staging');
    host.socket.destroy();
    await until(() => bench.device.open(3).summary.state === 'empty');
    assert.deepEqual(bench.device.calls, ['begin 3', 'abandon 3']);
  });

  it('a unix socket in a folder that lets others in, on both sides', async () => {
    const open = join(bench.folder, 'open');
    await mkdir(open);
    await chmod(open, 0o750);
    await assert.rejects(bench.listen(`unix:${join(open, 's')}`), coded('LINK_FOLDER_OPEN'));
    await assert.rejects(bench.host(`unix:${join(open, 's')}`), coded('LINK_FOLDER_OPEN'));
    await assert.rejects(bench.listen(`unix:${join(bench.folder, 'none', 's')}`), coded('LINK_UNREACHABLE'));
    await writeFile(join(bench.folder, 'file'), '');
    await assert.rejects(bench.listen(`unix:${join(bench.folder, 'file')}`), coded('LINK_LISTEN_FAILED'));
    const { address } = await bench.unix();
    await assert.rejects(bench.listen(address), coded('LINK_LISTEN_FAILED'));
  });

  it('an address that is none, and one where nobody is', async () => {
    for (const text of ['', 'unix:relative', 'tls:host', 'tls:host:70000', 'tcp://h:1', `unix:/${'x'.repeat(200)}`]) {
      await assert.rejects(bench.host(text), coded('BAD_LINK_ADDRESS'), text);
    }
    await assert.rejects(bench.host('serial:nonsense'), coded('BAD_ADDRESS'));
    await assert.rejects(bench.host(`unix:${join(bench.folder, 'nobody')}`), coded('LINK_UNREACHABLE'));
    await assert.rejects(bench.host('tls:127.0.0.1:1', await bench.paired()), coded('LINK_UNREACHABLE'));
    await assert.rejects(bench.host('tls:127.0.0.1:1', { name: 'a\nb' }), coded('BAD_LINK_OPTION'));
    const { near } = cable('nobody');
    const { identity, pins } = await bench.paired();
    await assert.rejects(
      bench.host(async () => near, { identity, pins, timeoutMs: 60 }),
      coded('LINK_NO_PROVISIONER'),
    );
    assert.equal(near.isOpen, false);
    await assert.rejects(bench.host((await bench.tls()).address, { pins }), coded('BAD_LINK_OPTION'));
  });

  it('files of pairings and of an identity that are none of ours', async () => {
    const path = join(bench.folder, 'x.json');
    for (const text of ['{', '[]', '{"kind":"keyway-link-peers","version":2,"peers":[]}']) {
      await writeFile(path, text);
      await assert.rejects(PeerBook.open(path), coded('LINK_FILE'));
      const keystore = { seal: () => new Uint8Array(), unseal: () => Buffer.alloc(0) } as never;
      await assert.rejects(openLinkIdentity(path, 'x', keystore), coded('LINK_FILE'));
    }
  });
});
