/**
 * The devices and what they hold: certificates, tokens, codes, credentials, namespaces, profiles, and the audit log.
 * One interface, `Registry`; `openSqliteRegistry` keeps it in a file. Needs Node.
 */
export { registryErrors } from './errors.ts';
export type { ImportOptions, ImportProblem, ImportReport } from './import/types.ts';
export type { Registry } from './registry.ts';
export { openSqliteRegistry, type Sealer, type SqliteRegistryOptions } from './sqlite/open.ts';
export { DEVICE_STATES, mayBecome, TRANSITIONS } from './states.ts';
export type * from './types.ts';
