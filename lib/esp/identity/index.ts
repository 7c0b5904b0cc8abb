/** An identity in a chip's NVS: as which entries it is stored, and what of it is there. Runs in a browser too. */
export type { CertificateFacts } from './certificate.ts';
export { identityErrors } from './errors.ts';
export {
  type IdentityExtra,
  type IdentityItemsOptions,
  type IdentityKey,
  type IdentityParts,
  identityItems,
  identityNamespaces,
} from './items.ts';
export {
  IDENTITY_LAYOUTS,
  type IdentityField,
  type IdentityLayout,
  type IdentityLayoutName,
  type IdentityRole,
  identityLayout,
  isIdentityLayout,
} from './layouts.ts';
export { describeFaults, type IdentityFault, type IdentityReading, identityBytes, readIdentity } from './read.ts';
export { type IdentityPurpose, type IdentityRecipeOptions, identityRecipe } from './recipe.ts';
export {
  readWifi,
  WIFI_NAMESPACE,
  type WifiCredentials,
  type WifiReading,
  wifiItems,
  wifiPasswordProblem,
} from './wifi.ts';
