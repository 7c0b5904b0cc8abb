#!/usr/bin/env node
/** `keyway-registry`: what is done to a registry from a command line. */
import { parseArgs } from 'node:util';
import { isKeywayError } from '../errors/index.ts';
import { type KeystoreSource, openKeystore } from '../vault/index.ts';
import { fail } from './errors.ts';
import { checkSqlite } from './sqlite/engine.ts';

const USAGE = `keyway-registry verify FILE [options]
  Says whether the audit log of the registry in FILE, or of a backup, is what was written. Reads alone; the registry may
  be at work meanwhile. Ends with 0 when the log holds, 1 when it does not, 2 when that cannot be told.

  --key-file FILE          the keystore's key is in FILE
  --key-variable NAME      … in the environment variable NAME
  --key-credential NAME    … in the systemd credential NAME
  --previous-key-file FILE the key before a rotation (may be repeated)
  --help
`;

const OPTIONS = {
  'key-file': { type: 'string' },
  'key-variable': { type: 'string' },
  'key-credential': { type: 'string' },
  'previous-key-file': { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

interface Wish {
  readonly file: string;
  readonly source: KeystoreSource;
  readonly previous: readonly KeystoreSource[];
}

/** @throws BAD_ARGUMENTS */
function parse(args: string[]): Wish | 'help' {
  const { values, positionals } = readArguments(args);
  if (values.help === true) return 'help';
  const [command, file, ...rest] = positionals;
  if (command !== 'verify' || file === undefined || rest.length > 0) {
    throw bad('One command is needed, "verify", and one file.');
  }
  const sources: KeystoreSource[] = [];
  if (values['key-file'] !== undefined) sources.push({ file: values['key-file'] });
  if (values['key-variable'] !== undefined) sources.push({ environment: values['key-variable'] });
  if (values['key-credential'] !== undefined) sources.push({ credential: values['key-credential'] });
  const [source, ...others] = sources;
  if (source === undefined || others.length > 0) {
    throw bad('One of --key-file, --key-variable and --key-credential is needed.');
  }
  return { file, source, previous: (values['previous-key-file'] ?? []).map((one) => ({ file: one })) };
}

function readArguments(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    throw bad(error instanceof Error ? error.message.replace(/\. To specify.*$/s, '.') : String(error));
  }
}

function bad(message: string): Error {
  return fail('BAD_ARGUMENTS', message, { hint: 'See --help.' });
}

/** @returns the exit code */
async function verify({ file, source, previous }: Wish): Promise<number> {
  checkSqlite();
  // Loads node:sqlite, which old Nodes lack.
  const { verifyAuditFile } = await import('./sqlite/verify.ts');
  const keystore = await openKeystore({ source, previous });
  const text = new TextDecoder();
  try {
    const { holds, entries, newest, problem } = await verifyAuditFile(file, {
      unseal: (purpose, bytes, aad) => keystore.unseal(purpose, bytes, text.decode(aad)),
    });
    const until = entries === 0 ? '' : `, the newest of ${new Date(newest).toISOString()}`;
    if (holds) {
      process.stdout.write(`The audit log holds: ${entries} entries${until}.\n`);
      return 0;
    }
    process.stdout.write(`The audit log does not hold: entry ${problem?.seq} is ${problem?.what}.\n`);
    return 1;
  } finally {
    keystore.close();
  }
}

async function main(): Promise<number> {
  try {
    const wish = parse(process.argv.slice(2));
    if (wish !== 'help') return await verify(wish);
    process.stdout.write(USAGE);
    return 0;
  } catch (error) {
    if (!isKeywayError(error)) throw error;
    process.stderr.write(`${error.code}: ${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}\n`);
    return 2;
  }
}

process.exitCode = await main();
