export { checkPlan } from './check.ts';
export { GUARDS, type Guard, planErrors } from './errors.ts';
export { checkPlanAgainstChip } from './guards.ts';
export { describePlan, type PlanOptions, planFlash } from './plan.ts';
