import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Bench, type FlowNode, type Msg, unload } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import { estNode, estUrl, holder, MAC, opened, PLAIN, sent } from './trust-bench.ts';

/** Lies between client and EST service, and takes answers away. */
class Thief {
  losing = true;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(port: number) {
    this.#server = createServer((client) => {
      const service = connect(port, '127.0.0.1');
      let flights = 0;
      for (const one of [client, service]) {
        this.#sockets.add(one);
        one.on('error', () => undefined);
        one.on('close', () => {
          this.#sockets.delete(one);
          client.destroy();
          service.destroy();
        });
      }
      client.on('data', (bytes) => {
        flights++;
        service.write(bytes);
      });
      // After its hello a client has the handshake to end, and then its request: what comes back is the answer.
      service.on('data', (bytes) => {
        if (!this.losing || flights < 2) client.write(bytes);
      });
    });
  }

  async url(): Promise<string> {
    if (!this.#server.listening) await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const one of this.#sockets) one.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('a renewal whose answer gets lost', function () {
  this.timeout(20_000);
  const userDir = freshUserDir();
  let thief: Thief | undefined;
  afterEach(async () => {
    await thief?.close();
    thief = undefined;
  });

  const renewNode = (more: Record<string, unknown> = {}): FlowNode => ({
    ...{ id: 'renew', type: 'keyway-renew', when: 'now', url: 'url', urlType: 'msg', wires: [['out']] },
    ...more,
  });
  const nodes = (...more: FlowNode[]): FlowNode[] => [
    ...demoAuthority(),
    estNode(),
    { id: 'events', type: 'keyway-est-events', est: 'est', wires: [['progress']] },
    ...more,
  ];
  /** The service has granted it, and nobody has got the answer. @returns the serial number */
  const lost = async (bench: Bench, msg: Msg): Promise<string> => {
    const before = bench.progress.messages.length;
    const failed = bench.failure('renew', msg);
    const granted = (await bench.progress.many(before + 1))[before];
    assert.equal(granted?.topic, 'est/reenrolled', granted?.payload.text);
    thief?.cut();
    assert.equal(await failed, 'EST_UNREACHABLE');
    return granted?.payload.serial;
  };
  const between = async (): Promise<Thief> => new Thief(Number(new URL(await estUrl()).port));
  const renewals = async (): Promise<number> =>
    (await (await opened()).registry.certificatesOf(NAMESPACE, PLAIN)).filter(({ renewal }) => renewal === true).length;

  it('is asked for again with the same key, as often as it takes, for the identity in the message', async () => {
    const bench = await Bench.load(
      nodes(
        { id: 'mint', type: 'keyway-mint', authority: 'authority', redeemer: 'keyway-renew', wires: [['out']] },
        renewNode(),
      ),
    );
    const minted = await sent(bench, 'mint', { device: { namespace: NAMESPACE, mac: MAC } });
    await (await opened()).authority.markLive(minted.identity.serial);
    thief = await between();
    const url = await thief.url();
    const serials = new Set<string>();
    // One more than a device may have of renewals that it has not used.
    for (let i = 0; i < 9; i++) serials.add(await lost(bench, { ...minted, url }));
    thief.losing = false;
    const { payload, identity } = await sent(bench, 'renew', { ...minted, url });
    assert.deepEqual([...serials], [payload.serial]);
    assert.equal(await renewals(), 1);
    // Key and certificate belong together: the service takes them. The next one has a key of its own.
    const next = await sent(bench, 'renew', { ...minted, identity, url });
    assert.equal(next.payload.previous, payload.serial);
    const key = (pem: string): string =>
      new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' }) as string;
    assert.notEqual(key(next.identity.certificate), key(identity.certificate));
  });

  for (const [what, one] of [
    ['two files', false],
    ['one file', true],
  ] as const) {
    it(`is asked for again with the same key for ${what} of the gateway, after a deploy too, and leaves none`, async () => {
      const folder = join(userDir(), 'gateway');
      await mkdir(folder);
      const [cert, key, ca] = [one ? 'gw.key' : 'gw.crt', 'gw.key', 'ca.crt'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      const all = nodes(renewNode({ source: 'files', certificateFile: cert, keyFile: key, caFile: ca }));
      const first = await Bench.load(all);
      const who = await holder();
      if (one) await writeFile(key, who.key + who.issued.chain);
      else await Promise.all([writeFile(key, who.key), writeFile(cert, who.issued.chain)]);
      await writeFile(ca, who.issued.authorities);
      const before = (await readdir(folder)).sort();
      thief = await between();
      const serials = new Set([await lost(first, { url: await thief.url() })]);
      const waiting = `gw.key.${who.issued.serial}.next`;
      assert.deepEqual((await readdir(folder)).sort(), [...before, waiting].sort());
      assert.equal((await stat(join(folder, waiting))).mode & 0o777, 0o600);
      assert.ok((await readFile(key, 'utf8')).startsWith(who.key), 'the old one is in place');
      await thief.close();
      await unload();
      const bench = await Bench.load(all);
      thief = await between();
      const url = await thief.url();
      serials.add(await lost(bench, { url }));
      thief.losing = false;
      const { payload } = await sent(bench, 'renew', { url });
      assert.deepEqual([...serials], [payload.serial]);
      assert.equal(await renewals(), 1);
      assert.deepEqual((await readdir(folder)).sort(), before);
      const leaf = new X509Certificate(await readFile(cert));
      assert.equal(leaf.serialNumber.toLowerCase().padStart(32, '0'), payload.serial);
      assert.ok(leaf.checkPrivateKey(createPrivateKey(await readFile(key))));
    });
  }

  it('takes another key where the service does not take the one that it asked for', async () => {
    const bench = await Bench.load(
      nodes(
        renewNode({
          source: 'files',
          ...{ certificateFile: join(userDir(), 'gw.crt'), keyFile: join(userDir(), 'gw.key') },
          caFile: join(userDir(), 'ca.crt'),
        }),
      ),
    );
    const who = await holder();
    await writeFile(join(userDir(), 'gw.crt'), who.issued.chain);
    await writeFile(join(userDir(), 'gw.key'), who.key);
    await writeFile(join(userDir(), 'ca.crt'), who.issued.authorities);
    // Its present key: the namespace demands a new one.
    await writeFile(join(userDir(), `gw.key.${who.issued.serial}.next`), who.key);
    const url = await estUrl();
    assert.equal(await bench.failure('renew', { url }), 'EST_REFUSED');
    const { payload } = await sent(bench, 'renew', { url });
    assert.equal(payload.renewed, true);
  });
});
