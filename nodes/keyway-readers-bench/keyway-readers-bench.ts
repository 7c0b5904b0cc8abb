import { encodeCard26 } from '../../lib/osdp/index.ts';
import type { VirtualReader } from '../../lib/virtual/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addReader } from '../shared/osdp-job.ts';
import { type ReadersBench, readersById } from '../shared/osdp-readers.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { actions, defaults, directions, type ReadersBenchConfig } from './config.ts';

type Action = (typeof actions)[number];

export default function register(RED: Red): void {
  function ReadersBenchNode(this: RedNode, saved: ReadersBenchConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as ReadersBenchConfig;
    onInput<ReadersBenchConfig>({
      red: RED,
      node: this,
      config,
      verb: 'readers',
      inOrder: true,
      run: async (job, fields) => {
        const action = await fields.choice('action', actions);
        const bench = readersById(config.readers);
        const words = { topic: `readers/${action}`, status: RED._(`keyway-readers-bench.done.${action}`) };
        if (action === 'pull-adapter' || action === 'plug-adapter') {
          if (action === 'pull-adapter') bench.bus.pull();
          else if (!bench.bus.isPlugged()) bench.bus.plug(bench.bus.name);
          return { ...words, payload: { action, bus: bench.bus.name, plugged: bench.bus.isPlugged() } };
        }
        const reader = await handled(bench, action, fields);
        const { address, baudRate, isKeyed, isConnected, id } = reader;
        addReader(job.msg, { address });
        const payload = { action, bus: bench.bus.name, address, baudRate, serial: id.serial, keyed: isKeyed };
        return { ...words, payload: { ...payload, connected: isConnected, left: bench.left } };
      },
    });
  }
  RED.nodes.registerType('keyway-readers-bench', ReadersBenchNode);
}

/** The reader that the hand had to do with. @throws BAD_FIELD, NO_VIRTUAL_READER */
async function handled(
  bench: ReadersBench,
  action: Exclude<Action, 'pull-adapter' | 'plug-adapter'>,
  fields: Fields<ReadersBenchConfig>,
): Promise<VirtualReader> {
  if (action === 'next') return bench.plugNext();
  const asked = await fields.number('address', { blank: -1 });
  return await act(bench, bench.reader(asked === -1 ? undefined : asked), action, fields);
}

/** @returns the reader that is there now. @throws BAD_FIELD */
async function act(
  bench: ReadersBench,
  reader: VirtualReader,
  action: Exclude<Action, 'pull-adapter' | 'plug-adapter' | 'next'>,
  fields: Fields<ReadersBenchConfig>,
): Promise<VirtualReader> {
  switch (action) {
    case 'card':
      reader.present(await cardOf(fields));
      return reader;
    case 'keys': {
      const keys = (await fields.text('keys')) ?? '';
      if (!/^[0-9A-D*#]{1,40}$/.test(keys)) throw bad('keys', keys, 'from 1 to 40 of 0-9, A-D, * and #');
      reader.press(keys);
      return reader;
    }
    case 'open':
    case 'shut':
      reader.tamper(action === 'open');
      return reader;
    case 'power':
      reader.powerCycle();
      return reader;
    case 'unplug':
      bench.unplug(reader);
      return reader;
    case 'plug':
      bench.plug(reader);
      return reader;
    case 'swap':
      return bench.swap(reader);
    case 'reset':
      reader.factoryReset();
      return reader;
    case 'busy':
      reader.busy = await times(fields);
      return reader;
    case 'lose':
    case 'damage': {
      const direction = await fields.choice('direction', directions);
      bench.bus.fault({ kind: action, direction, address: reader.address, times: await times(fields) });
      return reader;
    }
  }
}

function times(fields: Fields<ReadersBenchConfig>): Promise<number> {
  return fields.number('times', { blank: 1, min: 1, max: 10_000 });
}

/** @throws BAD_FIELD */
async function cardOf(fields: Fields<ReadersBenchConfig>): Promise<{ bits: number; data: Uint8Array }> {
  const text = (await fields.text('card')) ?? '';
  const [, facility, number] = /^(\d{1,3}):(\d{1,5})$/.exec(text) ?? [];
  if (facility !== undefined && Number(facility) < 256 && Number(number) < 65536) {
    return encodeCard26(Number(facility), Number(number));
  }
  const digits = text.replace(/\s/g, '');
  if (digits === '' || digits.length % 2 === 1 || digits.length > 128 || !/^[0-9a-f]+$/i.test(digits)) {
    throw bad('card', text, 'facility:number like 17:4711, or pairs of hex digits');
  }
  const data = Buffer.from(digits, 'hex');
  return { data, bits: await fields.number('bits', { blank: data.length * 8, min: 1, max: data.length * 8 }) };
}

function bad(field: string, value: string, wanted: string): Error {
  return fail('BAD_FIELD', `The field "${field}" must be ${wanted}; it is "${value.slice(0, 60)}".`, {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field, value },
  });
}
