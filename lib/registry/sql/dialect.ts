/**
 * What differs between the databases that can hold a registry. Statements are written with `?` placeholders, schemas
 * with the words {integer} (64 bits), {bytes}, {key} (text compared byte by byte) and {strict}.
 */
export interface Dialect {
  readonly name: 'sqlite' | 'postgresql';
  /** A statement as this database takes it. */
  statement(sql: string): string;
  schema(sql: string): string;
}

export const sqlite: Dialect = {
  name: 'sqlite',
  statement: (sql) => sql,
  schema: (sql) => words(sql, { integer: 'INTEGER', bytes: 'BLOB', key: 'TEXT', strict: ' STRICT' }),
};

export const postgresql: Dialect = {
  name: 'postgresql',
  // No statement of ours has a question mark inside a text.
  statement: (sql) => {
    let count = 0;
    return sql.replaceAll('?', () => `$${++count}`);
  },
  schema: (sql) => words(sql, { integer: 'BIGINT', bytes: 'BYTEA', key: 'TEXT COLLATE "C"', strict: '' }),
};

function words(sql: string, meaning: Readonly<Record<string, string>>): string {
  return sql.replace(/\{(\w+)\}/g, (_, word: string) => meaning[word] ?? '');
}
