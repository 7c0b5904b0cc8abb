import { checkAddress, checkBaudRate, type DiscoverOptions, type Discovery } from '../../lib/osdp/index.ts';
import { audit } from '../shared/audit.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { busById } from '../shared/osdp-bus.ts';
import { nobodyFound } from '../shared/osdp-errors.ts';
import { addReader, foundFacts, withBus } from '../shared/osdp-job.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { type DiscoverConfig, defaults, probes } from './config.ts';

export default function register(RED: Red): void {
  function DiscoverNode(this: RedNode, saved: DiscoverConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as DiscoverConfig;
    onInput<DiscoverConfig>({
      red: RED,
      node: this,
      config,
      outputs: 2,
      progressOutput: 1,
      verb: 'discover',
      run: async (job, fields) => {
        const { mode } = busById(config.bus).settings;
        const options = { mode, ...(await optionsOf(fields)) };
        const { readers, disturbed, presenceMs, searchMs } = await withBus(
          RED,
          this,
          config,
          job,
          async (panel, bus) => {
            if (options.force) audit(RED, this, 'osdp.force', { bus: bus.settings.name });
            const keys = (options.probeSecurity ?? mode === 'single') ? bus.keys() : undefined;
            try {
              return await discover(panel, { ...options, ...(keys === undefined ? {} : { keys: keys.list }) }, job);
            } finally {
              keys?.wipe();
            }
          },
        );
        const found = readers.map(foundFacts);
        if (found.length === 0) throw nobodyFound(options.baudRates, options.addresses, disturbed);
        if (found.length === 1) addReader(job.msg, found[0] ?? {});
        return {
          topic: 'discover/done',
          payload: { mode, readers: found, disturbed, presenceMs, searchMs },
          status: RED._('keyway-osdp-discover.status.found', { count: String(found.length) }),
        };
      },
    });
  }
  RED.nodes.registerType('keyway-osdp-discover', DiscoverNode);
}

type Asked = Omit<DiscoverOptions, 'mode' | 'keys' | 'onProgress' | 'signal'>;

/** @throws BAD_FIELD, BAD_OSDP_ADDRESS, BAD_OSDP_BAUD */
async function optionsOf(fields: Fields<DiscoverConfig>): Promise<Asked> {
  const addresses = await numbers(fields, 'addresses');
  const baudRates = await numbers(fields, 'baudRates');
  for (const address of addresses) checkAddress(address, 'addresses');
  for (const baudRate of baudRates) checkBaudRate(baudRate, 'baudRates');
  const probe = await fields.choice('probe', probes);
  return {
    listenMs: await fields.seconds('listen'),
    force: await fields.boolean('force'),
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(baudRates.length === 0 ? {} : { baudRates }),
    ...(probe === 'auto' ? {} : { probeSecurity: probe === 'yes' }),
  };
}

/** "0, 5, 10-20" */
async function numbers(fields: Fields<DiscoverConfig>, field: 'addresses' | 'baudRates'): Promise<number[]> {
  return (await fields.words(field)).flatMap((word) => {
    const [, from, to = from] = /^(\d{1,6})(?:-(\d{1,3}))?$/.exec(word) ?? [];
    if (from === undefined || Number(to) < Number(from)) {
      throw fail('BAD_FIELD', `The field "${field}" holds "${word}", which is no number.`, {
        hint: 'Write numbers with commas between, or a range like 0-15 for addresses.',
        detail: { field, value: word },
      });
    }
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_unused, i) => Number(from) + i);
  });
}

async function discover(
  panel: { discover(options: DiscoverOptions): Promise<Discovery> },
  options: DiscoverOptions,
  job: Job,
): Promise<Discovery> {
  let present = 0;
  return await panel.discover({
    ...options,
    signal: job.signal,
    onProgress: ({ phase, done, total, baudRate, address, present: answered }) => {
      if (answered === true) present++;
      const place = { baudRate, ...(address === undefined ? {} : { address }) };
      job.progress({ phase, done, total, unit: 'places', rate: null, secondsLeft: null, ...place, found: present });
    },
  });
}
