import type { FlashPlan, FlashResult, PlanStep } from '../types.ts';

/** How a step went. */
export type StepResult = FlashResult['steps'][number];

/** What is known of one step, over every session of a job. */
export class Tally {
  /** Set once it is done. */
  result: StepResult | undefined;
  /** What the flash must answer; never handed out where it is made of secrets. */
  md5: string | undefined;
  attempts = 0;
  resent = 0;
  /** Bytes given to the flash. */
  written = 0;
  wireBytes = 0;
  /** All of it was begun, not just sectors that differ. */
  whole = false;
  /** From the start of the region: what the chip has surely taken, unless it lost its power. */
  safe = 0;

  /** The region is begun once more. */
  begin(whole: boolean): void {
    this.attempts++;
    this.whole ||= whole;
    this.safe = 0;
  }
}

/** Where a job stands: a tally a step. */
export class Ledger {
  readonly steps: readonly PlanStep[];
  #tallies: Tally[];
  #best = 0;

  constructor(plan: FlashPlan) {
    this.steps = plan.steps;
    this.#tallies = plan.steps.map(() => new Tally());
  }

  /** Everything is to be done anew. */
  clear(): void {
    const { wireBytes } = this;
    this.#tallies = this.steps.map(() => new Tally());
    const [first] = this.#tallies;
    if (first !== undefined) first.wireBytes = wireBytes;
    this.#best = 0;
  }

  tally(step: number): Tally {
    return this.#tallies[step] as Tally;
  }

  get wireBytes(): number {
    return this.#tallies.reduce((sum, { wireBytes }) => sum + wireBytes, 0);
  }

  /** Steps that are done. */
  get done(): number {
    return this.#tallies.filter(({ result }) => result !== undefined).length;
  }

  /** Whether more is done than when this was last asked. */
  wentFurther(): boolean {
    // Steps count for more than any part of one.
    const now = this.#tallies.reduce((sum, { result, safe }, i) => {
      const size = this.steps[i]?.size ?? 1;
      return sum + (result === undefined ? Math.min(0.5, safe / size / 2) : 1);
    }, 0);
    const further = now > this.#best;
    this.#best = Math.max(this.#best, now);
    return further;
  }

  results(): StepResult[] {
    return this.#tallies.flatMap(({ result }) => (result === undefined ? [] : [result]));
  }
}
