import type { AuditInput } from '../registry/index.ts';
import type { Clock } from './clock.ts';
import { fail } from './errors.ts';
import type { EndpointOptions } from './types.ts';

/** How long the same entry is counted instead of written again. */
export const FOLD_MS = 60_000;
/** Entries that are counted at a time; beyond, whoever comes is counted together. */
const KEYS_MOST = 600;

interface Counted {
  readonly entry: AuditInput;
  readonly until: number;
  times: number;
}

/**
 * Writes to the audit log. A device that is refused comes back for ever: its first refusal is written at once, those
 * of the next minute as one entry with their number.
 */
export class FoldedAudit {
  readonly #write: EndpointOptions['audit'];
  readonly #clock: Pick<Clock, 'now'>;
  readonly #onTrouble: (error: Error) => void;
  readonly #counted = new Map<string, Counted>();
  readonly #open = new Set<Promise<void>>();

  constructor(write: EndpointOptions['audit'], clock: Pick<Clock, 'now'>, onTrouble: (error: Error) => void) {
    this.#write = write;
    this.#clock = clock;
    this.#onTrouble = onTrouble;
  }

  /** Writes an entry now. */
  write(entry: AuditInput): void {
    if (this.#write === undefined) return;
    const failed = (cause: unknown): void =>
      this.#onTrouble(
        fail('AUDIT_FAILED', `The entry ${entry.action} could not be written to the audit log.`, {
          hint: 'Look after the registry: what happens meanwhile is not in the log.',
          cause,
        }),
      );
    try {
      const done = this.#write(entry);
      if (done === undefined) return;
      const watched = done.catch(failed).finally(() => this.#open.delete(watched));
      this.#open.add(watched);
    } catch (error) {
      failed(error);
    }
  }

  /** Writes an entry, or counts it when one with that key was written within the last minute. */
  fold(key: string, entry: AuditInput): void {
    if (this.#write === undefined) return;
    const full = this.#counted.size >= KEYS_MOST && !this.#counted.has(key);
    const place = full ? '' : key;
    const before = this.#counted.get(place);
    if (before !== undefined) {
      before.times++;
      return;
    }
    this.#counted.set(place, { entry, until: this.#clock.now() + FOLD_MS, times: 0 });
    this.write(entry);
  }

  /** Writes what was counted and whose time is over. */
  sweep(all = false): void {
    const now = this.#clock.now();
    for (const [key, { entry, until, times }] of this.#counted) {
      // They lie in the order in which they end.
      if (!all && now < until) return;
      this.#counted.delete(key);
      if (times === 0) continue;
      const subject = key === '' ? null : (entry.subject ?? null);
      this.write({ ...entry, subject, detail: { ...entry.detail, times, within: `${FOLD_MS / 1000} s` } });
    }
  }

  /** Writes all that was counted, and waits until everything is written. */
  async close(): Promise<void> {
    this.sweep(true);
    await Promise.all(this.#open);
  }
}
