import { BAUD_RATES } from '../../panel/index.ts';
import { KDF } from '../../secure/keys.ts';
import { fail } from '../errors.ts';
import { isExpectedCapability } from '../profile/capabilities.ts';
import type { PlanTerms, SlotSeed, StepPlan } from '../types.ts';

const NAME_MOST = 64;
const ADDRESS_MOST = 126;
const TIMEOUT_MOST = 600_000;
const ARMING_MOST = 168;
const WORDS_MOST = 64;

/** A copy of the terms with nothing but their fields. The device trusts no host. @throws BAD_PLAN */
export function checkTerms(terms: PlanTerms): PlanTerms {
  const { name, bus, factory, capabilities, timeoutMs, autoVerify, autonomous, armingHours } = terms;
  check(typeof name === 'string' && name.length >= 1 && [...name].length <= NAME_MOST, 'name', name);
  check(bus === 'single' || bus === 'multi', 'bus', bus);
  checkPlace('factory', factory.address, factory.baudRate);
  const words = Array.isArray(capabilities) && capabilities.length <= WORDS_MOST ? capabilities : undefined;
  check(words !== undefined, 'capabilities', undefined);
  const unknown = words?.find((word) => !isExpectedCapability(word));
  check(unknown === undefined, 'capabilities', unknown, 'no such capability is known here');
  check(Number.isInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= TIMEOUT_MOST, 'timeoutMs', timeoutMs);
  check(typeof autoVerify === 'boolean', 'autoVerify', autoVerify);
  check(typeof autonomous === 'boolean', 'autonomous', autonomous);
  check(armingHours > 0 && armingHours <= ARMING_MOST, 'armingHours', armingHours);
  return {
    name,
    bus,
    factory: { address: factory.address, baudRate: factory.baudRate },
    capabilities: [...capabilities],
    timeoutMs,
    autoVerify,
    autonomous,
    armingHours,
  };
}

/** A copy of a step with nothing but its fields. @throws BAD_PLAN */
export function checkStep({ address, baudRate, serial }: StepPlan): StepPlan {
  checkPlace('step', address, baudRate);
  if (serial === undefined) return { address, baudRate };
  check(typeof serial === 'string' && /^[0-9A-F]{8}$/.test(serial), 'step.serial', serial);
  return { address, baudRate, serial };
}

/** @throws BAD_PLAN: two readers of one plan with one address or one serial number */
export function checkAlike(steps: readonly StepPlan[]): void {
  const seen = new Set<number | string>();
  for (const { address, serial } of steps) {
    check(!seen.has(address), 'step.address', address, 'two steps have the same address');
    seen.add(address);
    if (serial === undefined) continue;
    check(!seen.has(serial), 'step.serial', serial, 'two steps have the same serial number');
    seen.add(serial);
  }
}

/** @throws BAD_PLAN, never with a byte of the seed */
export function checkSeed({ seed, session, kdf }: Omit<SlotSeed, 'slot'>): void {
  check(seed instanceof Uint8Array && seed.length === 16, 'seed', undefined, 'the seed must have 16 bytes');
  check(typeof session === 'string' && /^[0-9a-f]{32}$/.test(session), 'session', session);
  check(kdf === KDF, 'kdf', kdf, `keys are derived by ${KDF} only`);
}

function checkPlace(field: string, address: number, baudRate: number): void {
  check(Number.isInteger(address) && address >= 0 && address <= ADDRESS_MOST, `${field}.address`, address);
  check(BAUD_RATES.includes(baudRate), `${field}.baudRate`, baudRate);
}

function check(holds: boolean, field: string, value: unknown, why = 'it is out of its range'): void {
  if (holds) return;
  const simple = ['number', 'boolean', 'string'].includes(typeof value);
  const shown = simple ? String(value).slice(0, 60) : undefined;
  throw fail('BAD_PLAN', `The field ${field}${shown === undefined ? '' : ` (${shown})`} is refused: ${why}.`, {
    hint: 'Correct the plan; nothing was written.',
    detail: { field, ...(shown === undefined ? {} : { value: shown }) },
  });
}
