import { checkPlan, type FlashPlan, type PlanStep } from '../../lib/esp/index.ts';
import { fail } from '../shared/errors.ts';

/**
 * The plan that a field holds, looked at before any port is opened.
 * @throws NO_PLAN, PLAN_WITHOUT_BYTES, EMPTY_PLAN, BAD_OFFSET, BAD_SIZE, BAD_FORCE
 */
export function planIn(value: unknown, force: readonly string[]): FlashPlan {
  const plan = value as Partial<FlashPlan> | undefined | null;
  if (typeof plan !== 'object' || plan === null || !Array.isArray(plan.steps) || !plan.steps.every(isStep)) {
    throw fail('NO_PLAN', 'There is no flash plan in the message.', {
      hint: 'Put a flash plan node in front, or point the Plan field at where the plan is.',
      detail: { field: 'plan' },
    });
  }
  checkPlan(plan as FlashPlan, force);
  return plan as FlashPlan;
}

function isStep(step: unknown): step is PlanStep {
  const { action } = (step ?? {}) as Partial<PlanStep>;
  return action === 'write' || action === 'erase';
}

/** A MAC in any spelling as lower-case hex with colons. @throws BAD_FIELD */
export function macOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const digits = text.toLowerCase().replace(/[^0-9a-z]/g, '');
  if (!/^[0-9a-f]{12}$/.test(digits)) {
    throw fail('BAD_FIELD', `The field "mac" must be six pairs of hex digits; it is "${text.slice(0, 40)}".`, {
      hint: 'Write it as 02:1a:2b:3c:4d:5e.',
      detail: { field: 'mac' },
    });
  }
  return (digits.match(/../g) ?? []).join(':');
}
