import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import helper from 'node-red-node-test-helper';
import { createCsr, webPki } from '../../lib/pki/index.ts';
import { describeHandle, discardHandle, isHandle, withLease } from '../../lib/vault/index.ts';
import { pemBytes } from '../../nodes/shared/pem-bytes.ts';
import { Bench, type FlowNode, type Msg } from './harness.ts';
import { BROKER, demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

const MAC = '60:55:f9:0a:b1:c2';
const PLAIN = '6055f90ab1c2';
const device = { namespace: NAMESPACE, mac: MAC };

const mintNode = (id: string, more: Record<string, unknown> = {}): FlowNode => ({
  id,
  type: 'keyway-mint',
  authority: 'authority',
  wires: [['out']],
  ...more,
});

async function minted(bench: Bench, msg: Msg = { device }, id = 'mint'): Promise<Msg> {
  const before = bench.out.messages.length;
  bench.send(id, msg);
  return (await bench.out.many(before + 1))[before] as Msg;
}

describe('keyway-mint', () => {
  freshUserDir();

  it('makes a certificate for a server that devices are to trust, and for servers alone', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      mintNode('server', { operation: 'service', names: 'broker.example, 192.0.2.7', days: '30' }),
      mintNode('nameless', { operation: 'service' }),
    ]);
    const request = await createCsr(webPki, 'whatever it says');
    const { topic, payload, identity } = await minted(bench, { payload: request.pem }, 'server');
    assert.deepEqual([topic, payload.state, payload.names], ['mint/service', 'live', ['broker.example', '192.0.2.7']]);
    const certificate = new X509Certificate(identity.certificate);
    assert.equal(certificate.subjectAltName, 'DNS:broker.example, IP Address:192.0.2.7');
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.equal(identity.key, undefined);
    assert.ok(identity.ca.includes('BEGIN CERTIFICATE') && identity.chain.startsWith(identity.certificate.trim()));
    assert.equal(await bench.failure('nameless', { payload: request.pem }), 'BAD_NAME');
    assert.equal(await bench.failure('server', { payload: 'no request' }), 'BAD_PEM');
  });

  it('makes a key in the vault and a pending certificate, and adds the device', async () => {
    const bench = await Bench.load([...demoAuthority(), mintNode('mint')]);
    const {
      topic,
      payload,
      identity,
      device: unit,
      kept,
    } = await minted(bench, {
      device: { ...device, mac: '6055.F90A.B1C2', serial: 'A-17', name: 'front door', chip: 'ESP32-C3' },
      kept: 'k',
    });
    assert.equal(topic, 'mint/issued');
    assert.deepEqual(Object.keys(payload).sort(), [
      'mac',
      'namespace',
      'notAfter',
      'notBefore',
      'reused',
      'serial',
      'state',
    ]);
    assert.deepEqual([payload.reused, payload.state, payload.mac, kept], [false, 'pending', MAC, 'k']);
    const { id, ...known } = unit;
    assert.equal(typeof id, 'string');
    assert.deepEqual(known, { ...device, serial: 'A-17', name: 'front door', chip: 'ESP32-C3', state: 'registered' });
    const certificate = new X509Certificate(identity.certificate);
    assert.equal(certificate.subject, `CN=${NAMESPACE}:${PLAIN}`);
    assert.equal(certificate.subjectAltName, `DNS:${BROKER}`);
    assert.equal(identity.brokerHost, BROKER);
    assert.equal(identity.chain.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.equal(identity.ca.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.equal(Date.parse(identity.notAfter) - Date.parse(identity.notBefore), 168 * 3_600_000 + 300_000);
    assert.ok(isHandle(identity.key));
    assert.deepEqual(describeHandle(identity.key).kind, 'private-key');
    const request = { nodeType: 'keyway-flash', kind: 'private-key', job: 'test', namespace: NAMESPACE };
    await withLease(identity.key, request, async (pem) => {
      assert.ok(certificate.checkPrivateKey((await import('node:crypto')).createPrivateKey(pem)));
    });
    const registry = await deployedRegistry();
    const [record] = await registry.certificatesOf(NAMESPACE, PLAIN);
    assert.deepEqual([record?.serial, record?.state], [identity.serial, 'pending']);
    await bench.status('mint', ({ fill, text }) => fill === 'green' && text.startsWith('ok · '));
  });

  it('gives the same identity again while its key waits, and revokes it when the key is gone', async () => {
    const bench = await Bench.load([...demoAuthority(), mintNode('mint')]);
    const first = await minted(bench);
    const again = await minted(bench);
    assert.deepEqual([again.identity.serial, again.payload.reused], [first.identity.serial, true]);
    assert.equal(again.identity.key, first.identity.key);
    discardHandle(first.identity.key);
    const third = await minted(bench);
    assert.notEqual(third.identity.serial, first.identity.serial);
    const registry = await deployedRegistry();
    assert.equal((await registry.certificate(first.identity.serial))?.state, 'revoked');
    assert.equal((await registry.certificate(third.identity.serial))?.state, 'pending');
  });

  it('mints once for two messages that come together', async () => {
    const bench = await Bench.load([...demoAuthority(), mintNode('mint'), mintNode('other')]);
    bench.send('mint', { device });
    bench.send('other', { device });
    const both = await bench.out.many(2);
    assert.equal(both[0]?.identity.serial, both[1]?.identity.serial);
    assert.deepEqual(both.map(({ payload }) => payload.reused).sort(), [false, true]);
  });

  it('issues for a request from elsewhere, of which it uses the key alone', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      mintNode('csr', { operation: 'csr' }),
      mintNode('confirm', { operation: 'confirm' }),
      mintNode('discard', { operation: 'discard' }),
      mintNode('replace', { operation: 'csr', replace: 'again', replaceType: 'msg' }),
    ]);
    const request = await createCsr(webPki, 'somebody else');
    const issued = await minted(bench, { device, payload: request.pem }, 'csr');
    assert.equal('key' in issued.identity, false);
    const certificate = new X509Certificate(issued.identity.certificate);
    assert.equal(certificate.subject, `CN=${NAMESPACE}:${PLAIN}`);
    assert.deepEqual(new Uint8Array(certificate.publicKey.export({ type: 'spki', format: 'der' })), request.key.spki);
    const confirmed = await minted(bench, issued, 'confirm');
    assert.deepEqual(
      [confirmed.topic, confirmed.identity.state, confirmed.device.state],
      ['mint/confirmed', 'live', 'awaiting-setup'],
    );
    // A MAC proves nothing.
    assert.equal(await bench.failure('csr', { device, payload: request.der }), 'DEVICE_HAS_LIVE');
    assert.equal(await bench.failure('replace', { device, payload: request.pem }), 'DEVICE_HAS_LIVE');
    const next = await minted(bench, { device, payload: Buffer.from(request.der), again: true }, 'replace');
    const registry = await deployedRegistry();
    assert.equal((await registry.certificate(issued.identity.serial))?.state, 'live');
    const dropped = await minted(bench, next, 'discard');
    assert.deepEqual([dropped.topic, dropped.identity.state], ['mint/discarded', 'revoked']);
    const last = await minted(bench, { device, payload: request.pem, again: true }, 'replace');
    await minted(bench, last, 'confirm');
    assert.equal((await registry.certificate(issued.identity.serial))?.state, 'revoked');
    assert.equal(await bench.failure('confirm', issued), 'CERTIFICATE_STATE');
    assert.equal(await bench.failure('confirm', { identity: { serial: '0'.repeat(32) } }), 'CERTIFICATE_UNKNOWN');
  });

  it('wipes the key of an identity that is settled by hand', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      mintNode('mint'),
      mintNode('discard', { operation: 'discard' }),
    ]);
    const msg = await minted(bench);
    const { key } = msg.identity;
    await minted(bench, msg, 'discard');
    assert.throws(() => describeHandle(key), { code: 'HANDLE_USED' });
    assert.equal((await minted(bench)).payload.reused, false);
  });

  it('refuses what is wrong before anything is kept', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      mintNode('mint'),
      mintNode('csr', { operation: 'csr' }),
      mintNode('known', { register: false }),
      mintNode('nobody', { authority: 'missing' }),
      mintNode('redeemer', { redeemer: ' ' }),
    ]);
    const cases: [string, Msg, string][] = [
      ['mint', { device: { namespace: NAMESPACE } }, 'BAD_FIELD'],
      ['mint', { device: { mac: MAC } }, 'BAD_FIELD'],
      ['mint', { device: { namespace: 'line 1', mac: MAC } }, 'BAD_NAMESPACE'],
      ['mint', { device: { namespace: 'line-2', mac: MAC } }, 'NAMESPACE_UNKNOWN'],
      ['mint', { device: { namespace: NAMESPACE, mac: '60:55:f9:0a:b1' } }, 'BAD_MAC'],
      ['csr', { device, payload: '' }, 'BAD_FIELD'],
      ['csr', { device, payload: 'no request' }, 'BAD_PEM'],
      ['csr', { device, payload: Buffer.alloc(20_000, 0x30) }, 'CSR_TOO_LARGE'],
      ['known', { device }, 'DEVICE_UNKNOWN'],
      ['nobody', { device }, 'AUTHORITY_NOT_SET'],
      ['redeemer', { device }, 'BAD_FIELD'],
    ];
    for (const [id, msg, code] of cases) {
      assert.equal(await bench.failure(id, msg), code, `${id} ${JSON.stringify(msg)}`);
    }
    const registry = await deployedRegistry();
    assert.deepEqual(await registry.certificatesOf(NAMESPACE, PLAIN), []);
    assert.deepEqual((await registry.devices()).items, []);
    const { id } = await registry.addDevice({ namespace: NAMESPACE, mac: PLAIN });
    await registry.setState(id, 'retired');
    assert.equal(await bench.failure('mint', { device }), 'DEVICE_RETIRED');
  });

  it('shows no key in messages, statuses or the log', async () => {
    const bench = await Bench.load([...demoAuthority(), mintNode('mint')]);
    const { identity } = await minted(bench);
    const request = { nodeType: 'keyway-flash', kind: 'private-key', job: 'test', namespace: NAMESPACE };
    let lines: string[] = [];
    await withLease(identity.key, request, async (pem) => {
      lines = pem.toString().split('\n').slice(1, 3);
    });
    const seen = JSON.stringify([
      bench.out.messages,
      bench.statuses.messages,
      bench.completed.messages,
      helper.log().args,
    ]);
    for (const line of lines) assert.equal(seen.includes(line), false);
    assert.ok(seen.includes(identity.serial));
  });

  it('spells PEM as OpenSSL does, whatever the length', () => {
    for (let length = 1; length < 200; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) & 0xff));
      const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
      const wanted = `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
      assert.equal(pemBytes('PRIVATE KEY', bytes).toString(), wanted, `${length}`);
    }
  });
});
