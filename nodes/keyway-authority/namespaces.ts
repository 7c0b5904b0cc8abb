import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { type JsonObject, namespaceName, readSettings } from '../../lib/pki/index.ts';
import type { OpenAuthority } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import type { NamespaceRow } from './config.ts';

const HOURS = 24;

/** What a row says of its namespace; what it leaves blank is left out. @throws BAD_FIELD, BAD_SETTINGS, BAD_NAMESPACE */
export function settingsOf(row: NamespaceRow): JsonObject {
  namespaceName(row.name);
  const settings: Record<string, JsonObject[string]> = {};
  const broker = row.broker.trim();
  if (broker !== '') settings.brokerHost = broker;
  const validity = numberIn(row, 'validityDays');
  if (validity !== null) settings.validityHours = Math.round(validity * HOURS);
  const atHour = numberIn(row, 'rotateHour');
  if (atHour !== null) settings.rotation = { windowHours: HOURS, atHour };
  const grace = numberIn(row, 'graceDays');
  if (grace !== null) settings.graceAwaitingSetupHours = Math.round(grace * HOURS);
  readSettings(settings);
  return settings;
}

function numberIn(row: NamespaceRow, field: 'validityDays' | 'rotateHour' | 'graceDays'): number | null {
  const text = String(row[field] ?? '').trim();
  if (text === '') return null;
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  throw fail('BAD_FIELD', `The namespace "${row.name}" has "${text.slice(0, 40)}" as ${field}, which is no number.`, {
    hint: 'Open the authority and correct it, or leave the field blank.',
    detail: { field: `namespaces.${field}`, value: text.slice(0, 40) },
  });
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
