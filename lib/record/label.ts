import { fail } from './errors.ts';

/** What is known of a unit: a production record, a device, or both in one. */
export type Unit = Readonly<Record<string, unknown>>;

const PLACEHOLDER = /\{([A-Za-z]\w*)(?:\|([^{}]*))?\}/g;

/**
 * Fills a label's template. `{mac}`, `{serial}`, `{chip}`, `{name}`, `{version}`, `{port}` … stand for what the unit
 * has under that name; `{macPlain}` is the MAC without colons, `{macShort}` its last six digits, `{date}` and `{time}`
 * are of the unit's record, else of now. A name in capitals gives capitals: `{MAC}`. `{serial|none}` says what stands
 * where the unit has nothing. Other braces stay as they are.
 *
 * @throws BAD_LABEL naming the placeholder that the unit has nothing for.
 */
export function labelText(template: string, unit: Unit, now: Date = new Date()): string {
  const values = valuesOf(unit, now);
  return template.replace(PLACEHOLDER, (_all, name: string, otherwise: string | undefined) => {
    const capitals = name === name.toUpperCase() && !values.has(name);
    const value = values.get(name) ?? (capitals ? findIgnoringCase(values, name) : undefined);
    if (value !== undefined) return capitals ? value.toUpperCase() : value;
    if (otherwise !== undefined) return otherwise;
    const there = [...values.keys()].sort();
    throw fail('BAD_LABEL', `The template names {${name}}, which the unit does not have.`, {
      hint: `It has: ${there.join(', ')}. Write {${name}|} where it may be missing.`,
      detail: { field: 'template', value: name, available: there },
    });
  });
}

function valuesOf(unit: Unit, now: Date): Map<string, string> {
  const values = new Map<string, string>();
  const time = typeof unit.time === 'string' && unit.time !== '' ? unit.time : now.toISOString();
  values.set('time', time).set('date', time.slice(0, 10));
  for (const [name, value] of Object.entries(unit)) {
    if (typeof value === 'number' || typeof value === 'boolean') values.set(name, String(value));
    // A line end in a value would break the label apart; a printer's language may be hidden behind a control character.
    else if (typeof value === 'string' && value !== '') values.set(name, value.replace(/\p{Cc}/gu, ' '));
  }
  const mac = values.get('mac');
  if (mac !== undefined) {
    const plain = mac.replace(/[:-]/g, '');
    values.set('macPlain', plain).set('macShort', plain.slice(-6));
  }
  return values;
}

function findIgnoringCase(values: Map<string, string>, name: string): string | undefined {
  for (const [key, value] of values) if (key.toUpperCase() === name) return value;
  return undefined;
}
