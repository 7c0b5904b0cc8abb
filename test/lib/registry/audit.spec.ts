import assert from 'node:assert/strict';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { AuditVerdict } from '../../../lib/registry/index.ts';
import { Place } from './support.ts';

/** Entries in the log that is tampered with. */
const ENTRIES = 12;

describe('the audit log', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.done());

  /** A log, closed, then changed by somebody with another program, then opened again. */
  async function tampered(change: (db: DatabaseSync) => void): Promise<AuditVerdict> {
    const registry = await place.open();
    for (let i = 1; i <= ENTRIES; i++) {
      await registry.audit({ action: 'test.entry', subject: `subject ${i}`, detail: { i } }, { actor: 'ada' });
    }
    await registry.close();
    const db = new DatabaseSync(place.path());
    try {
      change(db);
    } finally {
      db.close();
    }
    return await (await place.open()).verifyAudit();
  }

  const sql =
    (text: string, ...values: SQLInputValue[]) =>
    (db: DatabaseSync) =>
      void db.prepare(text).run(...values);

  it('holds when nobody touched it', async () => {
    assert.deepEqual(await tampered(() => undefined), { holds: true, entries: ENTRIES });
  });

  for (const [column, value] of [
    ['at', 1],
    ['actor', 'eve'],
    ['source', 'elsewhere'],
    ['action', 'test.other'],
    ['namespace', 'other'],
    ['subject', null],
    ['outcome', 'denied'],
    ['detail', '{}'],
    ['mac', Buffer.alloc(32)],
    ['mac', Buffer.alloc(5)],
  ] as const) {
    it(`shows a changed ${column}${column === 'mac' ? ` of ${value.length} bytes` : ''}`, async () => {
      const verdict = await tampered(sql(`UPDATE audit SET ${column} = ? WHERE seq = 5`, value));
      assert.deepEqual(verdict, { holds: false, entries: 4, problem: { seq: 5, what: 'altered' } });
    });
  }

  it('shows an entry that was taken out, first, within, and last', async () => {
    for (const [seq, problem] of [
      [1, { seq: 1, what: 'missing' }],
      [7, { seq: 7, what: 'missing' }],
      [ENTRIES, { seq: ENTRIES, what: 'truncated' }],
    ] as const) {
      const verdict = await tampered(sql('DELETE FROM audit WHERE seq = ?', seq));
      assert.deepEqual(verdict.problem, problem);
      await place.done();
      place = new Place();
    }
  });

  it('shows entries that changed places', async () => {
    const verdict = await tampered((db) => {
      db.exec('UPDATE audit SET seq = 99 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4');
      db.exec('UPDATE audit SET seq = 4 WHERE seq = 99');
    });
    assert.deepEqual(verdict.problem, { seq: 3, what: 'altered' });
  });

  it('shows an end that was cut off, with the head set to match', async () => {
    const verdict = await tampered((db) => {
      db.exec('DELETE FROM audit WHERE seq > 8');
      db.exec('UPDATE audit_head SET seq = 8, mac = (SELECT mac FROM audit WHERE seq = 8)');
    });
    assert.deepEqual(verdict.problem, { seq: 9, what: 'truncated' });
  });

  it('shows an entry that was put in, at the end and within', async () => {
    const put = (seq: number) =>
      `INSERT INTO audit SELECT ${seq}, at, 'eve', source, action, namespace, subject, outcome, detail, mac FROM audit WHERE seq = 8`;
    const atEnd = await tampered((db) => db.exec(put(ENTRIES + 1)));
    assert.deepEqual(atEnd.problem, { seq: ENTRIES + 1, what: 'altered' });
  });

  it('shows a head that is gone or wrong', async () => {
    assert.equal((await tampered(sql("UPDATE audit_head SET seal = x'00'"))).problem?.what, 'truncated');
    await place.done();
    place = new Place();
    assert.equal((await tampered(sql('DELETE FROM audit_head'))).problem?.what, 'truncated');
  });

  it('is read to the end however long it is, and no further once nobody wants to know', async () => {
    const registry = await place.open();
    await Promise.all(Array.from({ length: 2500 }, (_, i) => registry.audit({ action: 'test.entry', detail: { i } })));
    assert.deepEqual(await registry.verifyAudit(), { holds: true, entries: 2500 });
    await assert.rejects(registry.verifyAudit({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});
