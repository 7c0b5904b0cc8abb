import { deriveScbk } from '../../../../lib/osdp/index.ts';
import type { StepRunner } from '../../../../lib/osdp/provisioner/device/index.ts';
import type { StepResult } from '../../../../lib/osdp/provisioner/engine/index.ts';
import { OK, SILENT } from './device-support.ts';

/** The same in every run. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Readers as far as a journal is about them: which key each holds, by its address. */
export class World {
  readonly keys: Map<number, string>;
  /** Readers that hold a key that the device did not know of. */
  lockedOut = 0;
  onKeyed: (address: number, key: string) => void = () => undefined;

  constructor(keys: ReadonlyMap<number, string> = new Map()) {
    this.keys = new Map(keys);
  }

  /** Makes attempts on them. @param moody gives 0 … 1: how the next attempt goes */
  runner(moody: () => number): StepRunner {
    return async (_, run) => {
      const { address } = run.plan;
      const cancelled = (): StepResult | undefined =>
        run.signal.aborted ? { ...SILENT, outcome: 'cancelled', attempted: !run.waitForReader } : undefined;
      await tick();
      if (run.waitForReader) {
        const gone = cancelled();
        if (gone !== undefined) return gone;
        await run.onFound?.();
      }
      for (const stage of ['comset', 'confirm', 'challenge'] as const) {
        run.onStage(stage, 'in-flight');
        await tick();
        run.onStage(stage, 'reached');
      }
      const mood = moody();
      const held = this.keys.get(address);
      if (held !== undefined) {
        for (const version of [run.keyVersion, ...run.earlierVersions]) {
          if (hexOf(run.key(version)) !== held) continue;
          return { ...OK, keyVersion: version, detail: { text: 'It held its key already.', keyedBefore: true } };
        }
        this.lockedOut++;
        return { ...SILENT, outcome: 'scbk_rejected', stage: 'challenge' };
      }
      if (mood < 0.15) return SILENT;
      await run.beforeKeyset();
      const key = hexOf(run.key(run.keyVersion));
      this.keys.set(address, key);
      this.onKeyed(address, key);
      run.onStage('keyset', 'in-flight');
      await tick();
      if (mood > 0.85) {
        return { ...SILENT, outcome: 'sc_verify_failed', stage: 'verify', maybeKeyed: run.keyVersion };
      }
      return { ...OK, keyVersion: run.keyVersion };
    };
  }
}

/** The key that a seed derives. */
export function derived(key: { seed: Uint8Array; session: string }, address: number, keyVersion: number): string {
  return hexOf(deriveScbk({ seed: key.seed, sessionId: Buffer.from(key.session, 'hex'), address, keyVersion }).key);
}

export const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
