import assert from 'node:assert/strict';
import { type IdentityRecipeOptions, identityRecipe, wifiItems } from '../../../../lib/esp/identity/index.ts';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { buildNvs, type NvsEntry, parseNvs, prepareNvs } from '../../../../lib/esp/nvs/index.ts';
import { parts } from './certificates.ts';

const size = 0x6000;
const used: NvsEntry[] = [
  { namespace: 'phy', key: 'cal_version', encoding: 'u32', value: 7 },
  ...(wifiItems({ ssid: 'old', password: { value: 'old password' } }) as NvsEntry[]),
  { namespace: 'scadable_certs', key: 'cert', encoding: 'blob', value: Buffer.from('old') },
  { namespace: 'scadable_certs', key: 'device_key', encoding: 'string', value: 'left behind' },
];
const network = { ssid: 'new', password: { value: 'new password' } };

/** Namespaces and keys of a used chip after it, and the name of its network. */
async function result(options: Omit<IdentityRecipeOptions, 'layout' | 'parts'>): Promise<[string, string | null]> {
  const recipe = identityRecipe({ layout: 'scadable', parts: parts('scadable'), ...options });
  const prepared = prepareNvs(recipe, { size, platform, secrets: () => assert.fail('no handle is there') });
  try {
    const { bytes } = await prepared.build({ onChip: await buildNvs(used, { size, platform }), keysOnChip: null });
    const { entries } = await parseNvs(bytes, { platform });
    const ssid = entries.find(({ key }) => key === 'ssid')?.value;
    const names = new Set(entries.map(({ namespace, key }) => (namespace === 'scadable_certs' ? key : namespace)));
    return [[...names].sort().join(' '), typeof ssid === 'string' ? ssid : null];
  } finally {
    prepared.wipe();
  }
}

describe('what becomes of NVS when a chip gets an identity', () => {
  it('provisioning: a fresh partition, or the rest kept and Wi-Fi gone', async () => {
    assert.deepEqual(await result({ purpose: 'provisioning' }), ['ca cert key', null]);
    assert.deepEqual(await result({ purpose: 'provisioning', keep: true }), ['ca cert key phy', null]);
    assert.throws(
      () => identityRecipe({ purpose: 'provisioning', layout: 'scadable', parts: parts('scadable'), wifi: network }),
      {
        code: 'BAD_WIFI',
      },
    );
  });

  it('direct: Wi-Fi comes along', async () => {
    assert.deepEqual(await result({ purpose: 'direct', wifi: network }), ['ca cert key wifi', 'new']);
    assert.deepEqual(await result({ purpose: 'direct', wifi: network, keep: true }), ['ca cert key phy wifi', 'new']);
    assert.deepEqual(await result({ purpose: 'direct', keep: true }), ['ca cert key phy', null]);
  });

  it('re-flash: all but the identity stays, Wi-Fi unless asked otherwise', async () => {
    assert.deepEqual(await result({ purpose: 'reflash' }), ['ca cert key phy wifi', 'old']);
    assert.deepEqual(await result({ purpose: 'reflash', keepWifi: false }), ['ca cert key phy', null]);
    assert.deepEqual(await result({ purpose: 'reflash', wifi: network }), ['ca cert key phy wifi', 'new']);
    assert.deepEqual(await result({ purpose: 'reflash', keep: false }), ['ca cert key', null]);
  });

  it('passes encryption and closing NULs on', () => {
    const recipe = identityRecipe({
      purpose: 'reflash',
      layout: 'scadable',
      parts: parts('scadable'),
      encryption: { scheme: 'nvs_keys' },
      terminate: false,
    });
    assert.deepEqual(recipe.encryption, { scheme: 'nvs_keys' });
    assert.ok(recipe.items.every(({ terminate }) => terminate === false));
  });
});
