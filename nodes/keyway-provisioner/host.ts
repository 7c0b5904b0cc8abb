import { hostname } from 'node:os';
import { isKeywayError } from '../../lib/errors/index.ts';
import {
  type Cursor,
  type HostOptions,
  type LinkIdentity,
  openLinkIdentity,
  type SharedHost,
  shareHost,
} from '../../lib/osdp/node.ts';
import { type Keystore, type KeystoreSource, makeKeyFile, openKeystore } from '../../lib/vault/index.ts';
import type { ProvisionerConfig } from './config.ts';
import { identityFile, keySourceOf } from './place.ts';

/** Up to where the edges came when a config node was deployed last: nobody is told twice. */
const cursors = new Map<string, Cursor[]>();

/** What provisioners call this Node-RED. */
export function hostName(): string {
  return `Node-RED on ${hostname()}`.slice(0, 64);
}

/** The host of an address, which config nodes that name the same one share. @param id of the config node */
export function shareFor(id: string, address: string, options: HostOptions): SharedHost {
  const { host, release } = shareHost(address, { ...options, after: cursors.get(id) ?? [] });
  return {
    host,
    release: async () => {
      cursors.set(id, host.cursors());
      await release();
    },
  };
}

type KeyFields = Pick<ProvisionerConfig, 'keySource' | 'keyFile' | 'keyVariable' | 'keyCredential'>;

/** Made once, however many config nodes ask for it in the same moment. */
const identities = new Map<string, Promise<LinkIdentity>>();

/** The certificate that this Node-RED shows to provisioners elsewhere; made when there is none. @throws the keystore's, LINK_FILE */
export async function identityOf(config: KeyFields, userDir: unknown): Promise<LinkIdentity> {
  const source = keySourceOf(config, userDir);
  const file = identityFile(userDir);
  const key = JSON.stringify([file, source]);
  const made = identities.get(key) ?? openIdentity(file, source);
  identities.set(key, made);
  // It is read anew each time: somebody may have put another one there.
  const forget = (): void => {
    if (identities.get(key) === made) identities.delete(key);
  };
  made.then(forget, forget);
  return await made;
}

async function openIdentity(file: string, source: KeystoreSource): Promise<LinkIdentity> {
  const keystore = await keystoreFor(source);
  try {
    return await openLinkIdentity(file, hostName(), keystore);
  } finally {
    keystore.close();
  }
}

/** A key file is made when there is none. */
async function keystoreFor(source: KeystoreSource): Promise<Keystore> {
  try {
    return await openKeystore({ source });
  } catch (error) {
    if (!('file' in source) || !isKeywayError(error, 'KEYSTORE_KEY_MISSING')) throw error;
    // Where another one was first, there is one now.
    await makeKeyFile(source.file).catch(() => undefined);
    return await openKeystore({ source });
  }
}
