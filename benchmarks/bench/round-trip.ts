/** How long a fresh identity takes into a chip in use: key and certificate, NVS, verification, live in the registry. */
import { demoImageSet, type FlashPlan, flash, identityRecipe, type NvsRecipe, planFlash } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { openLink } from '../../lib/link/index.ts';
import { createIdentityKey } from '../../lib/pki/index.ts';
import { nodePki } from '../../lib/pki/node.ts';
import { type Installation, installation, NAMESPACE } from './authority.ts';
import { startChips } from './chips.ts';
import { atMost, type Row, reported } from './report.ts';

const BAUD = 921_600;
const BAR_SECONDS = 5;
const ROUNDS = 3;
const MAC = '60:55:f9:00:00:01';

/**
 * identity_round_trip: seconds from asking for an identity until the registry has it as live, the slowest of three, on
 * a virtual ESP32-C3 whose line and flash take as long as real ones. Wi-Fi and everything else in NVS stay.
 */
export async function identityRoundTrip(): Promise<Row[]> {
  const chips = await startChips(1, 'timed');
  const here = await installation();
  try {
    const address = chips.addresses[0] as string;
    await write(address, await layout(await freshRecipe(here, 'direct')));
    const seconds: number[] = [];
    const minting: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const begin = performance.now();
      const { recipe, serial } = await fresh(here, 'reflash');
      minting.push(performance.now() - begin);
      const plan = await planFlash(
        { name: 'a fresh identity', source: 'built', regions: [], erase: [] },
        {
          platform: nodePlatform,
          chip: 'ESP32-C3',
          nvs: [{ partition: 'nvs', recipe }],
        },
      );
      await write(address, plan);
      await here.authority.markLive(serial);
      seconds.push((performance.now() - begin) / 1000);
    }
    return [
      atMost('identity_round_trip', Math.max(...seconds), 's', BAR_SECONDS, null),
      reported('identity_round_trip_mint', Math.max(...minting), 'ms of it until there is a certificate', null),
    ];
  } finally {
    await here.close();
    await chips.close();
    await nodePlatform.close();
  }
}

async function freshRecipe(here: Installation, purpose: 'direct' | 'reflash'): Promise<NvsRecipe> {
  const { recipe, serial } = await fresh(here, purpose);
  await here.authority.markLive(serial);
  return recipe;
}

async function fresh(
  { authority }: Installation,
  purpose: 'direct' | 'reflash',
): Promise<{ recipe: NvsRecipe; serial: string }> {
  const device = { namespace: NAMESPACE, mac: MAC };
  const { privateKey, csr } = await createIdentityKey(nodePki, device);
  const { serial, chain, authorities } = await authority.issueDevice({ ...device, csr, replace: true });
  const recipe = identityRecipe({
    purpose,
    layout: 'scadable',
    parts: { certificate: chain, key: { value: privateKey }, ca: authorities },
    ...(purpose === 'direct' ? { wifi: { ssid: 'bench network', password: { value: 'of no value' } } } : {}),
  });
  return { recipe, serial };
}

/** The chip as it is in use: firmware, table, Wi-Fi, an identity. */
async function layout(recipe: NvsRecipe): Promise<FlashPlan> {
  const set = demoImageSet('esp32c3', 'ota');
  const nvs = [{ partition: 'nvs', recipe }];
  return await planFlash(set, { platform: nodePlatform, force: ['DEMO_IMAGE'], nvs });
}

async function write(address: string, plan: FlashPlan): Promise<void> {
  const link = await openLink(address, { owner: 'benchmark' });
  try {
    const { steps } = await flash(link, plan, { platform: nodePlatform, baudRate: BAUD, mac: MAC });
    const failed = steps.find(({ verified }) => !verified);
    if (failed !== undefined) throw new Error(`"${failed.name}" was not verified.`);
  } finally {
    await link.close();
  }
}
