import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCsr } from '../../lib/pki/index.ts';
import { createEstClient, createTicket, nodePki } from '../../lib/pki/node.ts';
import { describeHandle } from '../../lib/vault/index.ts';
import { spellingOf } from '../support/canary.ts';
import { Bench, type FlowNode, request } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import {
  connect,
  endpointNode,
  endpointPort,
  estNode,
  estUrl,
  type Holder,
  hangUp,
  holder,
  MAC,
  OTHER,
  occupy,
  opened,
  PLAIN,
  sent,
} from './trust-bench.ts';

const device = { namespace: NAMESPACE, mac: MAC };
const renewNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'renew', type: 'keyway-renew', when: 'now', url: 'url', urlType: 'msg', wires: [['out']] },
  ...more,
});
const estEvents = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'events', type: 'keyway-est-events', est: 'est', wires: [['out']] },
  ...more,
});

describe('the EST nodes', function () {
  this.timeout(20_000);
  const userDir = freshUserDir();
  afterEach(hangUp);

  async function reenrolled(who: Holder): Promise<string> {
    const client = createEstClient({ url: await estUrl(), label: NAMESPACE, trust: who.issued.authorities });
    const made = await createCsr(nodePki, `${NAMESPACE}:${who.mac}`);
    const issued = await client.reenroll(made.der, { certificate: who.issued.chain, key: Buffer.from(who.key) });
    return issued.serial;
  }

  it('enrol by a ticket, renew, refuse, and tell of all of it', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      estNode(),
      estEvents(),
      estEvents({ id: 'none', enrolled: false, renewed: false, namespace: 'elsewhere', wires: [['progress']] }),
    ]);
    const who = await holder();
    const serial = await reenrolled(who);
    const event = await bench.out.next((msg) => msg.topic === 'est/reenrolled');
    assert.deepEqual([event.payload.serial, event.payload.previous], [serial, who.issued.serial]);
    assert.deepEqual(event.device, device);
    const { registry, authority } = await opened();
    const other = OTHER.replaceAll(':', '');
    await registry.addDevice({ namespace: NAMESPACE, mac: other });
    const { ticket } = await createTicket(registry, { namespace: NAMESPACE, mac: OTHER }, await authority.time());
    const client = createEstClient({ url: await estUrl(), label: NAMESPACE, trust: who.issued.authorities });
    const made = await createCsr(nodePki, `${NAMESPACE}:${other}`);
    const by = { user: `${NAMESPACE}:${other}`, ticket: Buffer.from(ticket) };
    const first = await client.enroll(made.der, by);
    const enrolled = await bench.out.next((msg) => msg.topic === 'est/enrolled');
    assert.deepEqual([enrolled.payload.serial, enrolled.device.mac], [first.serial, OTHER]);
    await assert.rejects(client.enroll(made.der, by), { code: 'EST_REFUSED' });
    const refused = await bench.out.next((msg) => msg.topic === 'est/refused');
    assert.equal(refused.payload.code, 'EST_UNAUTHORISED');
    assert.equal('device' in refused, false);
    await bench.status('events', ({ fill }) => fill === 'yellow');
    assert.equal(bench.progress.messages.length, 0);
    assert.equal(spellingOf(ticket, JSON.stringify(bench.out.messages)), undefined);
    await request()
      .post('/keyway/est/status')
      .send({ id: 'est' })
      .expect(200)
      .expect(({ body }) =>
        assert.ok(body.url.startsWith('https://127.0.0.1:') && Date.parse(body.until) > Date.now()),
      );
  });

  it('are red while another program has the port, and recover', async () => {
    const other = await occupy();
    try {
      const bench = await Bench.load([
        ...demoAuthority(),
        estNode({ port: String(other.port) }),
        estNode({ id: 'bad', port: '-1' }),
        estEvents(),
        estEvents({ id: 'badport', est: 'bad' }),
        estEvents({ id: 'missing', est: 'x' }),
      ]);
      await bench.status('events', ({ fill, text }) => fill === 'red' && text === 'EST_LISTEN');
      await bench.status('badport', ({ fill, text }) => fill === 'red' && text === 'BAD_FIELD');
      await bench.status('missing', ({ fill, text }) => fill === 'red' && text === 'EST_NOT_SET');
      await other.close();
      await bench.status('events', ({ fill, text }) => fill === 'green' && text === 'listening');
    } finally {
      await other.close();
    }
  });

  it('go on with a registry that was restored', async () => {
    const bench = await Bench.load([...demoAuthority(), estNode(), endpointNode(), estEvents()]);
    const [who, other] = [await holder(), await holder(OTHER)];
    const port = await endpointPort();
    await estUrl();
    const { registry, authority } = await opened();
    const file = join(userDir(), 'backup.sqlite');
    await registry.backup(file);
    await authority.revokeDevice(NAMESPACE, other.mac);
    const again = bench.statuses.many(
      2,
      ({ status: { source, text } }) => source.id === 'events' && text === 'listening',
    );
    await registry.restore(file);
    await again;
    // It listens at another port now: none was named.
    const serial = await reenrolled(who);
    assert.notEqual(serial, who.issued.serial);
    await connect(port, who);
    // What was revoked before a restore stays revoked.
    await assert.rejects(connect(port, other));
  });

  it('renew the identity in the message, its key behind a handle, and only when it is due', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      estNode(),
      endpointNode(),
      { id: 'mint', type: 'keyway-mint', authority: 'authority', redeemer: 'keyway-renew', wires: [['out']] },
      renewNode(),
      renewNode({ id: 'due', when: 'due' }),
      renewNode({ id: 'bad', part: '2' }),
      renewNode({ id: 'nobody', redeemer: ' ' }),
    ]);
    const minted = await sent(bench, 'mint', { device });
    const { authority, registry } = await opened();
    await authority.markLive(minted.identity.serial);
    const { id } = (await registry.device({ namespace: NAMESPACE, mac: PLAIN })) ?? assert.fail();
    await registry.setState(id, 'flashing');
    await registry.setState(id, 'awaiting-setup');
    const url = await estUrl();
    const early = await sent(bench, 'due', { ...minted, url });
    assert.deepEqual([early.topic, early.payload.renewed], ['renew/not-due', false]);
    assert.ok(Date.parse(early.payload.due) > Date.now() + 17 * 3_600_000);
    const { payload, identity, device: unit } = await sent(bench, 'renew', { ...minted, url });
    assert.deepEqual([payload.renewed, payload.previous], [true, minted.identity.serial]);
    assert.equal(payload.commonName, `${NAMESPACE}:${PLAIN}`);
    assert.deepEqual([identity.serial, identity.state, unit.mac], [payload.serial, 'pending', MAC]);
    assert.deepEqual(describeHandle(identity.key).kind, 'private-key');
    assert.equal(identity.chain.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.equal(await bench.failure('bad', { ...minted, url }), 'BAD_FIELD');
    assert.equal(await bench.failure('nobody', { ...minted, url }), 'BAD_FIELD');
    assert.equal(await bench.failure('renew', { url }), 'NO_IDENTITY');
    assert.equal(await bench.failure('renew', { ...minted }), 'BAD_FIELD');
    assert.equal(await bench.failure('renew', { ...minted, url: 'https://127.0.0.1:1' }), 'EST_UNREACHABLE');
    assert.equal(await bench.failure('renew', { ...minted, url: 'http://127.0.0.1:1' }), 'EST_BAD_OPTIONS');
    const stranger = { ...minted, url, identity: { ...minted.identity, ca: (await holder(OTHER)).issued.pem } };
    assert.equal(await bench.failure('renew', stranger), 'EST_SERVER_UNTRUSTED');
  });

  it("renew the gateway's own files, together and for its owner alone", async () => {
    const folder = userDir();
    const [cert, key, ca] = ['gw.crt', 'gw.key', 'ca.crt'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const nodes = [
      ...demoAuthority(),
      estNode(),
      endpointNode(),
      renewNode({ source: 'files', certificateFile: cert, keyFile: key, caFile: ca }),
      renewNode({ id: 'twin', source: 'files', certificateFile: cert, keyFile: key, caFile: ca }),
      renewNode({ id: 'blank', source: 'files', certificateFile: cert, keyFile: '', caFile: ca }),
    ];
    await writeFile(`${cert}.next`, 'left over', { mode: 0o600 });
    const bench = await Bench.load(nodes);
    const who = await holder();
    await Promise.all([
      writeFile(cert, who.issued.chain),
      writeFile(key, who.key),
      writeFile(ca, who.issued.authorities),
    ]);
    const url = await estUrl();
    const { payload } = await sent(bench, 'renew', { url });
    assert.equal(payload.renewed, true);
    const [newCert, newKey] = await Promise.all([readFile(cert, 'utf8'), readFile(key, 'utf8')]);
    const leaf = new X509Certificate(newCert);
    assert.equal(leaf.serialNumber.toLowerCase(), payload.serial);
    assert.ok(leaf.checkPrivateKey(createPrivateKey(newKey)));
    for (const path of [cert, key]) assert.equal((await stat(path)).mode & 0o777, 0o600);
    await assert.rejects(stat(`${cert}.next`));
    assert.equal(spellingOf(newKey.split('\n')[1] ?? assert.fail(), JSON.stringify(bench.out.messages)), undefined);
    // It is good at the endpoint.
    const renewed = { ...who, key: newKey, issued: { ...who.issued, chain: newCert } };
    await connect(await endpointPort(), renewed);
    // A loss of power between the two: the certificate that waits belongs to the key that is in place.
    await rename(cert, `${cert}.next`);
    await writeFile(cert, who.issued.chain);
    const again = await sent(bench, 'renew', { url });
    assert.equal(again.payload.previous, payload.serial);
    // Two nodes at the same files, at once: one after the other.
    const before = bench.out.messages.length;
    for (const id of ['renew', 'twin']) bench.send(id, { url });
    const both = (await bench.out.many(before + 2)).slice(before);
    assert.equal(both[1]?.payload.previous, both[0]?.payload.serial);
    const last = new X509Certificate(await readFile(cert, 'utf8'));
    assert.ok(last.checkPrivateKey(createPrivateKey(await readFile(key, 'utf8'))));
    // A certificate that waits and belongs to no key that is there: the old pair stays.
    await writeFile(`${cert}.next`, who.issued.chain, { mode: 0o600 });
    await writeFile(`${key}.next`, who.key, { mode: 0o600 });
    const kept = await sent(bench, 'renew', { url });
    assert.equal(kept.payload.previous, both[1]?.payload.serial);
    await writeFile(cert, 'no certificate');
    assert.equal(await bench.failure('renew', { url }), 'IDENTITY_FILE');
    assert.equal(await bench.failure('blank', { url }), 'BAD_FIELD');
  });
});
