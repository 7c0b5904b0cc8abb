import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  createHandle,
  describeHandle,
  discardHandle,
  fingerprint,
  lease,
  takeEnvironmentSecret,
  wipeAll,
  withLease,
} from '../../../lib/vault/index.ts';

const NAME = 'KEYWAY_TEST_SECRET';
const VALUE = 'wifi pässword';

describe('secrets from the environment', () => {
  afterEach(() => {
    delete process.env[NAME];
    wipeAll();
  });

  it('are read once, and are out of the environment then', () => {
    process.env[NAME] = VALUE;
    const bytes = takeEnvironmentSecret(NAME);
    assert.equal(bytes.toString(), VALUE);
    assert.equal(process.env[NAME], undefined);
    const child = execFileSync(process.execPath, ['-p', `String(process.env.${NAME})`], { encoding: 'utf8' });
    assert.equal(child.trim(), 'undefined');
    bytes.fill(0);
    assert.equal(takeEnvironmentSecret(NAME).toString(), VALUE, 'a second deploy finds it again');
    process.env[NAME] = 'newer';
    assert.equal(takeEnvironmentSecret(NAME).toString(), 'newer');
  });

  it('are gone after wiping', () => {
    process.env[NAME] = VALUE;
    takeEnvironmentSecret(NAME);
    wipeAll();
    assert.throws(() => takeEnvironmentSecret(NAME), { code: 'SECRET_MISSING' });
  });

  for (const value of [undefined, '']) {
    it(`are missing when ${value === undefined ? 'not set' : 'empty'}`, () => {
      if (value !== undefined) process.env[NAME] = value;
      assert.throws(() => takeEnvironmentSecret(NAME), {
        code: 'SECRET_MISSING',
        message: `The environment variable ${NAME} is not set, or is empty.`,
        detail: { field: 'name', value: NAME },
      });
    });
  }
});

describe('the vault of the process', () => {
  const terms = { kind: 'password', redeemableBy: ['keyway-secret'], expiresInMs: 60_000 };
  const request = { kind: 'password', nodeType: 'keyway-secret', job: 'test' };
  afterEach(wipeAll);

  it('keeps, hands out, describes and drops', async () => {
    const handle = createHandle(Buffer.from(VALUE), { ...terms, label: 'guest network' });
    const { expiresInMs, ...rest } = describeHandle(handle);
    assert.deepEqual(rest, { kind: 'password', label: 'guest network', fingerprint: fingerprint(Buffer.from(VALUE)) });
    assert.ok(expiresInMs > 0 && expiresInMs <= 60_000);
    const held = lease(handle, request);
    assert.equal(held.bytes.toString(), VALUE);
    held.abort();
    assert.equal(await withLease(handle, request, async (bytes) => bytes.toString()), VALUE);
    assert.throws(() => lease(handle, request), { code: 'HANDLE_USED' });

    const other = createHandle(Buffer.from(VALUE), terms);
    discardHandle(other);
    assert.throws(() => describeHandle(other), { code: 'HANDLE_USED' });
  });

  it('expires by the clock of the system, without keeping the process alive', () => {
    const script = `
      import { createHandle, lease } from ${JSON.stringify(new URL('../../../lib/vault/index.ts', import.meta.url).href)};
      createHandle(Buffer.from('x'), ${JSON.stringify(terms)});
      const handle = createHandle(Buffer.from('x'), ${JSON.stringify({ ...terms, expiresInMs: 1 })});
      setTimeout(() => {
        try { lease(handle, ${JSON.stringify(request)}); } catch (error) { console.log(error.code); }
      }, 30);`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 15_000,
    });
    assert.equal(said.trim(), 'HANDLE_EXPIRED');
  });
});
