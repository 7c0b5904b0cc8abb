import type { Partition, PartitionTable } from '../formats/partition-rules.ts';
import { PARTITION_DATA, SUBTYPE_DATA_NVS, SUBTYPE_DATA_NVS_KEYS } from '../formats/partition-types.ts';
import type { NvsRecipe } from '../nvs/types.ts';
import type { PlanStep, UnplacedNvs } from '../types.ts';
import { hex, SECTOR } from '../units.ts';
import { checkErase } from './check.ts';
import { fail, type GuardBook } from './errors.ts';
import { badPlan, checkOneKey, checkRecipe, needsKeys } from './recipe.ts';

/** An NVS partition that is to be made or changed. */
export interface NvsWish {
  /** Label of the partition. */
  readonly partition: string;
  readonly recipe: NvsRecipe;
  /** Where it lies, for chips whose table is not known; both or neither, multiples of 4096. */
  readonly offset?: number | undefined;
  readonly size?: number | undefined;
}

const isNvs = ({ type, subtype }: Partition): boolean => type === PARTITION_DATA && subtype === SUBTYPE_DATA_NVS;

/**
 * A step for each partition whose place is known, and one for the keys where a recipe wants them in a partition; the
 * rest waits for the table on the chip.
 * @throws BAD_PLAN, BAD_OFFSET, BAD_SIZE, OVERLAP, NO_SUCH_PARTITION, NOT_IN_TABLE, NVS_WRONG_ENCRYPTION, NVS_KEYS_DIFFER,
 * PLAN_WITHOUT_BYTES, and what is wrong with an entry (nvsErrors).
 */
export function placeNvs(
  wishes: readonly NvsWish[],
  table: PartitionTable | null,
  guards: GuardBook,
): { steps: PlanStep[]; unplaced: UnplacedNvs[] } {
  const steps: PlanStep[] = [];
  const unplaced: UnplacedNvs[] = [];
  for (const [i, wish] of wishes.entries()) {
    const { partition: name, recipe } = wish;
    const field = `nvs[${i}]`;
    if (typeof name !== 'string' || name === '') throw badPlan(`${field}.partition`, name, 'is no label');
    checkRecipe(`${field}.recipe`, recipe);
    if (wishes.findIndex(({ partition }) => partition === name) < i) {
      throw fail('OVERLAP', `The NVS partition "${name}" is there twice.`, {
        hint: 'Put all entries of a partition into one recipe.',
        detail: { field: `${field}.partition`, value: name },
      });
    }
    const place = placeOf(field, wish, table, guards);
    if (place === null) unplaced.push({ partition: name, nvs: recipe });
    else steps.push({ action: 'write', ...place, name, kind: 'nvs', nvs: recipe });
  }
  checkOneKey([...steps, ...unplaced]);
  return { steps: table === null ? steps : withKeys(steps, table), unplaced };
}

/** With a step for the NVS keys where one is wanted and there is none. @throws NO_SUCH_PARTITION */
export function withKeys(steps: readonly PlanStep[], table: PartitionTable): PlanStep[] {
  const wanted = needsKeys(steps) && !steps.some(({ kind }) => kind === 'nvs-keys');
  return wanted ? [...steps, keysStep(table)] : [...steps];
}

function keysStep(table: PartitionTable): PlanStep {
  const home = table.find(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_NVS_KEYS);
  if (home === undefined) {
    throw fail('NO_SUCH_PARTITION', 'NVS is to be encrypted, but the table has no partition for its keys.', {
      hint: 'Use a table with a partition data, nvs_keys; or the HMAC scheme, whose key is in an efuse.',
      detail: { field: 'nvs', value: 'nvs_keys' },
    });
  }
  return { action: 'write', offset: home.offset, size: SECTOR, name: home.label, kind: 'nvs-keys' };
}

function placeOf(
  field: string,
  { partition: label, offset, size }: NvsWish,
  table: PartitionTable | null,
  guards: GuardBook,
): { offset: number; size: number } | null {
  const home = table?.find((partition) => partition.label === label);
  if (offset !== undefined || size !== undefined) {
    const place = { offset: offset ?? Number.NaN, size: size ?? Number.NaN };
    checkErase(field, { ...place, name: label });
    checkNvsPlace({ ...place, name: label }, table, guards);
    return place;
  }
  if (table === null) return null;
  if (home === undefined) {
    throw fail('NO_SUCH_PARTITION', `The table has no partition "${label}" for NVS.`, {
      hint: `NVS partitions of the table: ${
        table
          .filter(isNvs)
          .map((entry) => entry.label)
          .join(', ') || 'none'
      }.`,
      detail: { field: `${field}.partition`, value: label },
    });
  }
  checkNvsPlace({ name: label, offset: home.offset, size: home.size }, table, guards);
  return { offset: home.offset, size: home.size };
}

/**
 * NVS clears single bits, which flash encryption does not allow: firmware refuses a partition of it that the table
 * flags (ESP_ERR_NVS_WRONG_ENCRYPTION), from the first start on that finds flash encryption on.
 * @throws NVS_WRONG_ENCRYPTION
 */
export function checkNvsFlag(place: { readonly offset: number }, table: PartitionTable, guards: GuardBook): void {
  const home = table.find((entry) => isNvs(entry) && entry.offset === place.offset);
  if (home?.encrypted !== true) return;
  guards.meet('NVS_WRONG_ENCRYPTION', `The table flags the NVS partition "${home.label}" as encrypted.`, {
    hint: 'Take the flag off: NVS has its own encryption, with an nvs_keys partition or by HMAC.',
    detail: { field: home.label, value: 'encrypted', offset: home.offset },
  });
}

/** An NVS partition is written whole: it must be that partition of the table, and nothing else. @throws NOT_IN_TABLE,
 * NVS_WRONG_ENCRYPTION */
export function checkNvsPlace(
  step: { readonly name: string; readonly offset: number; readonly size: number },
  table: PartitionTable | null,
  guards: GuardBook,
): void {
  if (table === null) return;
  const { name, offset, size } = step;
  const home = table.find((partition) => partition.label === name);
  checkNvsFlag(step, table, guards);
  if (home !== undefined && isNvs(home) && home.offset === offset && home.size === size) return;
  const where = `${hex(offset)} to ${hex(offset + size)}`;
  const what =
    home === undefined
      ? `The table has no NVS partition "${name}" at ${where}.`
      : isNvs(home)
        ? `NVS "${name}" is to be written at ${where}, in the table it is at ${hex(home.offset)} to ${hex(home.offset + home.size)}.`
        : `The partition "${name}" is not for NVS.`;
  guards.meet('NOT_IN_TABLE', what, {
    hint: 'Name an NVS partition of the table, and leave its offset and size out.',
    detail: { field: name, value: offset, size },
  });
}
