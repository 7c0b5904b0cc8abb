import type { JsonObject } from '../store.ts';
import { Recent } from './recent.ts';
import type { TrustStore } from './types.ts';

/** Who was refused, or served in vain, and why: for the audit log. */
export interface Refusal {
  /** 'est.refused', 'endpoint.refused' … */
  readonly action: string;
  /** Who writes it: 'keyway-est' … */
  readonly actor: string;
  /** Address of the client. */
  readonly source?: string | undefined;
  readonly code: string;
  readonly text: string;
  readonly namespace?: string | undefined;
  readonly mac?: string | undefined;
  readonly serial?: string | undefined;
  /** 'failed': it was no fault of the client's. Default: 'denied'. */
  readonly outcome?: 'denied' | 'failed';
  readonly detail?: JsonObject;
}

export interface RefusalsOptions {
  readonly store: Pick<TrustStore, 'audit'>;
  readonly clock?: () => number;
  /** How many entries a minute at most. Default: 600. */
  readonly perMinute?: number;
  /** An entry could not be written. */
  readonly onError?: (error: unknown) => void;
}

/** Writes refusals to the audit log. */
export interface Refusals {
  /** Never throws, and does not wait. */
  write(refusal: Refusal): void;
  /** Waits until everything is written. */
  settled(): Promise<void>;
}

const MINUTE = 60_000;
const PER_MINUTE = 600;
const REMEMBER = 4096;

/**
 * Writes refusals to the audit log so that nobody can fill the disk by being refused: the same client with the same
 * certificate for the same reason is one entry a minute, the next one says how many there were (`repeated`); and there
 * are at most so many entries a minute in all, the next one says how many were left out (`leftOut`).
 */
export function createRefusals({
  store,
  clock = Date.now,
  perMinute = PER_MINUTE,
  onError,
}: RefusalsOptions): Refusals {
  const known = new Recent<{ at: number; repeated: number }>(REMEMBER);
  const open = new Set<Promise<void>>();
  let minute = Number.NEGATIVE_INFINITY;
  let written = 0;
  let leftOut = 0;
  return {
    write(refusal) {
      const now = clock();
      const { action, actor, source, code, text, namespace, mac, serial, outcome = 'denied', detail } = refusal;
      const key = JSON.stringify([action, source, code, namespace, mac, serial]);
      const before = known.get(key);
      if (before !== undefined && Math.abs(now - before.at) < MINUTE) {
        before.repeated++;
        return;
      }
      if (Math.abs(now - minute) >= MINUTE) [minute, written] = [now, 0];
      if (written >= perMinute) {
        leftOut++;
        return;
      }
      written++;
      known.set(key, { at: now, repeated: 0 });
      const more: Record<string, string | number> = {
        ...(mac === undefined ? {} : { mac }),
        ...(before === undefined || before.repeated === 0 ? {} : { repeated: before.repeated }),
        ...(leftOut === 0 ? {} : { leftOut }),
      };
      leftOut = 0;
      const entry = {
        action,
        namespace: namespace ?? null,
        subject: (serial ?? mac ?? null)?.slice(0, 256) ?? null,
        outcome,
        detail: { code, text: text.slice(0, 500), ...more, ...detail },
      } as const;
      const writing: Promise<void> = store
        .audit(entry, { actor, ...(source === undefined ? {} : { source: source.slice(0, 128) }) })
        .catch((error: unknown) => onError?.(error))
        .finally(() => open.delete(writing));
      open.add(writing);
    },
    async settled() {
      await Promise.all(open);
    },
  };
}
