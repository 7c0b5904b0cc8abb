import type { NvsEncryption, NvsRecipe } from '../nvs/types.ts';
import { fail } from './errors.ts';
import { type IdentityItemsOptions, type IdentityParts, identityItems } from './items.ts';
import type { IdentityLayoutName } from './layouts.ts';
import { WIFI_NAMESPACE, type WifiCredentials, wifiItems } from './wifi.ts';

/**
 * What a chip is flashed for. `provisioning`: it gets its Wi-Fi where it is installed. `direct`: Wi-Fi comes along.
 * `reflash`: a fresh identity for a chip in use.
 */
export type IdentityPurpose = 'provisioning' | 'direct' | 'reflash';

export interface IdentityRecipeOptions extends IdentityItemsOptions {
  readonly purpose: IdentityPurpose;
  readonly layout: IdentityLayoutName;
  readonly parts: IdentityParts;
  /** `direct` and `reflash`. */
  readonly wifi?: WifiCredentials;
  /** Default `none`. */
  readonly encryption?: NvsEncryption;
  /**
   * Whether NVS namespaces that have nothing to do with the identity stay. Default: for `reflash` alone. The NVS
   * namespaces of the identity are replaced whole in any case.
   */
  readonly keep?: boolean;
  /** `reflash`: whether Wi-Fi credentials stay that the chip has. Default true; new ones replace them. */
  readonly keepWifi?: boolean;
}

/**
 * What is to become of the NVS partition of a chip that gets an identity.
 * @throws BAD_IDENTITY_LAYOUT, BAD_IDENTITY, BAD_WIFI
 */
export function identityRecipe(options: IdentityRecipeOptions): NvsRecipe {
  const { purpose, layout, parts, wifi, encryption = { scheme: 'none' }, keepWifi = true } = options;
  if (purpose === 'provisioning' && wifi !== undefined) {
    throw fail('BAD_WIFI', 'In provisioning mode a chip gets no Wi-Fi credentials.', {
      hint: 'Use direct mode, or leave them out.',
      detail: { field: 'wifi' },
    });
  }
  const items = [...identityItems(layout, parts, options), ...(wifi === undefined ? [] : wifiItems(wifi))];
  if (!(options.keep ?? purpose === 'reflash')) return { mode: 'replace', items, encryption };
  const stays = purpose === 'reflash' && keepWifi;
  return { mode: 'merge', items, encryption, ...(stays || wifi !== undefined ? {} : { clears: [WIFI_NAMESPACE] }) };
}
