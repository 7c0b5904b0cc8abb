import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import helper from 'node-red-node-test-helper';
import { isHandle, withLease } from '../../lib/vault/index.ts';
import { Bench, unload } from './harness.ts';

/** What went to the log, as text. */
function logged(): string {
  return helper
    .log()
    .args.map((args) => JSON.stringify(args))
    .join('\n');
}

describe('keyway-secret', () => {
  afterEach(unload);

  it('puts a secret away and leaves a handle; and takes it out once, written down', async () => {
    const bench = await Bench.load([
      { id: 'store', type: 'keyway-secret', wires: [['out']] },
      { id: 'reveal', type: 'keyway-secret', operation: 'reveal', allowReveal: true, wires: [['out']] },
    ]);
    bench.send('store', { payload: 'correct horse' });
    const stored = await bench.out.next();
    assert.equal(stored.topic, 'secret/stored');
    assert.ok(isHandle(stored.payload));
    assert.doesNotMatch(JSON.stringify(bench.statuses.messages) + logged(), /correct horse/);
    bench.send('reveal', { payload: stored.payload, job: 'unit 7' });
    const [, revealed] = await bench.out.many(2);
    assert.deepEqual([revealed?.topic, revealed?.payload], ['secret/revealed', 'correct horse']);
    assert.match(logged(), /keyway\.secret\.revealed.*unit 7|unit 7.*keyway\.secret\.revealed/);
    assert.doesNotMatch(JSON.stringify(bench.statuses.messages) + logged(), /correct horse/);
    assert.equal(await bench.failure('reveal', { payload: stored.payload }), 'HANDLE_USED');
  });

  it('takes any property, overwrites a Buffer, and says in the payload what it did', async () => {
    const bench = await Bench.load([
      { id: 'store', type: 'keyway-secret', property: 'wifi.password', kind: 'wifi-password', wires: [['out']] },
    ]);
    const bytes = Buffer.from('hunter22');
    bench.send('store', { payload: 'kept?', wifi: { ssid: 'shop', password: bytes } });
    const msg = await bench.out.next();
    assert.ok(isHandle(msg.wifi.password));
    assert.equal(msg.wifi.ssid, 'shop');
    assert.equal(msg.payload.kind, 'wifi-password');
    assert.ok(bytes.every((byte) => byte === 0));
  });

  it('gives nothing out that is not allowed', async () => {
    const bench = await Bench.load([
      { id: 'store', type: 'keyway-secret', kind: 'token', redeemer: 'keyway-flash', wires: [['out']] },
      { id: 'off', type: 'keyway-secret', operation: 'reveal', kind: 'token', wires: [[]] },
      { id: 'on', type: 'keyway-secret', operation: 'reveal', kind: 'token', allowReveal: true, wires: [[]] },
      { id: 'mine', type: 'keyway-secret', kind: 'token', namespace: 'shop', namespaceType: 'str', wires: [['out']] },
      { id: 'kind', type: 'keyway-secret', operation: 'reveal', kind: 'api-key', allowReveal: true, wires: [[]] },
    ]);
    bench.send('store', { payload: 'a' });
    const { payload } = await bench.out.next();
    assert.equal(await bench.failure('off', { payload }), 'REVEAL_OFF');
    assert.match(logged(), /keyway\.secret\.denied/);
    assert.equal(await bench.failure('on', { payload }), 'HANDLE_NOT_FOR_YOU');
    bench.send('mine', { payload: 'b' });
    const [, mine] = await bench.out.many(2);
    assert.equal(await bench.failure('on', { payload: mine?.payload }), 'HANDLE_NOT_FOR_YOU');
    assert.equal(
      await bench.failure('kind', { payload: mine?.payload, device: { namespace: 'shop' } }),
      'HANDLE_WRONG_KIND',
    );
    assert.equal(await bench.failure('on', { payload: 'no handle' }), 'HANDLE_UNKNOWN');
    assert.equal(await bench.failure('on', {}), 'HANDLE_UNKNOWN');
    assert.equal(await bench.failure('store', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('store', { payload: '' }), 'BAD_SECRET');
  });

  it('takes keys in hex or base64, and says of none what it holds', async () => {
    const key = randomBytes(32);
    const bench = await Bench.load([
      { id: 'hex', type: 'keyway-secret', format: 'hex', kind: 'nvs-key', wires: [['out']] },
      { id: 'base64', type: 'keyway-secret', format: 'base64', kind: 'nvs-key', wires: [['out']] },
    ]);
    bench.send('hex', { payload: `${key.toString('hex').toUpperCase()}\n` });
    bench.send('base64', { payload: key.toString('base64') });
    bench.send('base64', { payload: Buffer.from(key) });
    for (const { payload } of await bench.out.many(3)) {
      await withLease(payload, { nodeType: 'keyway-secret', kind: 'nvs-key', job: 'j' }, async (bytes) =>
        assert.deepEqual(Buffer.from(bytes), key),
      );
    }
    for (const payload of ['abc', 'no hex at all', '']) {
      assert.match(await bench.failure('hex', { payload }), /^BAD_(FIELD|SECRET)$/);
    }
    assert.equal(await bench.failure('base64', { payload: 'not//b=se64' }), 'BAD_FIELD');
    assert.doesNotMatch(JSON.stringify(bench.caught.messages) + logged(), /no hex at all|b=se64/);
  });
});
