/**
 * Every statement of the registry but the lists, whose conditions vary (lists.ts). They hold to what SQLite and
 * PostgreSQL both understand: INSERT … ON CONFLICT, RETURNING, partial indexes; `?` stands for a value.
 */
const DEVICE = `id, namespace, mac, serial, name, profile, labels, attributes, state, reason, state_at, created_at,
  changed_at`;
const CERTIFICATE = `serial, namespace, device, kind, state, not_before, not_after, der, public_key_hash, reason,
  revoked_at, replaces`;
const TOKEN = 'id, kind, hash, prefix, namespace, device, scopes, created_at, expires_at, revoked_at, reason';
const CODE = 'hash, namespace, profile, mac, prefix, max_uses, uses, created_at, expires_at, voided_at';

export const COLUMNS = { DEVICE, CERTIFICATE, TOKEN, CODE } as const;

export const SQL = {
  meta: 'SELECT value FROM meta WHERE name = ?',
  putMeta: 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  applied: 'SELECT number FROM migrations ORDER BY number DESC',
  apply: 'INSERT INTO migrations (number, name, applied_at) VALUES (?, ?, ?)',

  addDevice: `INSERT INTO devices (${DEVICE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING id`,
  device: `SELECT ${DEVICE} FROM devices WHERE id = ?`,
  deviceByMac: `SELECT ${DEVICE} FROM devices WHERE namespace = ? AND mac = ?`,
  deviceByName: `SELECT ${DEVICE} FROM devices WHERE namespace = ? AND name = ?`,
  deviceBySerial: `SELECT ${DEVICE} FROM devices WHERE namespace = ? AND serial = ?`,
  /** A unique index refuses a value that another device has: the caller looks which. */
  changeDevice: `UPDATE devices SET mac = ?, serial = ?, name = ?, profile = ?, labels = ?, attributes = ?,
    changed_at = ? WHERE id = ?`,
  setState: `UPDATE devices SET state = ?, reason = ?, state_at = ?, changed_at = ? WHERE id = ? AND state = ?
    RETURNING ${DEVICE}`,
  forceState: 'UPDATE devices SET state = ?, reason = ?, state_at = ?, changed_at = ? WHERE id = ? AND state <> ?',
  removeDevice: `DELETE FROM devices WHERE id = ? AND state IN ('registered', 'retired') RETURNING namespace`,
  mergeRemoveDevice: 'DELETE FROM devices WHERE id = ?',
  countDevices: 'SELECT state, COUNT(*) AS count FROM devices GROUP BY state',
  countDevicesOf: 'SELECT state, COUNT(*) AS count FROM devices WHERE namespace = ? GROUP BY state',
  clearLabels: 'DELETE FROM device_labels WHERE device = ?',
  addLabel: 'INSERT INTO device_labels (label, device) VALUES (?, ?)',

  addCertificate: `INSERT INTO certificates (${CERTIFICATE}, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING serial`,
  certificate: `SELECT ${CERTIFICATE} FROM certificates WHERE serial = ?`,
  certificatesOf: `SELECT ${CERTIFICATE} FROM certificates
    WHERE namespace = ? AND device = ? AND not_after >= ? ORDER BY added_at, serial`,
  liveOf: `SELECT ${CERTIFICATE} FROM certificates
    WHERE namespace = ? AND device = ? AND state = 'live' AND kind = 'device'`,
  keyHolder: `SELECT ${CERTIFICATE} FROM certificates
    WHERE public_key_hash = ? AND (device IS NULL OR device <> ? OR (state = 'revoked' AND reason = ?)) LIMIT 1`,
  setLive: "UPDATE certificates SET state = 'live' WHERE serial = ? AND state = 'pending' RETURNING serial",
  supersede: "UPDATE certificates SET state = 'superseded' WHERE serial = ? AND state IN ('pending', 'live')",
  revoke: `UPDATE certificates SET state = 'revoked', reason = ?, revoked_at = ? WHERE serial = ? AND state <> 'revoked'
    RETURNING ${CERTIFICATE}`,
  revokedSince: `SELECT ${CERTIFICATE} FROM certificates WHERE namespace = ? AND state = 'revoked' AND not_after >= ?
    ORDER BY not_after, serial`,
  revokedList: `SELECT serial, reason, revoked_at, not_after FROM certificates
    WHERE namespace = ? AND state = 'revoked' AND not_after >= ? AND kind = ?`,
  nextCrlNumber: `INSERT INTO crl_numbers (namespace, number) VALUES (?, 1)
    ON CONFLICT (namespace) DO UPDATE SET number = crl_numbers.number + 1 RETURNING number`,
  raiseCrlNumber: `INSERT INTO crl_numbers (namespace, number) VALUES (?, ?)
    ON CONFLICT (namespace) DO UPDATE SET number = excluded.number WHERE crl_numbers.number < excluded.number`,
  raiseAllCrlNumbers: 'UPDATE crl_numbers SET number = number + ?',

  addToken: `INSERT INTO tokens (${TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id`,
  token: `SELECT ${TOKEN} FROM tokens WHERE hash = ?`,
  revokeToken: `UPDATE tokens SET revoked_at = ?, reason = ? WHERE id = ? AND revoked_at IS NULL RETURNING ${TOKEN}`,
  tokenById: `SELECT ${TOKEN} FROM tokens WHERE id = ?`,

  putCredential: `INSERT INTO credentials (id, device, kind, sealed, changed_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (device, kind) DO UPDATE SET id = excluded.id, sealed = excluded.sealed, changed_at = excluded.changed_at`,
  credential: 'SELECT id, device, kind, sealed, changed_at FROM credentials WHERE device = ? AND kind = ?',
  removeCredential: 'DELETE FROM credentials WHERE device = ? AND kind = ? RETURNING id',
  mergeRemoveCredential: 'DELETE FROM credentials WHERE id = ?',
  rewrapCredential: 'UPDATE credentials SET sealed = ? WHERE id = ? RETURNING id',

  putNamespace: `INSERT INTO namespaces (name, settings, changed_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, changed_at = excluded.changed_at`,
  namespace: 'SELECT name, settings FROM namespaces WHERE name = ?',
  namespaces: 'SELECT name, settings FROM namespaces ORDER BY name',
  putProfile: `INSERT INTO profiles (namespace, name, settings, changed_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, name) DO UPDATE SET settings = excluded.settings, changed_at = excluded.changed_at`,
  profile: 'SELECT namespace, name, settings FROM profiles WHERE namespace = ? AND name = ?',
  profiles: 'SELECT namespace, name, settings FROM profiles WHERE namespace = ? ORDER BY name',

  addCode: `INSERT INTO codes (${CODE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING hash`,
  code: `SELECT ${CODE} FROM codes WHERE hash = ?`,
  codes: `SELECT ${CODE} FROM codes WHERE namespace = ? AND uses < max_uses AND expires_at > ? AND voided_at IS NULL
    ORDER BY created_at, hash`,
  redeemCode: `UPDATE codes SET uses = uses + 1 WHERE hash = ? AND uses < max_uses AND expires_at > ?
    AND voided_at IS NULL AND (mac IS NULL OR mac = ?) RETURNING ${CODE}`,
  voidCode: `UPDATE codes SET voided_at = ? WHERE hash = ? AND voided_at IS NULL RETURNING ${CODE}`,
  voidOpenCodes:
    'UPDATE codes SET voided_at = ? WHERE voided_at IS NULL AND uses < max_uses AND expires_at > ? RETURNING hash',

  addTicket: `INSERT INTO tickets (hash, namespace, device, expires_at, redeemed_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING hash`,
  redeemTicket: `UPDATE tickets SET redeemed_at = ? WHERE hash = ? AND redeemed_at IS NULL AND expires_at > ?
    RETURNING namespace, device, expires_at`,
  spendTicket: 'UPDATE tickets SET redeemed_at = ? WHERE hash = ? AND redeemed_at IS NULL',
  spendAllTickets: 'UPDATE tickets SET redeemed_at = ? WHERE redeemed_at IS NULL',
  forgetTickets: 'DELETE FROM tickets WHERE expires_at < ?',

  keyRecord: 'SELECT wrapped FROM key_records WHERE name = ?',
  keyNames: 'SELECT name FROM key_records ORDER BY name',
  putKeyRecord: `INSERT INTO key_records (name, wrapped, changed_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET wrapped = excluded.wrapped, changed_at = excluded.changed_at`,

  makeAuditHead: 'INSERT INTO audit_head (one, seq, mac, seal, newest) VALUES (1, 0, ?, ?, 0) ON CONFLICT DO NOTHING',
  /** Takes the row for the transaction, so that several writers queue up here. */
  takeAuditHead: 'UPDATE audit_head SET seq = seq + 1 WHERE one = 1 RETURNING seq, mac, newest',
  putAuditHead: 'UPDATE audit_head SET mac = ?, seal = ?, newest = ? WHERE one = 1',
  auditHead: 'SELECT seq, mac, seal, newest FROM audit_head WHERE one = 1',
  setNewest: 'UPDATE audit_head SET newest = ? WHERE one = 1',
  addAudit: `INSERT INTO audit (seq, at, actor, source, action, namespace, subject, outcome, detail, mac)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  auditFrom: `SELECT seq, at, actor, source, action, namespace, subject, outcome, detail, mac FROM audit
    WHERE seq > ? ORDER BY seq LIMIT ?`,

  recallCertificates: "SELECT serial, reason, revoked_at, not_after FROM certificates WHERE state = 'revoked'",
  recallTokens: 'SELECT id, revoked_at, expires_at FROM tokens WHERE revoked_at IS NOT NULL',
  recallCodes: 'SELECT hash, expires_at FROM codes WHERE uses >= max_uses OR voided_at IS NOT NULL',
  recallTickets: 'SELECT hash, redeemed_at, expires_at FROM tickets WHERE redeemed_at IS NOT NULL',
  recallDevices: "SELECT id, state, state_at FROM devices WHERE state IN ('revoked', 'retired')",
  recallCrlNumbers: 'SELECT namespace, number FROM crl_numbers',
} as const;

/** For the embedded store alone: SQLite numbers the rows of a table, and finds one by its number at once. */
export const BY_ROW = {
  device: `SELECT ${DEVICE} FROM devices WHERE rowid = ?`,
  /** As SQL.deviceByMac, and which row it is. */
  deviceByMac: `SELECT ${DEVICE}, rowid AS at_row FROM devices WHERE namespace = ? AND mac = ?`,
  /** In the order of an index that holds all of it; the first condition is what has SQLite take that index. */
  devicesFrom: `SELECT rowid AS at_row, namespace, mac FROM devices
    WHERE mac >= ? AND (mac, namespace) > (?, ?) ORDER BY mac, namespace LIMIT ?`,
  newest: 'SELECT MAX(rowid) AS at_row FROM devices',
} as const;
