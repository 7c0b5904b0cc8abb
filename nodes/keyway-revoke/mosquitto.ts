import { cutAtMosquitto, type MosquittoFront } from '../../lib/endpoint/index.ts';
import { codeOf, KeywayError } from '../../lib/errors/index.ts';
import { authorityById } from '../shared/authority.ts';
import type { TrustHold } from '../shared/trust.ts';
import { fail } from '../shared/trust-errors.ts';
import type { RevokeConfig } from './config.ts';
import type { Revoked } from './revoking.ts';

/** What Node-RED keeps for this node beside the flow. */
export interface MosquittoCredentials {
  controlUser: unknown;
  controlPassword: unknown;
}

/** How a mosquitto in front learns of revocations; undefined where the node has none. @throws MOSQUITTO_NOT_SET */
export function frontOf(
  config: RevokeConfig,
  credentials: MosquittoCredentials | undefined,
): MosquittoFront | undefined {
  const [file, pidFile, command, url] = [config.crlFile, config.pidFile, config.command, config.controlUrl].map(
    (text) => text.trim(),
  ) as [string, string, string, string];
  if (file === '' && pidFile === '' && command === '' && url === '') return undefined;
  if (file === '' || (pidFile === '' && command === '')) {
    throw fail('MOSQUITTO_NOT_SET', 'A mosquitto needs the file of its list, and a way to have it read again.', {
      hint: 'Name the CRL file, and its PID file or a command; or leave all of them blank.',
      detail: { field: file === '' ? 'crlFile' : 'pidFile' },
    });
  }
  const [program = '', ...args] = command.split(/\s+/);
  const reload = command === '' ? { pidFile } : { command: program, args };
  if (url === '') return { reload };
  const { controlUser: username, controlPassword: password } = credentials ?? {};
  if (typeof username !== 'string' || username === '' || typeof password !== 'string' || password === '') {
    throw fail('MOSQUITTO_NOT_SET', 'The plugin of mosquitto is named without a user and a password.', {
      hint: 'Open the node and type them: it must be a user with the role admin.',
      detail: { field: 'controlUser' },
    });
  }
  return { reload, control: { url, username, password } };
}

/** Has the broker's file hold the lists of the authority from now on. */
export async function keepList(hold: TrustHold, config: RevokeConfig): Promise<void> {
  const path = config.crlFile.trim();
  const { namespaces } = authorityById(config.authority);
  await hold.keepFile({ path, namespaces: [...namespaces, 'keyway'] });
}

/**
 * Has mosquitto read its list again, and then disconnects the device.
 * @returns whom it disconnected. @throws CRL_FILE_NOT_WRITABLE, MOSQUITTO_NOT_THERE, MOSQUITTO_REFUSED
 */
export async function cutElsewhere(
  front: MosquittoFront,
  now: boolean,
  { namespace, mac }: { namespace: string; mac: string },
  { serials, number, cut, fileProblem }: Revoked,
): Promise<readonly string[]> {
  try {
    if (fileProblem !== undefined) throw fileProblem;
    const { reload } = front;
    return await cutAtMosquitto(now ? front : { reload }, { usernames: [`${namespace}:${mac}`] });
  } catch (error) {
    const { message, hint } = error as Partial<KeywayError>;
    // What was done stays done: the message says how far it came.
    const came = `The device is revoked (${serials.length} certificates, list ${number}); mosquitto does not know it yet.`;
    throw new KeywayError(codeOf(error), `${message ?? String(error)} ${came}`, {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
      detail: { serials, crl: number, cut },
    });
  }
}
