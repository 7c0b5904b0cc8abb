import { readFile } from 'node:fs/promises';
import {
  buildImage,
  checkImage,
  decodeOtadata,
  demoImageSet,
  looksLikeNvs,
  recogniseRegion,
  tryDecodeTable,
} from '../../lib/esp/index.ts';
import { nodeSha256 } from '../../lib/esp/node.ts';
import { asBuffer } from '../shared/bytes.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type ImageConfig, migrations, operations } from './config.ts';
import { buildNvsImage, listNvsImage } from './nvs.ts';

export default function register(RED: Red): void {
  function ImageNode(this: RedNode, saved: ImageConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as ImageConfig;
    onInput<ImageConfig>({
      red: RED,
      node: this,
      config,
      verb: 'image',
      inOrder: true,
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        if (operation === 'build') return await build(config, job.msg, fields);
        const work = { red: RED, node: this, config, job, fields };
        if (operation === 'nvs' && config.nvsAction === 'build') return await buildNvsImage(work);
        const bytes = await bytesOf(await fields.value('source'));
        return operation === 'nvs' ? await listNvsImage(work, bytes) : inspect(bytes);
      },
    });
  }
  RED.nodes.registerType('keyway-image', ImageNode);
}

async function build(config: ImageConfig, msg: Message, fields: Fields<ImageConfig>): Promise<Outcome> {
  const chip = (await fields.text('chip')) ?? 'ESP32-C3';
  const project = (await fields.text('project')) ?? 'demo';
  const version = (await fields.text('imageVersion')) ?? '1.0.0';
  const size = await fields.number('size', { max: 16 * 1024 * 1024, blank: 0 });
  const looksFor = config.identity === 'none' ? {} : { identity: { layout: config.identity } };
  const wished = { ...(size === 0 ? {} : { size }), ...looksFor };
  if (config.what !== 'set') {
    const rest = config.what === 'app' ? { project, version, ...wished } : size === 0 ? {} : { size };
    const bytes = buildImage({ kind: config.what, chip, ...rest });
    return { topic: 'image/built', payload: asBuffer(bytes), status: kilobytes(bytes.length) };
  }
  const set = demoImageSet(chip, 'factory', { project, version, ...wished });
  msg.images = { ...set, regions: set.regions.map((region) => ({ ...region, data: asBuffer(region.data) })) };
  const regions = set.regions.map(({ name, kind, offset, data }) => ({ name, kind, offset, size: data.length }));
  const { regions: _bytes, ...facts } = set;
  const bytes = regions.reduce((sum, region) => sum + region.size, 0);
  return { topic: 'image/built', payload: { ...facts, regions }, status: kilobytes(bytes) };
}

/** What the bytes are: an image, a partition table, OTA data. NVS is listed by an operation of its own. */
function inspect(bytes: Uint8Array): Outcome {
  const topic = 'image/inspected';
  const table = tryDecodeTable(bytes);
  if (table !== null) {
    return { topic, payload: { ok: true, kind: 'partition-table', partitions: table }, status: 'partition table' };
  }
  if (recogniseRegion(0, bytes) === 'otadata') {
    return { topic, payload: { ok: true, kind: 'otadata', otadata: decodeOtadata(bytes) }, status: 'OTA data' };
  }
  if (looksLikeNvs(bytes)) return { topic, payload: { ok: true, kind: 'nvs', size: bytes.length }, status: 'NVS' };
  const verdict = checkImage(bytes, { hash: nodeSha256 });
  const name = verdict.image?.app?.project ?? verdict.image?.kind ?? 'no image';
  const kind = verdict.image?.kind ?? 'unknown';
  return { topic, payload: { kind, ...verdict }, status: verdict.ok ? name : 'not sound' };
}

async function bytesOf(source: unknown): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (typeof source === 'string' && source.trim() !== '')
    return await readFile(source.trim()).catch(refuseFile(source));
  throw fail('BAD_FIELD', 'The field "source" must be a Buffer or the path of a file.', {
    hint: 'Point it at the bytes of an image, for instance the payload of a file in node that reads a Buffer.',
    detail: { field: 'source' },
  });
}

function refuseFile(path: string): (cause: unknown) => never {
  return (cause) => {
    throw fail('FILE_UNREADABLE', `The file ${path} cannot be read.`, {
      hint: 'Check the path, and whether Node-RED may read it.',
      cause,
      detail: { field: 'source', value: path },
    });
  };
}

function kilobytes(bytes: number): string {
  return `ok · ${Math.ceil(bytes / 1000)} kB`;
}
