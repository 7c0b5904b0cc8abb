import { checkPartitionTable, type PartitionTable } from '../formats/partition-rules.ts';
import type { EraseRange, FlashPlan, PlanStep } from '../types.ts';
import { hex, SECTOR } from '../units.ts';
import { fail, GuardBook } from './errors.ts';
import { checkUntouched } from './keep.ts';
import { badPlan, checkOneKey, checkRecipe, isObject, needsKeys } from './recipe.ts';
import { checkOverlaps } from './steps.ts';

const LIMIT = 0x1_0000_0000;

/** @throws BAD_OFFSET naming the field, the value and what lies there. */
export function checkOffset(field: string, name: string, offset: number, size: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset % SECTOR === 0 && offset + size <= LIMIT) return;
  const why = !Number.isSafeInteger(offset)
    ? 'is no whole number'
    : offset < 0
      ? 'is negative'
      : offset % SECTOR !== 0
        ? 'is no multiple of 4096 (0x1000)'
        : 'is beyond 4 GB';
  const shown = Number.isSafeInteger(offset) ? hex(offset) : numberOr(offset);
  throw fail('BAD_OFFSET', `The offset ${shown} of "${name}" ${why}.`, {
    hint: 'The flash is written in sectors of 4096 bytes.',
    detail: { field, value: offset, name },
  });
}

/** A number as it is; of anything else, which no number field should hold, only what it is. */
const numberOr = (value: unknown): string => (typeof value === 'number' ? String(value) : `(${typeof value})`);

/** A range of whole sectors. @throws BAD_OFFSET, BAD_SIZE */
export function checkErase(field: string, { offset, size, name }: EraseRange): void {
  checkOffset(`${field}.offset`, name, offset, 0);
  if (Number.isSafeInteger(size) && size > 0 && size % SECTOR === 0 && offset + size <= LIMIT) return;
  throw fail('BAD_SIZE', `The size ${numberOr(size)} of "${name}" is no multiple of 4096 (0x1000) above 0.`, {
    hint: 'The flash is erased in sectors of 4096 bytes.',
    detail: { field: `${field}.size`, value: size, name },
  });
}

/** @throws BAD_PLAN */
export function checkKeepList(keep: readonly string[] | undefined): readonly string[] {
  if (keep === undefined) return [];
  if (Array.isArray(keep) && keep.every((label) => typeof label === 'string' && label !== '')) return keep;
  throw badPlan('keep', keep, 'is no list of partition labels');
}

/** A table that came from somewhere: its shape, then its rules. @throws BAD_PLAN, BAD_PARTITION_TABLE */
export function checkTable(table: PartitionTable): void {
  if (!Array.isArray(table)) throw badPlan('table', table, 'is no list of partitions');
  for (const [i, partition] of table.entries()) {
    if (!isObject(partition)) throw badPlan(`table[${i}]`, partition, 'is no partition');
    if (typeof partition.label !== 'string') throw badPlan(`table[${i}].label`, partition.label, 'is no text');
    for (const name of ['type', 'subtype', 'offset', 'size'] as const) {
      if (typeof partition[name] !== 'number') throw badPlan(`table[${i}].${name}`, partition[name], 'is no number');
    }
    for (const name of ['encrypted', 'readonly'] as const) {
      if (typeof partition[name] !== 'boolean') {
        throw badPlan(`table[${i}].${name}`, partition[name], 'is neither true nor false');
      }
    }
  }
  checkPartitionTable(table);
}

const KINDS: Readonly<Record<PlanStep['kind'], true>> = {
  erase: true,
  bootloader: true,
  'partition-table': true,
  otadata: true,
  app: true,
  nvs: true,
  'nvs-keys': true,
  data: true,
  merged: true,
};

/**
 * Looks at a finished plan once more before a chip is touched: between planning and flashing it may have been through
 * other hands. `force` are guards to be overridden beside the plan's own.
 * @throws EMPTY_PLAN, BAD_PLAN, BAD_OFFSET, BAD_SIZE, OVERLAP, KEEPS_TOUCHED, NVS_KEYS_DIFFER,
 * PLAN_WITHOUT_BYTES, BAD_FORCE, and what is wrong with an NVS entry
 */
export function checkPlan(plan: FlashPlan, force: readonly string[] = []): void {
  const unplaced = checkLists(plan);
  new GuardBook([...plan.force, ...force]);
  if (plan.steps.length + unplaced.length === 0) {
    throw fail('EMPTY_PLAN', `The plan "${plan.name}" has nothing to write and nothing to erase.`, {
      hint: 'Give at least one file with an offset, or an NVS partition.',
      detail: { field: 'steps', value: 0 },
    });
  }
  for (const [i, step] of plan.steps.entries()) checkStep(`steps[${i}]`, step, plan);
  checkOneKey([...plan.steps, ...unplaced]);
  checkOverlaps('steps', plan.steps);
  for (const [i, kept] of plan.keeps.entries()) {
    checkPlace(`keeps[${i}]`, kept);
    checkUntouched(`keeps[${i}]`, kept, plan.steps);
  }
}

/** @throws BAD_PLAN, PLAN_WITHOUT_BYTES */
function checkLists(plan: FlashPlan): NonNullable<FlashPlan['unplaced']> {
  if (!isObject(plan)) throw badPlan('whole', plan, 'is no plan');
  if (typeof plan.name !== 'string') throw badPlan('name', plan.name, 'is no text');
  if (plan.chip !== undefined && typeof plan.chip !== 'string') throw badPlan('chip', plan.chip, 'is no text');
  for (const field of ['steps', 'keeps', 'notes', 'force'] as const) {
    const list: unknown = plan[field];
    if (!Array.isArray(list)) throw badPlan(field, list, 'is no list');
    const isEntry = field === 'force' ? (entry: unknown) => typeof entry === 'string' : isObject;
    const odd = list.findIndex((entry) => !isEntry(entry));
    if (odd >= 0) throw badPlan(`${field}[${odd}]`, list[odd], 'is not what it must be');
  }
  const { unplaced = [], encryption, keep, rewrite } = plan;
  if (encryption !== undefined && encryption !== 'refuse' && encryption !== 'encrypt') {
    throw badPlan('encryption', encryption, 'is neither "refuse" nor "encrypt"');
  }
  if (rewrite !== undefined && typeof rewrite !== 'boolean') {
    throw badPlan('rewrite', rewrite, 'is neither true nor false');
  }
  checkKeepList(keep);
  if (!Array.isArray(unplaced)) throw badPlan('unplaced', unplaced, 'is no list');
  for (const [i, item] of unplaced.entries()) {
    const label: unknown = item?.partition;
    if (typeof label !== 'string' || label === '') throw badPlan(`unplaced[${i}].partition`, label, 'is no label');
    checkRecipe(`unplaced[${i}].nvs`, item.nvs);
  }
  return unplaced;
}

/** @throws BAD_PLAN */
function checkPlace(
  field: string,
  place: { readonly name: string; readonly offset: number; readonly size: number },
): void {
  if (typeof place.name !== 'string') throw badPlan(`${field}.name`, place.name, 'is no text');
  for (const name of ['offset', 'size'] as const) {
    if (typeof place[name] !== 'number') throw badPlan(`${field}.${name}`, place[name], 'is no number');
  }
}

function checkStep(field: string, step: PlanStep, plan: FlashPlan): void {
  const { action, kind, encrypt } = step;
  if (action !== 'write' && action !== 'erase') {
    throw badPlan(`${field}.action`, action, 'is neither "write" nor "erase"');
  }
  checkPlace(field, step);
  if (action === 'erase') checkErase(field, step);
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind) || (kind === 'erase') !== (action === 'erase')) {
    throw badPlan(`${field}.kind`, kind, `does not suit what is to be ${action === 'erase' ? 'erased' : 'written'}`);
  }
  if (encrypt !== undefined && typeof encrypt !== 'boolean') {
    throw badPlan(`${field}.encrypt`, encrypt, 'is neither true nor false');
  }
  if (encrypt === true && (action === 'erase' || kind === 'nvs')) {
    throw badPlan(`${field}.encrypt`, encrypt, 'is set where the chip encrypts nothing');
  }
  if (action === 'erase') {
    if (step.data !== undefined || step.nvs !== undefined) throw badPlan(field, step, 'erases and has bytes to write');
  } else if (step.nvs !== undefined) checkNvsStep(field, step);
  else if (kind === 'nvs-keys' && step.data === undefined && needsKeys(plan.steps)) checkErase(field, step);
  else checkBytes(field, step, plan);
}

function checkNvsStep(field: string, step: PlanStep): void {
  if (step.kind !== 'nvs') throw badPlan(`${field}.nvs`, step.nvs, 'belongs to steps of the kind "nvs"');
  if (step.data !== undefined) throw badPlan(field, step.data, 'has both bytes and a recipe for them');
  checkRecipe(`${field}.nvs`, step.nvs);
  checkErase(field, step);
}

/** Through JSON a Buffer becomes an object, and a list of numbers is no bytes either. */
function checkBytes(field: string, { offset, size, name, data }: PlanStep, plan: FlashPlan): void {
  checkOffset(`${field}.offset`, name, offset, size);
  const length = data instanceof Uint8Array ? data.length : 0;
  if (length > 0 && length === size) return;
  throw fail('PLAN_WITHOUT_BYTES', `The plan "${plan.name}" carries ${length} of ${size} bytes of "${name}".`, {
    hint: 'It is a dry run, or went through JSON: flash the plan itself, not its description.',
    detail: { field: `${field}.data`, value: length, name },
  });
}
