import { type PreparedNvs, prepareNvs } from '../nvs/index.ts';
import type { Platform } from '../platform.ts';
import type { FlashPlan, PlanStep } from '../types.ts';
import { SECTOR } from '../units.ts';
import type { ChipSession, OperationOptions } from './session.ts';

/** Gives the bytes behind a handle. */
export type Secrets = (handle: string) => Uint8Array;

/** Bytes of an NVS or NVS keys partition, as they are to be. */
export interface MadeBytes {
  readonly data: Uint8Array;
  /** As read from the chip; absent where it was not read. */
  readonly held?: Uint8Array;
  /** In which session it was read: between two of them, the board may have run what it has. */
  readonly session: ChipSession;
  /** False when the chip holds that already. */
  readonly changed: boolean;
}

/**
 * The NVS partitions of a plan: checked before a port is opened, made before the first write, since what is wrong on
 * the chip is to be known by then. Made once: a run that was cut short leaves a half-written partition that can no
 * longer be merged with.
 */
export class NvsWork {
  /** By label. */
  readonly #prepared = new Map<string, PreparedNvs>();
  readonly #made = new Map<string, MadeBytes>();
  readonly #secret: Uint8Array[] = [];

  /** @throws the codes of prepareNvs, and what `secrets` throws. */
  constructor(plan: FlashPlan, secrets: Secrets, platform: Platform) {
    try {
      for (const { name, nvs, size } of plan.steps) {
        if (nvs !== undefined) this.#prepared.set(name, prepareNvs(nvs, { size, secrets, platform }));
      }
      for (const { partition, nvs } of plan.unplaced ?? []) {
        this.#prepared.set(partition, prepareNvs(nvs, { secrets, platform }));
      }
    } catch (error) {
      this.wipe();
      throw error;
    }
  }

  /** Whether there is anything to be made. */
  get isEmpty(): boolean {
    return this.#prepared.size === 0;
  }

  /** The bytes of a step whose plan does not carry them. */
  madeFor({ name, kind }: PlanStep): MadeBytes | undefined {
    return this.#made.get(keyOf(kind, name));
  }

  /**
   * Reads what is to be merged with and makes all bytes, keys first. Nothing is written yet; asked again, nothing is
   * made anew. @throws the codes of `PreparedNvs.build` and of reading.
   */
  async make(steps: readonly PlanStep[], session: ChipSession, options: OperationOptions): Promise<void> {
    const keyStep = steps.find(({ kind, data }) => kind === 'nvs-keys' && data === undefined);
    let keys = await this.#readKeys(keyStep, session, options);
    for (const { name, kind, nvs, offset, size } of steps) {
      const prepared = this.#prepared.get(name);
      if (nvs === undefined || prepared === undefined || this.#made.has(keyOf(kind, name))) continue;
      prepared.place(size);
      const held = prepared.needsPartition ? this.#keep(await session.readFlash(offset, size, options)) : undefined;
      const built = await prepared.build({ onChip: held ?? null, keysOnChip: keys });
      this.#made.set(keyOf(kind, name), {
        data: this.#keep(built.bytes),
        changed: built.changed,
        session,
        ...(held === undefined ? {} : { held }),
      });
      const { keysPartition } = built;
      if (keysPartition === undefined || keyStep === undefined) continue;
      keys = this.#keep(keysPartition);
      this.#made.set(keyOf('nvs-keys', keyStep.name), { data: keys, changed: true, session });
    }
    if (keyStep === undefined || keys === null || this.madeFor(keyStep) !== undefined) return;
    this.#made.set(keyOf('nvs-keys', keyStep.name), { data: keys, changed: false, session });
  }

  /** The keys on the chip, where they lie in plain. */
  async #readKeys(
    step: PlanStep | undefined,
    session: ChipSession,
    options: OperationOptions,
  ): Promise<Uint8Array | null> {
    if (step === undefined) return null;
    const made = this.madeFor(step);
    if (made !== undefined) return made.data;
    const wanted = [...this.#prepared.values()].some(({ wantsKeys }) => wantsKeys);
    if (!wanted || !session.verifies || session.facts.security.flashEncryption) return null;
    return this.#keep(await session.readFlash(step.offset, SECTOR, options));
  }

  /** Overwrites everything that may hold a secret. */
  wipe(): void {
    for (const prepared of this.#prepared.values()) prepared.wipe();
    for (const bytes of this.#secret) bytes.fill(0);
    this.#made.clear();
  }

  #keep(bytes: Uint8Array): Uint8Array {
    this.#secret.push(bytes);
    return bytes;
  }
}

function keyOf(kind: PlanStep['kind'], name: string): string {
  return `${kind} ${name}`;
}
