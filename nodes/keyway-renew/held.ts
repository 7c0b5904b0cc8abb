import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Certificate, parseCertificate, parsePem } from '../../lib/pki/index.ts';
import { createHandle } from '../../lib/vault/index.ts';
import { fail as failField } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { fail as failIdentity } from '../shared/identity-errors.ts';
import type { Identity } from '../shared/identity-shape.ts';
import type { Job } from '../shared/jobs.ts';
import { withSecrets } from '../shared/secrets.ts';
import { fail } from '../shared/trust-errors.ts';
import type { RenewConfig } from './config.ts';
import { discardKey, filesOf, keepFiles, keyFor, settleFiles } from './files.ts';
import { PendingKeys } from './pending.ts';
import { makeKey, type OwnIdentity, type Renewed } from './renewing.ts';

/** Type of the node, as handles know it. */
const NODE_TYPE = 'keyway-renew';
/** Of identities in messages: they outlast a deploy, as the keys behind handles do. */
const pending = new PendingKeys(1000);

/** An identity that may be renewed: what is known of it, and the ways to use and to replace it. */
export interface Held {
  readonly serial: string;
  readonly commonName: string;
  /** ms since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Lends the key for as long as `work` runs. */
  use<T>(work: (own: OwnIdentity) => Promise<T>): Promise<T>;
  /** The key to ask for: the one that was asked for before, where its answer has not come. Overwrite it. */
  newKey(): Promise<Buffer>;
  /** Puts the new one where the old one was. */
  keep(renewed: Renewed): Promise<void>;
  /** Asks for another key the next time. */
  discard(key: Buffer): Promise<void>;
}

type Facts = Pick<Held, 'serial' | 'commonName' | 'notBefore' | 'notAfter'>;

/** The identity of the message. @throws NO_IDENTITY, BAD_FIELD, HANDLE_* */
export async function holdMessage(config: RenewConfig, job: Job, fields: Fields<RenewConfig>): Promise<Held> {
  const identity = (await fields.value('identity')) as Partial<Identity> | undefined;
  const { key: handle, certificate, chain, ca } = identity ?? {};
  if (typeof handle !== 'string' || typeof certificate !== 'string' || typeof ca !== 'string') {
    throw failIdentity('NO_IDENTITY', 'There is no identity with a key behind a handle in the message.', {
      hint: 'Put a mint node in front, or point the field at an identity as it gives one.',
      detail: { field: 'identity' },
    });
  }
  const minutes = await fields.number('lifetime', { min: 1, max: 35_000, blank: 60 });
  const redeemableBy = config.redeemer.split(/[\s,]+/).filter((type) => type !== '');
  if (redeemableBy.length === 0) {
    throw failField('BAD_FIELD', 'The field "redeemer" names no node type that may use the key.', {
      hint: 'Open the node and name at least one.',
      detail: { field: 'redeemer' },
    });
  }
  const { der, ...facts } = factsOf(certificate);
  // The certificate, not its serial number alone: only who holds its key comes to the new one.
  const name = hash('sha256', der, 'hex');
  const [, namespace = ''] = /^(.+):[0-9a-f]{12}$/.exec(facts.commonName) ?? [];
  return {
    ...facts,
    use: async (work) =>
      // The old key stays where it is: it is good until the new certificate is used.
      await withSecrets(
        [handle],
        { nodeType: NODE_TYPE, job: job.id, ...(namespace === '' ? {} : { namespace }) },
        ({ bytesOf }) =>
          work({ certificate: chain ?? certificate, key: bytesOf(handle), ca, commonName: facts.commonName }),
        { returned: true },
      ),
    newKey: async () => await pending.of(name, minutes * 60_000, makeKey),
    discard: async (key) => pending.drop(name, key),
    keep: async ({ certificate: issued, key }) => {
      const terms = {
        kind: 'private-key',
        ...(namespace === '' ? {} : { namespace }),
        redeemableBy,
        expiresInMs: minutes * 60_000,
        label: facts.commonName,
      };
      const { serial, notBefore, notAfter, pem, chain: whole } = issued;
      const fresh = {
        ...identity,
        serial,
        // It goes live when it is first used.
        state: 'pending',
        notBefore: new Date(notBefore).toISOString(),
        notAfter: new Date(notAfter).toISOString(),
        certificate: pem,
        chain: whole,
        key: createHandle(Buffer.from(key), terms),
      };
      (job.msg as { identity?: unknown }).identity = fresh;
      pending.drop(name, key);
    },
  };
}

/** The gateway's own. @throws IDENTITY_FILE, BAD_FIELD */
export async function holdFiles(config: RenewConfig): Promise<Held> {
  const files = filesOf(config);
  await settleFiles(files);
  const [certificate, ca] = await Promise.all([textOf(files.certificate), textOf(files.ca)]);
  const { der: _, ...facts } = factsOf(certificate, files.certificate);
  const { serial } = facts;
  return {
    ...facts,
    use: async (work) => {
      const key = await readFile(files.key).catch((cause: unknown) => Promise.reject(unreadable(files.key, cause)));
      try {
        return await work({ certificate, key, ca, commonName: facts.commonName });
      } finally {
        key.fill(0);
      }
    },
    newKey: async () => await keyFor(files, serial, makeKey),
    discard: async () => await discardKey(files, serial),
    keep: async ({ certificate: issued, key }) => await keepFiles(files, serial, { key, certificate: issued.chain }),
  };
}

function factsOf(pem: string, path?: string): Facts & { readonly der: Uint8Array } {
  let leaf: Certificate | undefined;
  try {
    const [first] = parsePem(pem).filter(({ label }) => label === 'CERTIFICATE');
    leaf = first === undefined ? undefined : parseCertificate(first.bytes);
  } catch (cause) {
    if (path !== undefined) throw unreadable(path, cause);
    throw cause;
  }
  if (leaf === undefined || leaf.commonName === null) {
    const what = path === undefined ? 'The identity in the message' : `The file ${path}`;
    throw fail('IDENTITY_FILE', `${what} holds no certificate with a common name.`, {
      hint: 'Give the certificate with its intermediates, PEM, the own one first.',
      detail: { field: path === undefined ? 'identity' : 'certificateFile' },
    });
  }
  const { serial, commonName, notBefore, notAfter, der } = leaf;
  return { serial, commonName, notBefore, notAfter, der };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): Error {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return fail('IDENTITY_FILE', `The file ${path} cannot be read${code === undefined ? '' : `: ${String(code)}`}.`, {
    hint: 'Correct the path, or the rights of the file.',
    detail: { field: 'file', value: path },
    cause,
  });
}
