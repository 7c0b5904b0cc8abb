import { changedSectors, type ImageCache } from '../cache/index.ts';
import { toHex } from '../digest.ts';
import type { Platform } from '../platform.ts';
import type { PlanStep } from '../types.ts';
import { hex, SECTOR } from '../units.ts';
import { fail, throwIfCancelled } from './errors.ts';
import type { Ledger, StepResult, Tally } from './ledger.ts';
import type { NvsWork } from './nvs-work.ts';
import { type ProgressListener, ProgressMeter } from './progress.ts';
import { isSecret, type SectorRange } from './region.ts';
import type { ChipSession } from './session.ts';

/** So much the stub unpacks before it writes it. */
const INFLATE_WINDOW = 0x8000;

/** What carrying out a plan takes. */
export interface StepContext {
  readonly ledger: Ledger;
  readonly nvs: NvsWork;
  readonly platform: Platform;
  /** Whether what is right already is left alone. */
  readonly skip: boolean;
  readonly cache: ImageCache | undefined;
  /** Told when the cache fails, which harms nothing but speed. */
  readonly onCacheFailed: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ProgressListener | undefined;
}

/**
 * Carries out the steps of a plan that are not done yet, in their order. What was done in an earlier session is looked
 * at again: in between, the board may have run what it has, and that may have written.
 */
export async function carryOut(session: ChipSession, context: StepContext): Promise<void> {
  const { ledger, signal } = context;
  const run = new Run(session, context);
  for (const [i, step] of ledger.steps.entries()) {
    throwIfCancelled(signal);
    const tally = ledger.tally(i);
    const before = session.wireBytes;
    try {
      await run.step(i, step, tally);
    } finally {
      tally.wireBytes += session.wireBytes - before;
    }
    if (tally.result !== undefined) tally.result = { ...tally.result, wireBytes: tally.wireBytes };
  }
}

class Run {
  readonly #session: ChipSession;
  readonly #context: StepContext;
  readonly #meter: ProgressMeter;
  readonly #total: number;
  #before = 0;

  constructor(session: ChipSession, context: StepContext) {
    this.#session = session;
    this.#context = context;
    this.#meter = new ProgressMeter(context.onProgress);
    this.#total = context.ledger.steps.reduce((sum, step) => sum + bytesOf(step), 0);
  }

  async step(i: number, step: PlanStep, tally: Tally): Promise<void> {
    if (tally.result === undefined || !(await this.#stillRight(i, step, tally))) {
      tally.result = undefined;
      tally.result = step.action === 'erase' ? await this.#erase(step, tally) : await this.#write(i, step, tally);
    }
    this.#before += bytesOf(step);
    if (step.action === 'write') this.#meter.report('write', this.#before, this.#total, 'B', step.name);
  }

  async #stillRight(i: number, step: PlanStep, { result, md5 }: Tally): Promise<boolean> {
    if (result?.verified !== true) return true;
    const { signal } = this.#context;
    const { offset, size } = step;
    if (step.action === 'write') return (await this.#session.md5(offset, size, { signal })) === md5;
    const overwritten = this.#context.ledger.steps.slice(i + 1).some((later) => overlap(step, later));
    return overwritten || (await this.#session.isBlank(offset, size, { signal }));
  }

  async #erase(step: PlanStep, tally: Tally): Promise<StepResult> {
    const { action, offset, size, name } = step;
    const { signal, onProgress, skip } = this.#context;
    const session = this.#session;
    const about = { action, offset, size, name, wireBytes: 0, written: 0, resent: 0 };
    const { verifies } = session;
    const looks = verifies && (skip || tally.attempts > 0);
    if (looks && (await session.isBlank(offset, size, { signal }))) {
      const { attempts } = tally;
      return { ...about, verified: true, outcome: attempts === 0 ? 'skipped' : 'erased', attempts };
    }
    tally.begin(true);
    await session.eraseRange(offset, size, { signal, onProgress, item: name });
    if (verifies && !(await session.isBlank(offset, size, { signal }))) {
      throw fail('NOT_ERASED', `"${name}" at ${hex(offset)} is not blank after it was erased.`, {
        hint: 'The flash chip or its wiring is faulty, or that part of it is write-protected.',
        detail: { offset, size, name },
      });
    }
    return { ...about, verified: verifies, outcome: 'erased', attempts: tally.attempts };
  }

  async #write(i: number, step: PlanStep, tally: Tally): Promise<StepResult> {
    const { nvs, platform, signal } = this.#context;
    const session = this.#session;
    const made = nvs.madeFor(step);
    const data = step.data ?? made?.data;
    if (data === undefined) {
      throw fail('NO_BYTES', `There are no bytes for "${step.name}".`, { detail: { field: step.name } });
    }
    const { offset, name } = step;
    const md5 = made === undefined && step.md5 !== undefined ? step.md5 : toHex(await platform.md5(data));
    tally.md5 = md5;
    const region = { offset, name, kind: step.kind, data, md5, encrypt: step.encrypt === true };
    const verifies = session.verifies && !region.encrypt;
    this.#prepareNext(this.#context.ledger.steps[i + 1]);
    this.#meter.report('write', this.#before, this.#total, 'B', name);

    // What was read to be merged with is known to the byte. The chip is asked for everything else.
    const fresh = tally.attempts === 0 && made?.session === session;
    const known = fresh && (made.held !== undefined || !made.changed);
    const right = known
      ? this.#context.skip && !made.changed
      : verifies &&
        (this.#context.skip || tally.attempts > 0) &&
        (await session.md5(offset, data.length, { signal })) === md5;
    if (!right) {
      const changed = verifies ? await this.#changed(region, fresh ? made.held : undefined, tally) : undefined;
      let reached = 0;
      await session.writeRegion(region, {
        signal,
        changed,
        onAttempt: (whole) => {
          tally.begin(whole);
          reached = 0;
        },
        onSent: (bytes) => {
          tally.written += bytes;
        },
        onResent: () => {
          tally.resent++;
        },
        onBytes: (done) => {
          // The stub answers for a block before it has written it: only what came before it is surely there.
          tally.safe = reached;
          reached = done;
          this.#meter.report('write', this.#before + done, this.#total, 'B', name);
        },
        onPhase: (phase) => {
          if (phase === 'verify') {
            this.#meter.report('verify', i, this.#context.ledger.steps.length, 'steps', name);
          }
        },
      });
    }
    if (verifies) await this.#remember(region);
    return {
      action: 'write',
      offset,
      size: step.size,
      name,
      wireBytes: 0,
      // A sum over secrets would let them be guessed at.
      ...(made === undefined ? { md5 } : {}),
      verified: verifies,
      outcome: tally.attempts === 0 ? 'skipped' : tally.whole ? 'written' : 'patched',
      written: tally.written,
      attempts: tally.attempts,
      resent: tally.resent,
    };
  }

  /** Sectors that have to be written, as far as it can be told; undefined = all. */
  async #changed(
    region: { offset: number; data: Uint8Array; kind: PlanStep['kind'] },
    held: Uint8Array | undefined,
    tally: Tally,
  ): Promise<SectorRange[] | undefined> {
    const { offset, data } = region;
    if (tally.attempts > 0) return await this.#afterTorn(offset, data, tally.safe);
    const { cache, signal, skip } = this.#context;
    if (!skip) return undefined;
    if (held !== undefined) return partly(changedSectors(held, data), data);
    const { mac } = this.#session.facts;
    if (cache === undefined || mac === null || isSecret(region)) return undefined;
    for (const candidate of await this.#candidates(cache, mac, offset)) {
      const changed = partly(changedSectors(candidate, data), data);
      if (changed === undefined || candidate.length === 0) continue;
      const sum = await this.#session.md5(offset, candidate.length, { signal });
      if (sum === toHex(await this.#context.platform.md5(candidate))) return changed;
    }
    return undefined;
  }

  /** The rest of a region whose writing was cut short, where its beginning is there. */
  async #afterTorn(offset: number, data: Uint8Array, safe: number): Promise<SectorRange[] | undefined> {
    const { platform, signal } = this.#context;
    for (const reach of [safe - INFLATE_WINDOW, safe / 2]) {
      const there = Math.floor(reach / SECTOR) * SECTOR;
      if (there <= 0) continue;
      const sum = await this.#session.md5(offset, there, { signal });
      if (sum !== toHex(await platform.md5(data.subarray(0, there)))) continue;
      return [{ offset: there, size: data.length - there }];
    }
    return undefined;
  }

  async #candidates(cache: ImageCache, mac: string, offset: number): Promise<readonly Uint8Array[]> {
    try {
      return await cache.candidates(mac, offset);
    } catch (error) {
      this.#context.onCacheFailed(error);
      return [];
    }
  }

  async #remember(region: { offset: number; data: Uint8Array; kind: PlanStep['kind'] }): Promise<void> {
    const { cache } = this.#context;
    const { mac } = this.#session.facts;
    const { kind } = region;
    if (cache === undefined || mac === null || kind === 'erase' || isSecret(region)) return;
    try {
      await cache.remember(mac, { offset: region.offset, data: region.data, kind });
    } catch (error) {
      this.#context.onCacheFailed(error);
    }
  }

  /** Compresses the next region while this one is on the line. Its failure, if any, comes back when it is written. */
  #prepareNext(next: PlanStep | undefined): void {
    if (next?.data === undefined) return;
    this.#session.prepareRegion({ ...next, data: next.data }, this.#context.signal).catch(() => undefined);
  }
}

/** Undefined when every sector differs: then there is nothing to be spared. */
function partly(changed: SectorRange[], data: Uint8Array): SectorRange[] | undefined {
  return changed.length === 1 && changed[0]?.size === data.length ? undefined : changed;
}

function bytesOf({ action, size }: PlanStep): number {
  return action === 'write' ? size : 0;
}

function overlap(a: PlanStep, b: PlanStep): boolean {
  return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}
