import { createPrivateKey, X509Certificate } from 'node:crypto';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../../lib/errors/index.ts';
import { parseCertificate, parsePem } from '../../lib/pki/index.ts';
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

/** Where a certificate waits, or a key and a certificate that are one file. */
const next = (path: string): string => `${path}.next`;
/** Where a key waits for the answer to the renewal of that certificate. */
const pending = ({ key }: IdentityFiles, serial: string): string => `${key}.${serial}.next`;
const PENDING = /^\.[0-9a-f]+\.next$/;

/**
 * The key for the renewal of the certificate with that serial number. It is on the disk before anybody is asked: where
 * the answer gets lost, or the power, the same one is asked for again, and the same certificate comes back.
 * @returns PEM, a secret: overwrite it
 * @throws IDENTITY_FILE
 */
export async function keyFor(files: IdentityFiles, serial: string, make: () => Promise<Buffer>): Promise<Buffer> {
  const path = pending(files, serial);
  const kept = await readFile(path).catch(() => undefined);
  if (kept !== undefined && isKey(kept)) return kept;
  const key = await make();
  try {
    await write(path, key);
    await syncFolder(path);
  } catch (cause) {
    key.fill(0);
    throw notWritable(files.key, cause);
  }
  return key;
}

/** Another key is asked for the next time. @throws IDENTITY_FILE */
export async function discardKey(files: IdentityFiles, serial: string): Promise<void> {
  try {
    await rm(pending(files, serial), { force: true });
  } catch (cause) {
    throw notWritable(files.key, cause);
  }
}

/**
 * Replaces certificate and key, which `keyFor` gave. The certificate is written beside the old one first, and then both
 * take their places: where a loss of power comes between the two, `settleFiles` ends it.
 * @throws IDENTITY_FILE; what was begun is ended, or taken back, by `settleFiles`
 */
export async function keepFiles(
  files: IdentityFiles,
  serial: string,
  { key, certificate }: { readonly key: Uint8Array; readonly certificate: string },
): Promise<void> {
  // One file for both is one step.
  const both = files.key === files.certificate;
  const bytes = both ? Buffer.concat([key, Buffer.from(certificate)]) : Buffer.from(certificate);
  try {
    await write(next(files.certificate), bytes);
    if (!both) await take(pending(files, serial), files.key);
    await take(next(files.certificate), files.certificate);
    if (both) await rm(pending(files, serial), { force: true });
  } catch (cause) {
    throw notWritable(files.key, cause);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Ends what a loss of power interrupted: the certificate that belongs to the key that is in place takes its own. A key
 * that waits for the renewal of the certificate in place stays; those of others go.
 */
export async function settleFiles(files: IdentityFiles): Promise<void> {
  const both = files.key === files.certificate;
  const waiting = both ? undefined : await readFile(next(files.certificate), 'utf8').catch(() => undefined);
  if (waiting === undefined) await rm(next(files.certificate), { force: true }).catch(() => undefined);
  else {
    const belongs = await belongsTo(waiting, files.key);
    try {
      if (belongs) await take(next(files.certificate), files.certificate);
      else await rm(next(files.certificate), { force: true });
    } catch (cause) {
      throw notWritable(files.certificate, cause);
    }
  }
  await sweep(files).catch(() => undefined);
}

/** Takes away the keys that wait for renewals of certificates that are not in place any more. */
async function sweep(files: IdentityFiles): Promise<void> {
  const text = await readFile(files.certificate, 'utf8');
  const [leaf] = parsePem(text).filter(({ label }) => label === 'CERTIFICATE');
  if (leaf === undefined) return;
  const own = basename(pending(files, parseCertificate(leaf.bytes).serial));
  const [folder, name] = [dirname(files.key), basename(files.key)];
  for (const one of await readdir(folder)) {
    if (one === own || !one.startsWith(name) || !PENDING.test(one.slice(name.length))) continue;
    await rm(join(folder, one), { force: true });
  }
}

/** One that was torn by a loss of power is none. */
function isKey(pem: Buffer): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
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
async function take(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(to);
}

async function syncFolder(path: string): Promise<void> {
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
