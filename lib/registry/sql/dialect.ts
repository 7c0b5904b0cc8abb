/**
 * What differs between the databases that can hold a registry. Statements are written with `?` placeholders, schemas
 * with the words {integer} (64 bits), {bytes}, {key} (text compared byte by byte) and {strict}.
 */
export interface Dialect {
  /** A statement as this database takes it. */
  statement(sql: string): string;
  schema(sql: string): string;
}

export const sqlite: Dialect = {
  statement: (sql) => sql,
  schema: (sql) => words(sql, { integer: 'INTEGER', bytes: 'BLOB', key: 'TEXT', strict: ' STRICT' }),
};

function words(sql: string, meaning: Readonly<Record<string, string>>): string {
  return sql.replace(/\{(\w+)\}/g, (_, word: string) => meaning[word] ?? '');
}
