import assert from 'node:assert/strict';
import {
  buildImage,
  type DemoIdentity,
  demoIdentity,
  demoImageSet,
  demoMessage,
  isDemoImage,
  parseImage,
} from '../../../../lib/esp/formats/index.ts';
import { IDENTITY_LAYOUTS } from '../../../../lib/esp/identity/index.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT, fuzz, mutate } from '../formats/fuzz.ts';

const app = (identity?: DemoIdentity, message = 'one\ntwo'): Uint8Array =>
  buildImage({ kind: 'app', chip: 'esp32c3', size: 2000, message, ...(identity === undefined ? {} : { identity }) });

describe('a demo app that declares an identity', () => {
  it('says which, in a sound image that says the same as without', () => {
    for (const layout of IDENTITY_LAYOUTS) {
      for (const nvs of [undefined, 'none', 'nvs_keys', 'hmac'] as const) {
        const identity = { layout, ...(nvs === undefined ? {} : { nvs }) };
        for (const message of ['', 'a', 'one\ntwo', 'ä'.repeat(5000)]) {
          const bytes = app(identity, message);
          assert.deepEqual(demoIdentity(bytes), identity);
          assert.equal(demoMessage(bytes), demoMessage(app(undefined, message)));
          assert.ok(isDemoImage(bytes));
          const { checksum, hash } = parseImage(bytes);
          assert.ok(checksum.valid && hash?.valid);
        }
      }
    }
    const set = demoImageSet('esp32', 'ota', { identity: { layout: 'libscadable' } });
    const own = set.regions.find(({ kind }) => kind === 'app')?.data ?? assert.fail();
    assert.deepEqual(demoIdentity(own), { layout: 'libscadable' });
  });

  it('none is declared by default, by a bootloader, or by other bytes', () => {
    assert.equal(demoIdentity(app()), null);
    assert.equal(demoIdentity(buildImage({ kind: 'bootloader', chip: 'esp32c3' })), null);
    assert.equal(demoIdentity(new Uint8Array(100)), null);
    assert.equal(demoIdentity(app(undefined, 'identity scadable hmac')), null);
  });

  it('refuses what no firmware looks for', () => {
    for (const identity of [{ layout: 'nvs' }, { layout: 'scadable', nvs: 'aes' }, { layout: '__proto__' }, {}]) {
      assert.throws(() => app(identity as DemoIdentity), { code: 'BAD_BUILD' });
    }
  });

  it('whatever is changed in it, reading goes well', function () {
    this.timeout(FUZZ_TIMEOUT);
    const sound = app({ layout: 'gateway-esp', nvs: 'hmac' }).subarray(0, 512);
    fuzz(
      (random) => mutate(sound, random),
      (bytes) => {
        const declared = demoIdentity(bytes);
        if (declared !== null) assert.ok(IDENTITY_LAYOUTS.includes(declared.layout));
      },
      Math.min(FUZZ_RUNS, 20_000),
    );
  });
});
