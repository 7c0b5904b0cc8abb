import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { type JsonObject, namespaceName, readSettings } from '../../lib/pki/index.ts';
import type { OpenAuthority } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import { type NamespaceRow, units } from './config.ts';

const HOURS = 24;
const IN_HOURS: Readonly<Record<(typeof units)[number], (value: number) => number>> = {
  days: (value) => value * HOURS,
  hours: (value) => value,
  minutes: (value) => value / 60,
  seconds: (value) => value / 3600,
};

/** What a row says of its namespace; what it leaves blank is left out. @throws BAD_FIELD, BAD_SETTINGS, BAD_NAMESPACE */
export function settingsOf(row: NamespaceRow): JsonObject {
  namespaceName(row.name);
  const settings: Record<string, JsonObject[string]> = {};
  const keep = (setting: string, value: JsonObject[string] | null): void => {
    if (value !== null && value !== '') settings[setting] = value;
  };
  keep('brokerHost', textIn(row, 'broker'));
  keep('validityHours', validityOf(row));
  keep('rotation', rotationOf(row));
  const grace = numberIn(row, 'graceDays');
  keep('graceAwaitingSetupHours', grace === null ? null : Math.round(grace * HOURS));
  keep('graceHours', numberIn(row, 'graceHours'));
  keep('rekey', textIn(row, 'rekey'));
  keep('keys', textIn(row, 'keys'));
  keep('crlBaseUrl', textIn(row, 'crlBaseUrl'));
  const names = textIn(row, 'names')
    .split(/[\s,]+/)
    .filter((name) => name !== '');
  keep('alternativeNames', names.length === 0 ? null : names);
  readSettings(settings);
  return settings;
}

function validityOf(row: NamespaceRow): number | null {
  const days = numberIn(row, 'validityDays');
  const validity = numberIn(row, 'validity');
  if (validity === null) return days === null ? null : Math.round(days * HOURS);
  const unit = units.find((known) => known === (row.validityUnit ?? 'days'));
  if (unit === undefined) throw wrong(row, 'validityUnit', String(row.validityUnit), `one of ${units.join(', ')}`);
  return IN_HOURS[unit](validity);
}

function rotationOf(row: NamespaceRow): JsonObject | null {
  if (row.rotateBy === 'fraction') {
    const fraction = numberIn(row, 'rotateFraction');
    return fraction === null ? null : { fraction };
  }
  const [window, hour] = [numberIn(row, 'rotateWindow'), numberIn(row, 'rotateHour')];
  if (window === null && hour === null) return null;
  const windowHours = window ?? HOURS;
  return { windowHours, atHour: hour ?? windowHours * DEFAULT_PART };
}

/** Hour 18 of 24. */
const DEFAULT_PART = 0.75;

function textIn(row: NamespaceRow, field: keyof NamespaceRow): string {
  return String(row[field] ?? '').trim();
}

function numberIn(row: NamespaceRow, field: keyof NamespaceRow): number | null {
  const text = textIn(row, field);
  if (text === '') return null;
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  throw wrong(row, field, text, 'a number');
}

function wrong(row: NamespaceRow, field: string, value: string, wanted: string): Error {
  return fail(
    'BAD_FIELD',
    `The namespace "${row.name}" has "${value.slice(0, 40)}" as ${field}, which is not ${wanted}.`,
    {
      hint: 'Open the authority and correct it, or leave the field blank.',
      detail: { field: `namespaces.${field}`, value: value.slice(0, 40) },
    },
  );
}

/**
 * Makes namespaces that are not there yet, each with its own intermediate, and gives those that are there the settings
 * of their row: what a row leaves blank stays as it is. One that is wrong keeps no other from being ready.
 * @returns what is wrong with a namespace, by its name
 */
export async function readyNamespaces(
  { authority, registry }: OpenAuthority,
  rows: readonly NamespaceRow[],
  passphrase: Uint8Array | undefined,
): Promise<Map<string, Error>> {
  const problems = new Map<string, Error>();
  for (const row of rows) {
    try {
      const settings = settingsOf(row);
      try {
        await authority.createNamespace(row.name, settings, passphrase === undefined ? {} : { passphrase });
      } catch (error) {
        if (!isKeywayError(error, 'NAMESPACE_EXISTS')) throw error;
        const kept = (await registry.namespace(row.name))?.settings ?? {};
        const wanted = { ...kept, ...settings };
        if (JSON.stringify(wanted) !== JSON.stringify(kept)) await authority.changeSettings(row.name, wanted);
      }
    } catch (error) {
      problems.set(row.name, error instanceof Error ? error : new Error(`${codeOf(error)}: ${String(error)}`));
    }
  }
  return problems;
}
