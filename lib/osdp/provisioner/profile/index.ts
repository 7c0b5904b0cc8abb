export { EXPECTED_CAPABILITIES, type ExpectedCapability, missingCapabilities } from './capabilities.ts';
export { checkProfile } from './check.ts';
export { profileErrors } from './errors.ts';
export { expandProfile, type RandomBelow, secureBelow, termsOf } from './expand.ts';
export { checkSteps } from './steps.ts';
export { formatProfile, parseProfile } from './text.ts';
export {
  ADDRESS_STRATEGIES,
  type AddressStrategy,
  type CheckedProfile,
  PROFILE_DEFAULTS,
  PROFILE_KIND,
  PROFILE_TEXT_MOST,
  PROFILE_VERSION,
  type ProfileWarning,
  type ProvisioningProfile,
} from './types.ts';
