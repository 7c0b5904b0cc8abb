/** One step of the schema. Once released it never changes: what must change comes as a new one. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly statements: readonly string[];
}

export const APPLICATION = 'keyway-registry';

/** Must be there before the migrations are. */
export const BOOTSTRAP = `CREATE TABLE IF NOT EXISTS migrations (
  number {integer} NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at {integer} NOT NULL
){strict}`;

export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    name: 'the registry',
    statements: [
      `CREATE TABLE meta (
        name {key} NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
      ){strict}`,
      `CREATE TABLE namespaces (
        name {key} NOT NULL PRIMARY KEY,
        settings TEXT NOT NULL,
        changed_at {integer} NOT NULL
      ){strict}`,
      `CREATE TABLE profiles (
        namespace {key} NOT NULL REFERENCES namespaces (name),
        name {key} NOT NULL,
        settings TEXT NOT NULL,
        changed_at {integer} NOT NULL,
        PRIMARY KEY (namespace, name)
      ){strict}`,
      `CREATE TABLE devices (
        id {key} NOT NULL PRIMARY KEY,
        namespace {key} NOT NULL REFERENCES namespaces (name),
        mac {key},
        serial {key},
        name {key},
        profile {key},
        labels TEXT NOT NULL,
        attributes TEXT NOT NULL,
        state {key} NOT NULL,
        reason TEXT,
        state_at {integer} NOT NULL,
        created_at {integer} NOT NULL,
        changed_at {integer} NOT NULL,
        FOREIGN KEY (namespace, profile) REFERENCES profiles (namespace, name)
      ){strict}`,
      // The column that tells devices apart comes first: one comparison decides, where namespaces would be compared in vain.
      'CREATE UNIQUE INDEX devices_mac ON devices (mac, namespace) WHERE mac IS NOT NULL',
      'CREATE UNIQUE INDEX devices_serial ON devices (serial, namespace) WHERE serial IS NOT NULL',
      'CREATE UNIQUE INDEX devices_name ON devices (name, namespace) WHERE name IS NOT NULL',
      'CREATE INDEX devices_state ON devices (namespace, state, id)',
      `CREATE TABLE device_labels (
        label {key} NOT NULL,
        device {key} NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
        PRIMARY KEY (label, device)
      ){strict}`,
      'CREATE INDEX device_labels_device ON device_labels (device)',
      `CREATE TABLE certificates (
        serial {key} NOT NULL PRIMARY KEY,
        namespace {key} NOT NULL,
        device {key},
        kind {key} NOT NULL,
        state {key} NOT NULL,
        not_before {integer} NOT NULL,
        not_after {integer} NOT NULL,
        der {bytes} NOT NULL,
        public_key_hash {key} NOT NULL,
        reason {integer},
        revoked_at {integer},
        replaces TEXT,
        added_at {integer} NOT NULL
      ){strict}`,
      `CREATE UNIQUE INDEX certificates_live ON certificates (namespace, device)
        WHERE state = 'live' AND kind = 'device' AND device IS NOT NULL`,
      'CREATE INDEX certificates_device ON certificates (namespace, device)',
      'CREATE INDEX certificates_end ON certificates (not_after, serial)',
      "CREATE INDEX certificates_revoked ON certificates (namespace, not_after) WHERE state = 'revoked'",
      `CREATE TABLE tokens (
        id {key} NOT NULL PRIMARY KEY,
        kind {key} NOT NULL,
        hash {key} NOT NULL UNIQUE,
        prefix TEXT NOT NULL,
        namespace {key} NOT NULL REFERENCES namespaces (name),
        device {key} REFERENCES devices (id) ON DELETE CASCADE,
        scopes TEXT NOT NULL,
        created_at {integer} NOT NULL,
        expires_at {integer},
        revoked_at {integer},
        reason TEXT
      ){strict}`,
      'CREATE INDEX tokens_namespace ON tokens (namespace, id)',
      'CREATE INDEX tokens_device ON tokens (device) WHERE device IS NOT NULL',
      `CREATE TABLE credentials (
        id {key} NOT NULL PRIMARY KEY,
        device {key} NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
        kind {key} NOT NULL,
        sealed {bytes} NOT NULL,
        changed_at {integer} NOT NULL,
        UNIQUE (device, kind)
      ){strict}`,
      `CREATE TABLE codes (
        hash {key} NOT NULL PRIMARY KEY,
        namespace {key} NOT NULL REFERENCES namespaces (name),
        profile {key},
        mac {key},
        prefix TEXT NOT NULL,
        max_uses {integer} NOT NULL,
        uses {integer} NOT NULL,
        created_at {integer} NOT NULL,
        expires_at {integer} NOT NULL,
        voided_at {integer},
        FOREIGN KEY (namespace, profile) REFERENCES profiles (namespace, name)
      ){strict}`,
      `CREATE TABLE tickets (
        hash {key} NOT NULL PRIMARY KEY,
        namespace {key} NOT NULL,
        device {key} NOT NULL,
        expires_at {integer} NOT NULL,
        redeemed_at {integer}
      ){strict}`,
      'CREATE INDEX tickets_end ON tickets (expires_at)',
      `CREATE TABLE releases (
        namespace {key} NOT NULL REFERENCES namespaces (name),
        chip {key} NOT NULL,
        version {key} NOT NULL,
        image_hash {key} NOT NULL,
        size {integer} NOT NULL,
        signature {bytes},
        rollout {integer} NOT NULL,
        state {key} NOT NULL,
        manifest TEXT NOT NULL,
        created_at {integer} NOT NULL,
        PRIMARY KEY (namespace, chip, version)
      ){strict}`,
      `CREATE TABLE crl_numbers (
        namespace {key} NOT NULL PRIMARY KEY,
        number {integer} NOT NULL
      ){strict}`,
      `CREATE TABLE key_records (
        name {key} NOT NULL PRIMARY KEY,
        wrapped {bytes} NOT NULL,
        changed_at {integer} NOT NULL
      ){strict}`,
      `CREATE TABLE audit (
        seq {integer} NOT NULL PRIMARY KEY,
        at {integer} NOT NULL,
        actor TEXT NOT NULL,
        source TEXT,
        action {key} NOT NULL,
        namespace {key},
        subject {key},
        outcome {key} NOT NULL,
        detail TEXT NOT NULL,
        mac {bytes} NOT NULL
      ){strict}`,
      'CREATE INDEX audit_subject ON audit (subject, seq) WHERE subject IS NOT NULL',
      `CREATE TABLE audit_head (
        one {integer} NOT NULL PRIMARY KEY CHECK (one = 1),
        seq {integer} NOT NULL,
        mac {bytes} NOT NULL,
        seal {bytes} NOT NULL,
        newest {integer} NOT NULL
      ){strict}`,
    ],
  },
  {
    number: 2,
    name: 'whose a key is',
    statements: ['CREATE INDEX certificates_key ON certificates (public_key_hash)'],
  },
];

export const SCHEMA_VERSION = MIGRATIONS.at(-1)?.number ?? 0;
