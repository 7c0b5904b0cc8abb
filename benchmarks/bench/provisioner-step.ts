import { randomBytes } from 'node:crypto';
import { openLink } from '../../lib/link/index.ts';
import { deriveScbk, Panel } from '../../lib/osdp/index.ts';
import { runStep } from '../../lib/osdp/provisioner/engine/index.ts';
import type { PlanTerms } from '../../lib/osdp/provisioner/types.ts';
import { ReaderBus, VirtualReader } from '../../lib/virtual/readers/index.ts';

/** What the readers of all figures take to reply, in ms. */
export const REPLY_MS = 3;

export const terms = (baudRate: number, bus: PlanTerms['bus'] = 'single'): PlanTerms => ({
  name: 'benchmark',
  bus,
  factory: { address: 0, baudRate },
  capabilities: [],
  timeoutMs: 0,
  autoVerify: true,
  autonomous: false,
  armingHours: 8,
});

/** What the wire was busy with and had to wait for, as the bus has seen it, in ms. */
export function floorOf({ wireMs, idleMs, replyMs, switchMs }: ReaderBus['stats']): number {
  return wireMs + idleMs + replyMs + switchMs;
}

let made = 0;

/** One full step of one new reader at a rate: what it took, by what the wire and the reader took. */
export async function stepRatio(baudRate: number): Promise<number> {
  const bus = new ReaderBus({ name: `benchmark-step-${++made}` });
  const seed = randomBytes(16);
  const sessionId = randomBytes(16);
  try {
    bus.add(new VirtualReader({ baudRate, replyMs: REPLY_MS }));
    const panel = new Panel(await openLink(`virtual:${bus.name}`, { owner: 'benchmark', baudRate }));
    try {
      const { outcome, detail } = await runStep(panel, {
        plan: { address: 17, baudRate },
        terms: terms(baudRate),
        key: (keyVersion) => deriveScbk({ seed, sessionId, address: 17, keyVersion }).key,
        keyVersion: 0,
        earlierVersions: [],
        waitForReader: false,
        beforeKeyset: () => Promise.resolve(),
        onStage: () => undefined,
        signal: new AbortController().signal,
      });
      if (outcome !== 'ok') throw new Error(`The step ended with ${outcome}: ${detail.text}`);
      return (bus.stats.to - (bus.stats.from ?? 0)) / floorOf(bus.stats);
    } finally {
      await panel.close();
    }
  } finally {
    bus.close();
  }
}
