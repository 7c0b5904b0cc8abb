import { normaliseMac } from '../../lib/pki/index.ts';
import {
  type By,
  DEVICE_STATES,
  type Device,
  type DeviceChange,
  type DeviceFilter,
  type DeviceState,
  type JsonObject,
  type Registry,
} from '../../lib/registry/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addDevice, byNode, registryById, shownDevice } from '../shared/registry.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { type DeviceConfig, defaults, operations } from './config.ts';
import { find, namedBy } from './find.ts';
import { historyOf } from './history.ts';

/** The registry gives at most so many at once. */
const PAGE = 1000;
const MOST_LISTED = 100_000;

export default function register(RED: Red): void {
  function DeviceNode(this: RedNode, saved: DeviceConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as DeviceConfig;
    onInput<DeviceConfig>({
      red: RED,
      node: this,
      config,
      verb: 'device',
      inOrder: true,
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        const { registry } = await registryById(config.registry).open();
        const work = { red: RED, registry, config, job, fields, by: byNode(this) };
        return await OPERATIONS[operation](work);
      },
    });
  }
  RED.nodes.registerType('keyway-device', DeviceNode);
}

interface Work {
  readonly red: Red;
  readonly registry: Registry;
  readonly config: DeviceConfig;
  readonly job: Job;
  readonly fields: Fields<DeviceConfig>;
  readonly by: By;
}

const OPERATIONS: Record<(typeof operations)[number], (work: Work) => Promise<Outcome>> = {
  add: async (work) => {
    const named = await namedBy(work.fields);
    const reason = await work.fields.text('reason');
    const device = await work.registry.addDevice(
      { ...named, ...(await changeIn(work.fields)), ...(reason === undefined ? {} : { reason }) },
      work.by,
    );
    return told(work, 'device/added', device);
  },
  get: async (work) => told(work, 'device/found', await find(work.registry, await namedBy(work.fields))),
  list,
  update: async (work) => {
    const named = await namedBy(work.fields);
    const device = await find(work.registry, named);
    const { mac, serial, name } = named;
    // What the message has no word of stays as it is; a MAC that is looked for by is the device's own.
    const own = { ...(serial === null ? {} : { serial }), ...(name === null ? {} : { name }), ...(mac && { mac }) };
    const change = { ...own, ...(await changeIn(work.fields)) };
    return told(work, 'device/updated', await work.registry.updateDevice(device.id, change, work.by));
  },
  import: importAll,
  retire: (work) => move(work, 'device/retired', 'retired'),
  restore: (work) => move(work, 'device/restored', 'registered'),
  online: (work) => move(work, 'device/online', 'online'),
  offline: (work) => move(work, 'device/offline', 'offline'),
  history,
};

async function move(work: Work, topic: string, to: DeviceState): Promise<Outcome> {
  const device = await find(work.registry, await namedBy(work.fields));
  const reason = (await work.fields.text('reason')) ?? null;
  const from: readonly DeviceState[] = to === 'registered' ? ['retired', 'registered'] : DEVICE_STATES;
  return told(work, topic, await work.registry.setState(device.id, to, { reason, from, by: work.by }));
}

/** The result, and the device as it is now in the work piece. */
function told({ job }: Work, topic: string, device: Device): Outcome {
  job.msg.device = addDevice(job.msg.device, device);
  return { topic, payload: shownDevice(device), status: device.state };
}

/** Profile, labels and attributes, where the fields say any. @throws BAD_FIELD */
async function changeIn(fields: Fields<DeviceConfig>): Promise<DeviceChange> {
  const profile = await fields.text('profile');
  const labels = await fields.words('labels');
  const attributes = await fields.value('attributes');
  if (attributes !== undefined && attributes !== null && attributes !== '') {
    if (typeof attributes !== 'object' || Array.isArray(attributes)) {
      throw fail('BAD_FIELD', 'The field "attributes" must be an object.', {
        hint: 'Give names and values: { "site": "north" }.',
        detail: { field: 'attributes' },
      });
    }
  }
  return {
    ...(profile === undefined ? {} : { profile }),
    ...(labels.length === 0 ? {} : { labels }),
    ...(attributes ? { attributes: attributes as JsonObject } : {}),
  };
}

async function list({ red, registry, job, fields }: Work): Promise<Outcome> {
  const [namespace, profile, search] = [
    await fields.text('namespace'),
    await fields.text('profile'),
    await fields.text('search'),
  ];
  const [label] = await fields.words('labels');
  const states = (await fields.words('states')) as DeviceState[];
  const limit = await fields.number('limit', { min: 1, max: MOST_LISTED, blank: PAGE });
  const filter: DeviceFilter = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(profile === undefined ? {} : { profile }),
    ...(label === undefined ? {} : { label }),
    ...(search === undefined ? {} : { search }),
    ...(states.length === 0 ? {} : { states }),
  };
  const devices: Device[] = [];
  let next = (await fields.text('after')) ?? null;
  do {
    job.signal.throwIfAborted();
    const wanted = Math.min(PAGE, limit - devices.length);
    const page = await registry.devices(filter, { limit: wanted, ...(next === null ? {} : { after: next }) });
    devices.push(...page.items);
    next = page.next;
  } while (next !== null && devices.length < limit);
  (job.msg as { next?: string | null }).next = next;
  return { topic: 'device/list', payload: devices.map(shownDevice), status: count(red, devices.length) };
}

async function history({ red, registry, job, fields }: Work): Promise<Outcome> {
  const entries = await historyOf(registry, {
    namespace: await fields.text('namespace'),
    mac: await fields.text('mac'),
    limit: await fields.number('limit', { min: 1, max: MOST_LISTED, blank: PAGE }),
    signal: job.signal,
  });
  const status = red._('keyway-device.status.entries', { count: String(entries.length) });
  return { topic: 'device/history', payload: entries, status };
}

async function importAll({ red, registry, config, fields, by }: Work): Promise<Outcome> {
  const source = await fields.value('source');
  const text = source instanceof Uint8Array ? new TextDecoder().decode(source) : source;
  if (typeof text !== 'string' && !Array.isArray(text)) {
    throw fail('BAD_FIELD', 'The field "source" must be a CSV or JSON text, or a list of devices.', {
      hint: 'Read the file with a file-in node, as a single text.',
      detail: { field: 'source' },
    });
  }
  const dryRun = await fields.boolean('dryRun');
  const namespace = await fields.text('namespace');
  const report = await registry.importDevices(text, {
    dryRun,
    skipBad: config.skipBad,
    normaliseMac,
    by,
    ...(namespace === undefined ? {} : { namespace }),
  });
  return { topic: dryRun ? 'device/dry-run' : 'device/imported', payload: report, status: count(red, report.added) };
}

function count(red: Red, devices: number): string {
  return red._('keyway-device.status.devices', { count: String(devices) });
}
