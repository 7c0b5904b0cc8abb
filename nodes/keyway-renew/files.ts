import { createPrivateKey, X509Certificate } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../lib/errors/index.ts';
import { fail as failField } from '../shared/errors.ts';
import { fail } from '../shared/trust-errors.ts';
import type { RenewConfig } from './config.ts';

/** Where a gateway keeps its identity. */
export interface IdentityFiles {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

/** @throws BAD_FIELD */
export function filesOf(config: RenewConfig): IdentityFiles {
  const path = (field: 'certificateFile' | 'keyFile' | 'caFile'): string => {
    const text = config[field].trim();
    if (text !== '') return text;
    throw failField('BAD_FIELD', `The field "${field}" is blank.`, {
      hint: 'Open the node and type the path of the file.',
      detail: { field },
    });
  };
  return { certificate: path('certificateFile'), key: path('keyFile'), ca: path('caFile') };
}

const turns = new Map<string, Promise<unknown>>();

/** Whoever works on the same files waits for who came before: one would take away what the other has just written. */
export async function inTurn<T>({ key }: IdentityFiles, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(key) ?? Promise.resolve()).then(work, work);
  turns.set(key, mine);
  try {
    return await mine;
  } finally {
    if (turns.get(key) === mine) turns.delete(key);
  }
}

const next = (path: string): string => `${path}.next`;

/**
 * Replaces key and certificate. Both are written beside the old ones first, and then take their places: where a loss of
 * power comes between the two, `settleFiles` ends it.
 * @throws IDENTITY_FILE; what was begun is ended, or taken back, by `settleFiles`
 */
export async function keepFiles(
  files: IdentityFiles,
  { key, certificate }: { readonly key: Uint8Array; readonly certificate: string },
): Promise<void> {
  // One file for both is one step.
  const both = files.key === files.certificate;
  const bytes = both ? Buffer.concat([key, Buffer.from(certificate)]) : key;
  try {
    await write(next(files.key), bytes);
    if (!both) await write(next(files.certificate), Buffer.from(certificate));
    await take(files.key);
    if (!both) await take(files.certificate);
  } catch (cause) {
    throw notWritable(files.key, cause);
  } finally {
    if (both) bytes.fill(0);
  }
}

/** Ends what a loss of power interrupted: the certificate that belongs to the key that is in place takes its own. */
export async function settleFiles(files: IdentityFiles): Promise<void> {
  if (files.key === files.certificate) {
    await rm(next(files.key), { force: true }).catch(() => undefined);
    return;
  }
  const waiting = await readFile(next(files.certificate), 'utf8').catch(() => undefined);
  if (waiting === undefined) {
    await rm(next(files.key), { force: true }).catch(() => undefined);
    return;
  }
  const belongs = await belongsTo(waiting, files.key);
  try {
    if (belongs) await take(files.certificate);
    else await rm(next(files.certificate), { force: true });
    await rm(next(files.key), { force: true });
  } catch (cause) {
    throw notWritable(files.certificate, cause);
  }
}

async function belongsTo(certificate: string, keyFile: string): Promise<boolean> {
  const key = await readFile(keyFile).catch(() => undefined);
  if (key === undefined) return false;
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  } finally {
    key.fill(0);
  }
}

/** A file of its owner alone, on the disk before this resolves. */
async function write(path: string, bytes: Uint8Array): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts what was written beside a file in its place, on the disk before this resolves: what follows counts on it. */
async function take(path: string): Promise<void> {
  await rename(next(path), path);
  const handle = await open(dirname(path), 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function notWritable(path: string, cause: unknown): Error {
  return fail('IDENTITY_FILE', `The identity in ${path} cannot be replaced: ${codeOf(cause, 'unknown')}.`, {
    hint: 'Let Node-RED write into the folder: what was begun is ended, or taken back, at the next message.',
    detail: { field: 'keyFile', value: path },
    cause,
  });
}
