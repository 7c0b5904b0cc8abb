/** How long the same refusal is not told again, in ms. */
const FOLD_MS = 10_000;
/** Refusals that are remembered. */
const MOST = 1000;

/** Lets the same refusal through once in a while: whoever tries all the time must not flood a flow. */
export class Fold {
  readonly #now: () => number;
  readonly #told = new Map<string, { at: number; held: number }>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How often it was held back since it was told last; undefined where it is held back now. */
  take(key: string): number | undefined {
    const now = this.#now();
    const known = this.#told.get(key);
    if (known !== undefined && now - known.at < FOLD_MS) {
      known.held++;
      return undefined;
    }
    this.#told.delete(key);
    this.#told.set(key, { at: now, held: 0 });
    const [oldest] = this.#told.keys();
    if (this.#told.size > MOST && oldest !== undefined) this.#told.delete(oldest);
    return known?.held ?? 0;
  }
}
