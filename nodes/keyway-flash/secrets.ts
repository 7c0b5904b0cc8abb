import type { FlashPlan, NvsRecipe } from '../../lib/esp/index.ts';
import type { LinkInfo } from '../../lib/link/index.ts';
import { fail } from '../shared/errors.ts';

/** The word that allows secrets to cross a network in clear. */
const IN_CLEAR = 'SECRET_IN_CLEAR';

/** Every handle that a plan wants redeemed, each once. */
export function handlesOf(plan: FlashPlan): string[] {
  const recipes = [...plan.steps, ...(plan.unplaced ?? [])].flatMap(({ nvs }) => (nvs === undefined ? [] : [nvs]));
  return [...new Set(recipes.flatMap(handlesIn))];
}

function handlesIn({ items, encryption }: NvsRecipe): string[] {
  const keys = encryption.scheme === 'none' ? undefined : encryption.handle;
  return [...items.map(({ handle }) => handle), keys].filter((handle) => handle !== undefined);
}

/** What is forced: the guards of the library, and whether secrets may cross a network in clear. */
export function splitForce(words: readonly string[]): { force: string[]; inClear: boolean } {
  return { force: words.filter((word) => word !== IN_CLEAR), inClear: words.includes(IN_CLEAR) };
}

/** Secrets go to a chip that hangs on this machine, not over a network for everyone to read. @throws SECRET_IN_CLEAR */
export function refuseInClear(info: LinkInfo, handles: readonly string[], forced: boolean): void {
  if (handles.length === 0 || info.isLocal || forced) return;
  throw fail(IN_CLEAR, `The plan has secrets, and ${info.name} is reached over a network in clear (${info.address}).`, {
    hint: `Flash it on the machine that it hangs on, or force ${IN_CLEAR} where the network is yours alone.`,
    detail: { field: 'port', value: info.address },
  });
}
