import { join } from 'node:path';
import { isKeywayError } from '../../errors/index.ts';
import { takeEnvironmentSecret } from '../environment.ts';
import { fail } from '../errors.ts';
import { readKeyFile } from './files.ts';
import { type MasterKey, readKeyText } from './key.ts';

/** Where the key of a keystore is: a variable of the environment, a credential of systemd, or a file of mode 0600. */
export type KeystoreSource =
  | { readonly environment: string }
  | { readonly credential: string }
  | { readonly file: string };

/** @throws KEYSTORE_KEY_MISSING, KEYSTORE_KEY_BAD, KEYSTORE_PERMISSIONS, KEYSTORE_FILE */
export async function loadKey(source: KeystoreSource): Promise<MasterKey> {
  if ('environment' in source) return fromEnvironment(source.environment);
  if ('credential' in source) return await fromCredential(source.credential);
  return readKeyText(await readKeyFile(source.file, true), `the file ${source.file}`);
}

function fromEnvironment(name: string): MasterKey {
  let text: Buffer;
  try {
    text = takeEnvironmentSecret(name);
  } catch (error) {
    if (!isKeywayError(error, 'SECRET_MISSING')) throw error;
    throw fail('KEYSTORE_KEY_MISSING', `The environment variable ${name} with the key of the keystore is not set.`, {
      hint: `Make a key with \`openssl rand -hex 32\`, keep a copy of it, and start this with ${name} set to it.`,
      detail: { field: 'source', value: name },
      cause: error,
    });
  }
  return readKeyText(text, `the environment variable ${name}`);
}

/** systemd.exec(5), CREDENTIALS: the service sees them as files of a folder of its own. */
async function fromCredential(name: string): Promise<MasterKey> {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  const missing = (cause?: unknown): Error =>
    fail('KEYSTORE_KEY_MISSING', `systemd gives this service no credential "${name}".`, {
      hint: `Make one with \`openssl rand -hex 32 | systemd-creds encrypt --name=${name} - FILE\`, and name it in the unit: LoadCredentialEncrypted=${name}:FILE`,
      detail: { field: 'source', value: name },
      ...(cause === undefined ? {} : { cause }),
    });
  if (folder === undefined || folder === '' || !/^[A-Za-z0-9._-]{1,255}$/.test(name) || /^\.{1,2}$/.test(name)) {
    throw missing();
  }
  try {
    return readKeyText(await readKeyFile(join(folder, name), false), `the credential ${name}`);
  } catch (error) {
    throw isKeywayError(error, 'KEYSTORE_KEY_MISSING') ? missing(error) : error;
  }
}
