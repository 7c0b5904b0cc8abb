import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { equalSecrets, fingerprint, isHandle, Vault, type VaultClock, vaultErrors } from '../../../lib/vault/index.ts';

const SECRET = 'correct horse battery staple';
const HEX = Buffer.from(SECRET).toString('hex');
const secret = (): Buffer => Buffer.from(SECRET);
const terms = { kind: 'private-key', redeemableBy: ['keyway-flash'], expiresInMs: 1000 };
const request = { kind: 'private-key', nodeType: 'keyway-flash', job: 'job 1' };

/** Time that moves when the test says so. */
class Clock implements VaultClock {
  #now = 0;
  #timers = new Map<() => void, number>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    this.#timers.set(callback, this.#now + ms);
    return () => this.#timers.delete(callback);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  /** `late`: the timers do not fire, as on a busy event loop. */
  pass(ms: number, late = false): void {
    this.#now += ms;
    if (late) return;
    for (const [callback, at] of [...this.#timers]) {
      if (at > this.#now) continue;
      this.#timers.delete(callback);
      callback();
    }
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

describe('vault', () => {
  let clock: Clock;
  let vault: Vault;
  beforeEach(() => {
    clock = new Clock();
    vault = new Vault(clock);
  });

  it('makes handles of 128 random bits and wipes what it was given', () => {
    const given = secret();
    const handle = vault.createHandle(given, terms);
    assert.match(handle, /^keyway:handle:[0-9a-f]{32}$/);
    assert.ok(isZero(given));
    const handles = new Set(Array.from({ length: 200 }, () => vault.createHandle(secret(), terms)));
    assert.equal(handles.size, 200);
    assert.ok(isHandle(handle));
    for (const other of ['keyway:handle:', `${handle}0`, handle.toUpperCase(), 7, null]) assert.ok(!isHandle(other));
  });

  it('hands the bytes to one job, and wipes them once it has committed', () => {
    const handle = vault.createHandle(secret(), terms);
    const lease = vault.lease(handle, request);
    const { bytes } = lease;
    assert.equal(bytes.toString(), SECRET);
    lease.commit();
    assert.ok(isZero(bytes));
    assert.throws(() => lease.bytes, { code: 'HANDLE_USED' });
    assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_USED' });
    assert.equal(clock.waiting, 0);
  });

  it('gives the secret back when the job aborts', () => {
    const handle = vault.createHandle(secret(), terms);
    const first = vault.lease(handle, request);
    const { bytes } = first;
    first.abort();
    assert.ok(isZero(bytes));
    const second = vault.lease(handle, { ...request, job: 'job 2' });
    first.commit();
    first.abort();
    assert.equal(second.bytes.toString(), SECRET, 'what ended can end nothing else');
    second.commit();
  });

  it('refuses a second holder, naming the first', () => {
    const handle = vault.createHandle(secret(), { ...terms, label: 'key of unit 7' });
    const lease = vault.lease(handle, request);
    assert.throws(() => vault.lease(handle, { ...request, job: 'job 2' }), {
      code: 'HANDLE_IN_USE',
      message: 'The secret "key of unit 7" is in use by job 1.',
    });
    assert.equal(vault.describe(handle).inUseBy, 'job 1');
    lease.abort();
    assert.equal(vault.describe(handle).inUseBy, undefined);
  });

  it('refuses other node types, kinds and certificate namespaces, and keeps the secret', () => {
    const handle = vault.createHandle(secret(), { ...terms, namespace: 'acme' });
    const right = { ...request, namespace: 'acme' };
    assert.throws(() => vault.lease(handle, { ...right, nodeType: 'debug' }), { code: 'HANDLE_NOT_FOR_YOU' });
    assert.throws(() => vault.lease(handle, { ...right, kind: 'wifi-password' }), { code: 'HANDLE_WRONG_KIND' });
    assert.throws(() => vault.lease(handle, { ...right, namespace: 'other' }), { code: 'HANDLE_NOT_FOR_YOU' });
    assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_NOT_FOR_YOU' });
    assert.equal(vault.lease(handle, right).bytes.toString(), SECRET);
  });

  it('does not let the maker change the terms afterwards', () => {
    const redeemableBy = ['keyway-flash'];
    const handle = vault.createHandle(secret(), { ...terms, redeemableBy });
    redeemableBy.push('debug');
    assert.throws(() => vault.lease(handle, { ...request, nodeType: 'debug' }), { code: 'HANDLE_NOT_FOR_YOU' });
  });

  it('knows no handle of another vault, and none that is no handle', () => {
    const foreign = new Vault(clock).createHandle(secret(), terms);
    for (const handle of [foreign, '', 'keyway:handle:xyz', SECRET]) {
      assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_UNKNOWN' });
      assert.throws(() => vault.describe(handle), { code: 'HANDLE_UNKNOWN' });
      vault.discard(handle);
    }
  });

  it('wipes when the time is over, timer or not', () => {
    for (const late of [false, true]) {
      const handle = vault.createHandle(secret(), terms);
      clock.pass(999);
      vault.lease(handle, request).abort();
      clock.pass(1, late);
      assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_EXPIRED' });
    }
  });

  it('lets a lease outlive the time, and then ends the secret', () => {
    for (const late of [false, true]) {
      const handle = vault.createHandle(secret(), terms);
      const lease = vault.lease(handle, request);
      clock.pass(5000, late);
      assert.equal(lease.bytes.toString(), SECRET);
      assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_IN_USE' });
      lease.abort();
      assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_EXPIRED' });
    }
  });

  it('wipes everything on demand, leased or not', () => {
    const free = vault.createHandle(secret(), terms);
    const held = vault.createHandle(secret(), terms);
    const gone = vault.createHandle(secret(), terms);
    const { bytes } = vault.lease(held, request);
    vault.discard(gone);
    assert.throws(() => vault.lease(gone, request), { code: 'HANDLE_USED' });
    vault.wipeAll();
    assert.ok(isZero(bytes));
    for (const handle of [free, held]) assert.throws(() => vault.lease(handle, request), { code: 'HANDLE_USED' });
    assert.equal(clock.waiting, 0);
  });

  it('leaves no copy of its own behind, however a secret ends', () => {
    const copies: Buffer[] = [];
    const allocate = Buffer.allocUnsafeSlow;
    Buffer.allocUnsafeSlow = (size) => {
      const copy = allocate(size);
      copies.push(copy);
      return copy;
    };
    try {
      const endings: ((handle: string) => void)[] = [
        (handle) => vault.lease(handle, request).commit(),
        (handle) => vault.discard(handle),
        () => clock.pass(1000),
        () => vault.wipeAll(),
      ];
      for (const end of endings) {
        const handle = vault.createHandle(secret(), terms);
        assert.equal(copies.at(-1)?.toString(), SECRET);
        end(handle);
        assert.ok(copies.every(isZero));
      }
      assert.equal(copies.length, 5);
    } finally {
      Buffer.allocUnsafeSlow = allocate;
    }
  });

  it('commits or gives back by itself around a piece of work', async () => {
    const handle = vault.createHandle(secret(), terms);
    const seen: Buffer[] = [];
    await assert.rejects(
      vault.withLease(handle, request, async (bytes) => {
        seen.push(bytes);
        throw new Error('cable pulled');
      }),
      /cable pulled/,
    );
    const length = await vault.withLease(handle, request, async (bytes) => {
      seen.push(bytes);
      assert.equal(bytes.toString(), SECRET);
      return bytes.length;
    });
    assert.equal(length, SECRET.length);
    assert.ok(seen.length === 2 && seen.every(isZero));
    await assert.rejects(
      vault.withLease(handle, request, async () => undefined),
      { code: 'HANDLE_USED' },
    );
  });

  for (const [field, bytes, changed] of [
    ['bytes', Buffer.alloc(0), {}],
    ['bytes', SECRET as unknown as Buffer, {}],
    ['kind', secret(), { kind: '' }],
    ['redeemableBy', secret(), { redeemableBy: [] }],
    ['expiresInMs', secret(), { expiresInMs: 0 }],
    ['expiresInMs', secret(), { expiresInMs: 2 ** 31 }],
    ['expiresInMs', secret(), { expiresInMs: Number.NaN }],
  ] as const) {
    it(`refuses wrong terms: ${field} ${JSON.stringify(changed)}`, () =>
      assert.throws(() => vault.createHandle(bytes, { ...terms, ...changed }), {
        code: 'BAD_SECRET',
        detail: { field },
      }));
  }

  it('shows no secret by whatever is printed', () => {
    const handle = vault.createHandle(secret(), { ...terms, label: 'unit 7' });
    const lease = vault.lease(handle, request);
    const shown: string[] = [];
    for (const thing of [vault, lease, lease.bytes, { nested: lease.bytes }, vault.describe(handle), handle]) {
      shown.push(inspect(thing, { depth: null, showHidden: true, getters: true }), JSON.stringify(thing));
    }
    shown.push(String(lease), String(vault));
    for (const wrong of [{ kind: 'x' }, { nodeType: 'x' }, { job: 'second' }]) {
      try {
        vault.lease(handle, { ...request, ...wrong });
        assert.fail('refused');
      } catch (error) {
        shown.push(inspect(error, { depth: null, showHidden: true }), JSON.stringify(error), String(error));
      }
    }
    const all = shown.join('\n');
    const bytes = secret();
    for (const form of [SECRET, HEX, HEX.replace(/(..)(?=.)/g, '$1 '), bytes.toString('base64'), [...bytes].join()]) {
      assert.ok(!all.includes(form.slice(0, 30)), `shows ${form}`);
    }
    assert.equal(JSON.stringify({ bytes: lease.bytes }), `{"bytes":"[secret, ${SECRET.length} bytes]"}`);
    assert.ok(lease.bytes.equals(secret()));
  });

  it('has fingerprints that tell secrets apart and nothing of them', () => {
    const one = vault.createHandle(secret(), terms);
    const same = vault.createHandle(secret(), terms);
    const other = vault.createHandle(Buffer.from(`${SECRET}!`), terms);
    assert.equal(vault.describe(one).fingerprint, fingerprint(secret()));
    assert.equal(vault.describe(one).fingerprint, vault.describe(same).fingerprint);
    assert.notEqual(vault.describe(one).fingerprint, vault.describe(other).fingerprint);
    assert.match(fingerprint(secret()), /^[0-9a-f]{16}$/);
    assert.ok(equalSecrets(secret(), secret()));
    assert.ok(!equalSecrets(secret(), Buffer.from('short')));
  });

  it('documents every code that it raises', () => {
    for (const [code, text] of Object.entries(vaultErrors)) {
      assert.match(code, /^[A-Z_]+$/);
      assert.ok(text.length > 10);
    }
  });
});
