import { type ChipSession, connectChip, defaultTiming, resetIntoFirmware } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import type { Lease } from '../shared/broker.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addChip, withPort } from '../shared/port-job.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { type ChipConfig, defaults, migrations, operations } from './config.ts';
import { readGuarded } from './guarded.ts';
import { type NvsReading, nvsWish, readNvs } from './nvs.ts';

const SECTOR = 4096;

export default function register(RED: Red): void {
  function ChipNode(this: RedNode, saved: ChipConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as ChipConfig;
    onInput<ChipConfig>({
      red: RED,
      node: this,
      config,
      outputs: 2,
      progressOutput: 1,
      verb: 'chip',
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        const range = operation === 'read' || operation === 'erase' ? await rangeOf(config, operation, fields) : null;
        const wish = operation === 'nvs' ? await nvsWish(fields) : null;
        const baudRate = await fields.number('baudRate', { min: 300, max: 20_000_000, blank: 460_800 });
        return await withPort(RED, this, config, job, async (lease, target) => {
          if (operation === 'reset') return await reset(RED, lease);
          const session = await connect(RED, job, lease);
          try {
            job.msg.device = addChip(job.msg.device, session.facts, target.name);
            lease.setDevice(job.msg.device);
            const outcome =
              wish === null
                ? await work(operation, session, { red: RED, node: this, job, range, baudRate, raw: config.raw })
                : await listNvs(session, { red: RED, node: this, job, wish, raw: config.raw }, baudRate);
            if (config.resetAfter) {
              lease.readAlong();
              await session.reset();
            }
            return outcome;
          } finally {
            await session.close();
          }
        });
      },
    });
  }
  RED.nodes.registerType('keyway-chip', ChipNode);
}

/** A part of the flash; a size of null reaches to its end. */
interface FlashRange {
  offset: number;
  size: number | null;
}

interface Work {
  red: Red;
  node: RedNode;
  job: Job;
  range: FlashRange | null;
  baudRate: number;
  /** Whether bytes of NVS are told too. */
  raw: boolean;
}

async function rangeOf(
  config: ChipConfig,
  operation: 'read' | 'erase',
  fields: Fields<ChipConfig>,
): Promise<FlashRange> {
  if (config.whole) return { offset: 0, size: null };
  const align = operation === 'erase' ? SECTOR : 1;
  const offset = await fields.number('offset', { blank: 0 });
  const size = await fields.number('size', { blank: 0 });
  if (size === 0 && operation === 'erase') {
    throw fail('NO_RANGE', 'The erase names neither a size nor the whole flash.', {
      hint: 'Fill in the size, or tick the whole flash.',
      detail: { field: 'size' },
    });
  }
  for (const [field, value] of Object.entries({ offset, size })) {
    if (value % align === 0) continue;
    throw fail('BAD_FIELD', `The field "${field}" must be a multiple of ${align}; it is ${value}.`, {
      hint: 'Flash is erased in sectors of 4096 bytes (0x1000).',
      detail: { field, value },
    });
  }
  return { offset, size: size === 0 ? null : size };
}

function connect(RED: Red, job: Job, lease: Lease): Promise<ChipSession> {
  return connectChip(lease.link, {
    platform: nodePlatform,
    signal: job.signal,
    onProgress: (progress) => job.progress(progress),
    onWaiting: () => job.waiting(RED._('keyway.status.boot')),
  });
}

async function reset(RED: Red, lease: Lease): Promise<Outcome> {
  lease.readAlong();
  const restarted = await resetIntoFirmware(lease.link, defaultTiming);
  return {
    topic: 'chip/reset',
    payload: { restarted },
    ...(restarted ? {} : { status: RED._('keyway-chip.status.tap') }),
  };
}

async function work(operation: (typeof operations)[number], session: ChipSession, work: Work): Promise<Outcome> {
  const { facts } = session;
  if (operation === 'detect') return { topic: 'chip/detected', payload: facts, status: facts.name };
  const { job, baudRate } = work;
  const options = { signal: job.signal, onProgress: job.progress };
  const { offset, size } = within(work.range ?? { offset: 0, size: null }, facts.flash?.size ?? null);
  await session.startStub(options);
  await session.setBaudRate(baudRate, options);
  if (operation === 'read') {
    const { red, node, raw } = work;
    const read = (from: number, bytes: number): Promise<Uint8Array> => session.readFlash(from, bytes, options);
    const payload = await readGuarded({ red, node, job, mac: facts.mac, offset, size, raw, read });
    return { topic: 'chip/read', payload, status: `ok · ${job.seconds().toFixed(1)} s` };
  }
  if (work.range?.size === null) await session.eraseAll(options);
  else await session.eraseRange(offset, size, options);
  return { topic: 'chip/erased', payload: { offset, size }, status: `ok · ${job.seconds().toFixed(1)} s` };
}

async function listNvs(session: ChipSession, reading: NvsReading, baudRate: number): Promise<Outcome> {
  const options = { signal: reading.job.signal, onProgress: reading.job.progress };
  await session.startStub(options);
  await session.setBaudRate(baudRate, options);
  return await readNvs(session, reading);
}

/** The range in bytes, once the flash's size is known. @throws BAD_FIELD, NO_RANGE */
function within(range: FlashRange, flashSize: number | null): { offset: number; size: number } {
  const { offset } = range;
  if (range.size === null && flashSize === null) {
    throw fail('NO_RANGE', 'The chip does not say how large its flash is.', {
      hint: 'Fill in a size.',
      detail: { field: 'size' },
    });
  }
  const size = range.size ?? (flashSize ?? 0) - offset;
  if (size > 0 && (flashSize === null || offset + size <= flashSize)) return { offset, size };
  throw fail(
    'BAD_FIELD',
    `The range from ${offset} with ${size} bytes does not lie in the flash of ${flashSize} bytes.`,
    {
      hint: 'Correct offset and size.',
      detail: { field: 'size', offset, size, flashSize },
    },
  );
}
