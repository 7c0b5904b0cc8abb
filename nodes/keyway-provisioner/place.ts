import { createHash } from 'node:crypto';
import { isAbsolute, resolve } from 'node:path';
import type { ProvisionerMode } from '../../lib/osdp/index.ts';
import type { KeystoreSource } from '../../lib/vault/index.ts';
import { fail } from '../shared/errors.ts';
import type { ProvisionerConfig } from './config.ts';

/** What names of environment variables look like; ${NAME} was replaced by its value, which is the key, by now. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Where an embedded provisioner keeps its things, and how it is made. */
export interface Place {
  readonly store: string;
  readonly socket: string;
  readonly listen: readonly string[];
  readonly modes: readonly ProvisionerMode[];
  readonly slots: number;
}

/** @throws BAD_FIELD */
export function placeOf(config: ProvisionerConfig, userDir: unknown): Place {
  // Ids of nodes may have any characters; the path of a socket must be short.
  const short = createHash('sha256').update(config.id).digest('hex').slice(0, 12);
  const slots = Number(String(config.slots).trim() || '8');
  if (!Number.isInteger(slots) || slots < 1 || slots > 64) {
    throw fail('BAD_FIELD', `The field "slots" of the provisioner must be from 1 to 64; it is "${config.slots}".`, {
      hint: 'Open the provisioner and correct it.',
      detail: { field: 'slots', value: config.slots },
    });
  }
  const store = typed(config.store, `provisioner-${short}`, userDir, 'store');
  return {
    store,
    socket: typed('', `run/${short}.sock`, userDir, 'store'),
    listen: String(config.listen)
      .split(/[\s,;]+/)
      .filter((way) => way !== ''),
    modes: config.modes === 'live' ? ['live'] : config.modes === 'offline' ? ['offline'] : ['live', 'offline'],
    slots,
  };
}

/** Where the key lies. @throws BAD_FIELD */
export function keySourceOf(
  config: Pick<ProvisionerConfig, 'keySource' | 'keyFile' | 'keyVariable' | 'keyCredential'>,
  userDir: unknown,
): KeystoreSource {
  if (config.keySource === 'credential') return { credential: config.keyCredential.trim() };
  if (config.keySource !== 'environment') return { file: typed(config.keyFile, 'provisioner.key', userDir, 'keyFile') };
  const environment = config.keyVariable.trim();
  if (VARIABLE.test(environment)) return { environment };
  // What the field holds is not told: it may be the key.
  throw fail('BAD_FIELD', 'The field "keyVariable" holds no name of an environment variable.', {
    hint: 'Type the name alone, without $ and braces.',
    detail: { field: 'keyVariable' },
  });
}

/** Where this Node-RED keeps the certificate that it shows to provisioners elsewhere. @throws BAD_FIELD */
export function identityFile(userDir: unknown): string {
  return typed('', 'provisioner-host.json', userDir, 'store');
}

/** A whole path as it is; a name below the folder `keyway` of the user folder. @throws BAD_FIELD */
function typed(name: string, otherwise: string, userDir: unknown, field: string): string {
  const path = String(name).trim();
  if (isAbsolute(path)) return resolve(path);
  if (typeof userDir === 'string' && userDir !== '') return resolve(userDir, 'keyway', path === '' ? otherwise : path);
  throw fail('BAD_FIELD', 'Node-RED names no user folder that the provisioner could keep its things in.', {
    hint: 'Type whole paths for the folder and the key file.',
    detail: { field },
  });
}
