import { BAUD_RATES } from '../../panel/types.ts';
import { STEPS_MOST, type StepPlan } from '../types.ts';
import { Field, isObject } from './fields.ts';

const LAST_ADDRESS = 126;

/**
 * Reads steps that a person reviewed, and may have changed or thinned out: at least one, each address once.
 * @throws BAD_PROFILE_FIELD (detail.field: `steps[3].address`)
 */
export function checkSteps(input: unknown): StepPlan[] {
  const source = new Field({ steps: input });
  const list = source.list('steps', STEPS_MOST);
  if (list.length === 0) throw source.bad('steps', `a list of 1 to ${STEPS_MOST} steps`);
  const addresses = new Set<number>();
  const serials = new Set<string>();
  return list.map((one, at): StepPlan => {
    const prefix = `steps[${at}]`;
    if (!isObject(one)) throw source.bad(prefix, 'an object with address and baudRate', one);
    const field = new Field(one, `${prefix}.`);
    field.only(['address', 'baudRate', 'serial']);
    const address = field.whole('address', 0, LAST_ADDRESS);
    if (addresses.has(address)) throw field.bad('address', 'another address: no two readers may share one');
    addresses.add(address);
    const baudRate = field.choice('baudRate', BAUD_RATES);
    const serial = field.has('serial') ? readSerial(one.serial) : '';
    if (serial === undefined) throw field.bad('serial', 'eight hex digits, or blank');
    if (serial === '') return { address, baudRate };
    if (serials.has(serial)) throw field.bad('serial', 'named once');
    serials.add(serial);
    return { address, baudRate, serial };
  });
}

/** A serial number of PDID in its normal form; blank = any reader; undefined = it is none. */
export function readSerial(value: unknown): string | undefined {
  if (value === '') return '';
  return typeof value === 'string' && /^[0-9a-f]{8}$/i.test(value) ? value.toUpperCase() : undefined;
}
