import type { NvsRecipe } from '../nvs/types.ts';
import type { FlashPlan } from '../types.ts';

/** The plan without its bytes and without the values of NVS entries: to be shown, approved, logged. */
export function describePlan(plan: FlashPlan): FlashPlan {
  const { unplaced } = plan;
  return {
    ...plan,
    steps: plan.steps.map(({ data: _bytes, nvs, ...step }) =>
      nvs === undefined ? step : { ...step, nvs: withoutValues(nvs) },
    ),
    ...(unplaced && { unplaced: unplaced.map((item) => ({ ...item, nvs: withoutValues(item.nvs) })) }),
  };
}

/** A handle may stay: it says where a value is, to those who may ask for it. */
function withoutValues(recipe: NvsRecipe): NvsRecipe {
  return { ...recipe, items: recipe.items.map(({ value: _value, ...item }) => item) };
}
