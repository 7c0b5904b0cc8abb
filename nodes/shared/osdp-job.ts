import type { FoundReader, Identity, Panel } from '../../lib/osdp/index.ts';
import { asBuffer } from './bytes.ts';
import type { Job } from './jobs.ts';
import { busById, type OsdpBus } from './osdp-bus.ts';
import type { Message, Red, RedNode } from './types.ts';

/** What is known of the reader in hand: `msg.reader`. Nodes add to it, none takes away. */
export interface ReaderFacts {
  address?: number;
  /** Baud. */
  baudRate?: number;
  /** OUI, six hex digits. */
  vendor?: string;
  model?: number;
  version?: number;
  serial?: number;
  /** "1.0.3" */
  firmware?: string;
  [key: string]: unknown;
}

/** Who a reader says it is, as messages carry it. */
export function facts(identity: Identity): ReaderFacts {
  const { oui, model, version, serial, firmwareText } = identity;
  return { vendor: oui, model, version, serial, firmware: firmwareText };
}

/** A reader that was found, as messages carry it. */
export function foundFacts(reader: FoundReader): ReaderFacts {
  const { address, baudRate, check, identity, capabilities, security, secureOnly, replyMs } = reader;
  return {
    ...(address === undefined ? {} : { address }),
    baudRate,
    ...(identity === undefined ? {} : facts(identity)),
    check,
    security: security.state,
    ...(security.state === 'known-key' ? { keyOf: security.key } : {}),
    secureOnly,
    replyMs: Math.round(replyMs * 10) / 10,
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

export function readerOf(msg: Message): ReaderFacts {
  const { reader } = msg as { reader?: unknown };
  return typeof reader === 'object' && reader !== null ? (reader as ReaderFacts) : {};
}

export function addReader(msg: Message, known: ReaderFacts): void {
  (msg as { reader?: ReaderFacts }).reader = { ...readerOf(msg), ...known };
}

/** Does a job's work on the bus that its node names. Waiting for it does not count against the timeout. */
export async function withBus<T>(
  red: Red,
  node: RedNode,
  config: { bus: string; whenBusy: 'queue' | 'refuse' },
  job: Job,
  work: (panel: Panel, bus: OsdpBus) => Promise<T>,
): Promise<T> {
  const bus = busById(config.bus);
  const owner = `${node.name || node.type} (${bus.settings.name})`;
  const onWaiting = (): void => job.waiting(red._('keyway.status.queuedBus'));
  const turn = { owner, wait: config.whenBusy !== 'refuse', signal: job.signal, onWaiting };
  return await bus.run(turn, async (panel) => {
    job.begin();
    job.working(red._('keyway.status.working'));
    return await work(panel, bus);
  });
}

/** Fields of a reply as messages carry them: bytes as Buffers. */
export function withBuffers(fields: object): Record<string, unknown> {
  const shown = Object.entries(fields).map(([key, value]) => [
    key,
    value instanceof Uint8Array ? asBuffer(value) : value,
  ]);
  return Object.fromEntries(shown) as Record<string, unknown>;
}
