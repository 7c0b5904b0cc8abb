import { type NvsEncryption, type NvsItem, parseNvs, prepareNvs } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { audit } from '../shared/audit.ts';
import { asBuffer } from '../shared/bytes.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import type { Job, Outcome } from '../shared/jobs.ts';
import { itemsOfRows, itemsOfValue } from '../shared/nvs-items.ts';
import { keyHandleIn, nvsKeysOf } from '../shared/nvs-keys.ts';
import { listingOf } from '../shared/nvs-listing.ts';
import { redeemer, withSecrets } from '../shared/secrets.ts';
import type { Red, RedNode } from '../shared/types.ts';
import type { ImageConfig } from './config.ts';

const TYPE = 'keyway-image';

/** What the node works with. */
export interface NvsWork {
  readonly red: Red;
  readonly node: RedNode;
  readonly config: ImageConfig;
  readonly job: Job;
  readonly fields: Fields<ImageConfig>;
}

/** An NVS image of the node's entries. Secrets in one that is not encrypted: opted in, and written down. */
export async function buildNvsImage({ red, node, config, job, fields }: NvsWork): Promise<Outcome> {
  const size = await fields.number('nvsSize');
  const items =
    config.nvsFrom === 'table'
      ? await itemsOfRows(fields, config.entries)
      : await itemsOfValue(await fields.value('nvsValue'), 'nvsValue');
  const encryption = await encryptionOf(config, fields);
  const secret = items.flatMap(({ handle }) => (handle === undefined ? [] : [handle]));
  const inClear = secret.length > 0 && encryption.scheme === 'none';
  if (inClear && !config.raw) throw refuseRaw();
  const handles = [...secret, ...(encryption.scheme !== 'none' && encryption.handle ? [encryption.handle] : [])];
  const bytes = await withSecrets(handles, redeemer(TYPE, job), async (secrets) => {
    const prepared = prepareNvs(
      { mode: 'replace', items, encryption },
      { size, secrets: secrets.bytesOf, platform: nodePlatform },
    );
    try {
      const built = await prepared.build({ onChip: null, keysOnChip: null });
      if (inClear)
        audit(red, node, 'nvs.built', { job: job.id, kinds: secrets.kinds.join(' '), entries: items.length });
      return built.bytes.slice();
    } finally {
      prepared.wipe();
    }
  });
  return { topic: 'image/nvs-built', payload: asBuffer(bytes), status: count(red, items) };
}

/** What is in an NVS image: without values, unless opted in and written down. */
export async function listNvsImage(work: NvsWork, bytes: Uint8Array): Promise<Outcome> {
  const { red, node, config, job, fields } = work;
  const encryption = await encryptionOf(config, fields);
  const handles = encryption.scheme !== 'none' && encryption.handle ? [encryption.handle] : [];
  const content = await withSecrets(
    handles,
    redeemer(TYPE, job),
    async (secrets) => {
      const [handle] = handles;
      const keys = handle === undefined ? {} : { keys: await nvsKeysOf(secrets.bytesOf(handle)) };
      return await parseNvs(bytes, { platform: nodePlatform, ...keys });
    },
    // Looking uses no key up.
    { returned: true },
  );
  if (config.raw) audit(red, node, 'nvs.read', { job: job.id, entries: content.entries.length });
  return {
    topic: 'image/nvs-listed',
    payload: listingOf(content, config.raw),
    status: count(red, content.entries),
  };
}

/** An image here has no chip to take keys from: both schemes need a handle. @throws BAD_FIELD */
async function encryptionOf(config: ImageConfig, fields: Fields<ImageConfig>): Promise<NvsEncryption> {
  const { nvsScheme: scheme } = config;
  if (scheme === 'none') return { scheme };
  const handle = keyHandleIn(await fields.value('nvsKey'), TYPE);
  if (handle !== undefined) return { scheme, handle };
  throw fail('BAD_FIELD', 'The field "nvsKey" is blank, and the image is encrypted.', {
    hint: `Put a secret node in front that turns the key into a handle for ${TYPE}.`,
    detail: { field: 'nvsKey' },
  });
}

function refuseRaw(): Error {
  return fail('REVEAL_OFF', 'This node may not put secrets into an image.', {
    hint: 'Tick "Allow secrets and values into the message" if that is what you want, encrypt the image, or let a flash plan node take the entries: it leaves secrets in the vault until the chip is flashed.',
    detail: { field: 'raw' },
  });
}

function count(red: Red, entries: readonly (NvsItem | object)[]): string {
  return red._('keyway.status.entries', { count: `${entries.length}` });
}
