import {
  type CheckedProfile,
  checkProfile,
  checkSteps,
  type PlanTerms,
  type ProfileWarning,
  type ProvisioningProfile,
  parseProfile,
  type StepPlan,
  termsOf,
} from '../../lib/osdp/index.ts';
import { fail } from './provisioner-errors.ts';

const PLAN_KIND = 'keyway-provisioning-plan';

/** A plan of readers as `msg.plan` has it, from the node that makes it to the slot it is written to. No secret. */
export interface ProvisioningPlan {
  readonly kind: typeof PLAN_KIND;
  readonly profile: ProvisioningProfile;
  /** In the order in which they are done. A flow may change them before they are written. */
  readonly steps: readonly StepPlan[];
  readonly warnings: readonly ProfileWarning[];
}

export function planOf(
  profile: ProvisioningProfile,
  steps: readonly StepPlan[],
  warnings: readonly ProfileWarning[],
): ProvisioningPlan {
  return { kind: PLAN_KIND, profile, steps, warnings };
}

/**
 * What is to be written: the steps as they were reviewed, and how they are done.
 * @throws NO_PROVISIONING_PLAN, BAD_PROFILE, BAD_PROFILE_FIELD, PROFILE_TOO_NEW
 */
export function readPlan(value: unknown): { terms: PlanTerms; steps: StepPlan[] } {
  const { kind, profile, steps } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (kind !== PLAN_KIND) {
    throw fail('NO_PROVISIONING_PLAN', 'The message has no plan of readers.', {
      hint: 'Put a reader plan node in front, or point the field at where its plan is.',
      detail: { field: 'plan' },
    });
  }
  return { terms: termsOf(checkProfile(profile).profile), steps: checkSteps(steps) };
}

/** The profile in a text of JSON, in its bytes, or in an object that was read from one. @throws BAD_PROFILE … */
export function importedProfile(value: unknown): CheckedProfile {
  if (typeof value === 'string') return parseProfile(value);
  if (value instanceof Uint8Array) return parseProfile(new TextDecoder().decode(value));
  return parseProfile(textOf(value));
}

/** So that an object is read as strictly as a text. What JSON cannot say is no profile. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}
