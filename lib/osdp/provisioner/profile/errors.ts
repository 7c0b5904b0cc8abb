import { errorMaker } from '../../../errors/index.ts';

/** What can be wrong with a provisioning profile. */
export const profileErrors = {
  BAD_PROFILE: 'the text or object is no provisioning profile',
  BAD_PROFILE_FIELD: 'a field of the provisioning profile is missing, unknown, of the wrong kind or out of range',
  PROFILE_TOO_NEW: 'the provisioning profile has a version that this release does not know',
} as const;

export const fail = errorMaker(profileErrors);
