import type { EraseRange, FlashPlan } from '../types.ts';
import { hex, SECTOR } from '../units.ts';
import { fail, GuardBook } from './errors.ts';

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
  const shown = Number.isSafeInteger(offset) ? hex(offset) : String(offset);
  throw fail('BAD_OFFSET', `The offset ${shown} of "${name}" ${why}.`, {
    hint: 'The flash is written in sectors of 4096 bytes.',
    detail: { field, value: offset, name },
  });
}

/** @throws BAD_OFFSET, BAD_SIZE */
export function checkErase(field: string, { offset, size, name }: EraseRange): void {
  checkOffset(`${field}.offset`, name, offset, 0);
  if (Number.isSafeInteger(size) && size > 0 && size % SECTOR === 0 && offset + size <= LIMIT) return;
  throw fail('BAD_SIZE', `The size ${size} of "${name}" is no multiple of 4096 (0x1000) above 0.`, {
    hint: 'The flash is erased in sectors of 4096 bytes.',
    detail: { field: `${field}.size`, value: size, name },
  });
}

/**
 * Looks at a finished plan once more before a chip is touched: between planning and flashing it may have been through
 * other hands. `force` are guards to be overridden beside the plan's own. @throws EMPTY_PLAN, BAD_OFFSET, BAD_SIZE, PLAN_WITHOUT_BYTES,
 * BAD_FORCE
 */
export function checkPlan(plan: FlashPlan, force: readonly string[] = []): void {
  new GuardBook([...(plan.force ?? []), ...force]);
  if (plan.steps.length === 0) {
    throw fail('EMPTY_PLAN', `The plan "${plan.name}" has nothing to write and nothing to erase.`, {
      hint: 'Give at least one file with an offset.',
      detail: { field: 'steps', value: 0 },
    });
  }
  for (const [i, step] of plan.steps.entries()) {
    const field = `steps[${i}]`;
    if (step.action === 'erase') {
      checkErase(field, step);
      continue;
    }
    checkOffset(`${field}.offset`, step.name, step.offset, step.size);
    // Through JSON a Buffer becomes an object, and a list of numbers is no bytes either.
    const length = step.data instanceof Uint8Array ? step.data.length : 0;
    if (length > 0 && length === step.size) continue;
    throw fail(
      'PLAN_WITHOUT_BYTES',
      `The plan "${plan.name}" carries ${length} of ${step.size} bytes of "${step.name}".`,
      {
        hint: 'It is a dry run, or went through JSON: flash the plan itself, not its description.',
        detail: { field: `${field}.data`, value: length, name: step.name },
      },
    );
  }
}
