import { createSecretKey } from 'node:crypto';
import { resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { AuditVerifier } from '../audit.ts';
import { fail } from '../errors.ts';
import { APPLICATION } from '../sql/schema.ts';
import { SQL } from '../sql/statements.ts';
import type { AuditVerdict } from '../types.ts';
import type { Row } from '../work.ts';
import { AUDIT_KEY_AAD, AUDIT_KEY_PURPOSE, type Sealer } from './open.ts';
import { registryError } from './outcome.ts';
import { AUDIT_KEY } from './store.ts';

/** Entries that are read at once. */
const PAGE = 1000;

/**
 * Reads the audit log of a registry in a file, or of a backup, and says whether it is what was written. Changes nothing;
 * the registry may be at work meanwhile: what is read is how it stood at one moment. That the whole file is an older one
 * the log cannot tell: compare the number of its entries with what was seen before.
 *
 * @throws REGISTRY_PATH, REGISTRY_DAMAGED, REGISTRY_BUSY, REGISTRY_IO; what the keystore throws when it cannot unseal
 */
export async function verifyAuditFile(
  path: string,
  keystore: Pick<Sealer, 'unseal'>,
): Promise<AuditVerdict & { readonly newest: number }> {
  const file = resolve(path);
  const db = open(file);
  try {
    const sealed = db.prepare(SQL.keyRecord).get(AUDIT_KEY)?.wrapped;
    if (!(sealed instanceof Uint8Array)) {
      throw fail('REGISTRY_DAMAGED', `The registry ${file} has lost the key of its audit log.`, {
        hint: 'Restore a backup.',
        detail: { field: 'path', value: file },
      });
    }
    const bytes = await keystore.unseal(AUDIT_KEY_PURPOSE, sealed, AUDIT_KEY_AAD);
    const key = createSecretKey(bytes);
    bytes.fill(0);
    // One read transaction: the entries and the head belong together.
    db.exec('BEGIN');
    return read(db.prepare(SQL.auditFrom), new AuditVerifier(key), db.prepare(SQL.auditHead).get() as Row | undefined);
  } catch (error) {
    throw registryError(error, file);
  } finally {
    db.close();
  }
}

function read(entries: StatementSync, verifier: AuditVerifier, head: Row | undefined) {
  for (;;) {
    const rows = entries.all(verifier.seq, PAGE) as Row[];
    if (!rows.every((row) => verifier.add(row)) || rows.length < PAGE) break;
  }
  return { ...verifier.end(head), newest: Number(head?.newest ?? 0) };
}

/** Refuses what is no registry. */
function open(file: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'meta'").all();
    if (tables.length > 0 && db.prepare(SQL.meta).get('application')?.value === APPLICATION) return db;
    throw fail('REGISTRY_DAMAGED', `The file ${file} is no registry.`, {
      hint: 'Name the file of a registry, or of a backup.',
      detail: { field: 'path', value: file },
    });
  } catch (error) {
    db?.close();
    throw registryError(error, file);
  }
}
