/** Brings a saved node one layout up: from version n to n + 1. Gets a copy, returns what is to be saved. */
export type Migration = (saved: Record<string, unknown>) => Record<string, unknown>;

/**
 * Brings saved properties up to the newest layout and fills in what is missing, for both halves of a node.
 * `migrations[0]` leads from version 1 to 2, and so on; a node saved before it had a version counts as 1.
 * One that a newer release saved is left as it is: its known fields still mean the same.
 */
export function migrate<C extends object>(saved: object, defaults: C, migrations: readonly Migration[] = []): C {
  let current: Record<string, unknown> = { ...saved };
  const from = typeof current.version === 'number' && current.version >= 1 ? current.version : 1;
  for (const step of migrations.slice(from - 1)) current = step(current);
  current.version = Math.max(from, migrations.length + 1);
  for (const [key, value] of Object.entries(defaults)) if (current[key] === undefined) current[key] = value;
  return current as C;
}
