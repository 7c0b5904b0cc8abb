import type { Clock } from '../../clock.ts';
import type { DeviceTime } from './time.ts';
import type { WorkQueue } from './work-queue.ts';

/** How often the time is noted while a plan may go on by itself, ms. */
const NOTE_MS = 300_000;

export interface AutonomyOptions {
  readonly clock: Clock;
  readonly time: DeviceTime;
  /** Sealed plans, in their order. */
  readonly plans: () => readonly WorkQueue[];
  /** The time of the plan that was picked is over. */
  readonly onOver: () => void;
}

/**
 * Which plan may go on while no host is there: the first that is armed and has a pending step. The window is closed by
 * the time of day; a clock that goes back, also while the power is off, does not make it longer.
 */
export class Autonomy {
  readonly #options: AutonomyOptions;
  #stopNotes: (() => void) | undefined;
  #stopArming: (() => void) | undefined;

  constructor(options: AutonomyOptions) {
    this.#options = options;
    this.#note();
  }

  pick(): WorkQueue | undefined {
    this.#stopArming?.();
    const { clock, time, plans, onOver } = this.#options;
    const now = time.now();
    const armed = plans().filter(({ head }) => head.armedUntil !== null && now < head.armedUntil);
    const picked = armed.find(({ steps }) => steps.some(({ status }) => status.state === 'pending'));
    if (picked === undefined) return undefined;
    // Nobody is waited for when the time is over.
    this.#stopArming = clock.at(clock.now() + (picked.head.armedUntil ?? now) - now, onOver, true);
    return picked;
  }

  close(): void {
    this.#stopNotes?.();
    this.#stopArming?.();
  }

  #note(): void {
    const { clock, time, plans } = this.#options;
    this.#stopNotes = clock.at(
      clock.now() + NOTE_MS,
      () => {
        const now = time.now();
        for (const plan of plans()) {
          const { armedUntil } = plan.head;
          const open = armedUntil !== null && plan.latest < armedUntil && plan.summary().state === 'ready';
          // When it cannot be written, the plan has said so.
          if (open) plan.noteTime(now).catch(() => undefined);
        }
        this.#note();
      },
      true,
    );
  }
}
