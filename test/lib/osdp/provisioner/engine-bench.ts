import assert from 'node:assert/strict';
import { deriveScbk, type PanelOptions } from '../../../../lib/osdp/index.ts';
import { runStep, type StepResult, type StepRun } from '../../../../lib/osdp/provisioner/engine/index.ts';
import type { PlanTerms, Stage, StageState, StepPlan } from '../../../../lib/osdp/provisioner/types.ts';
import type { VirtualReader } from '../../../../lib/virtual/readers/index.ts';
import { PanelBench } from '../panel-bench.ts';
import { bytes } from '../support.ts';

const SEED = bytes('A1 5C 09 E7 34 B2 6D F8 40 93 1E C5 7A 06 DB 2F');
const SESSION = bytes('10 27 3E 55 6C 83 9A B1 C8 DF F6 0D 24 3B 52 69');

/** The key that the slot of these tests derives. */
export const scbk = (address: number, keyVersion = 0): Uint8Array =>
  deriveScbk({ seed: SEED, sessionId: SESSION, address, keyVersion }).key;

export const TERMS: PlanTerms = {
  name: 'door row',
  bus: 'single',
  factory: { address: 0, baudRate: 9600 },
  capabilities: [],
  timeoutMs: 0,
  autoVerify: true,
  autonomous: false,
  armingHours: 8,
};
export const PLAN: StepPlan = { address: 17, baudRate: 115200 };

export interface Told {
  readonly stage: Stage;
  readonly state: StageState;
  readonly text: string | undefined;
}

export type RunOptions = Partial<Omit<StepRun, 'terms' | 'plan'>> & {
  readonly terms?: Partial<PlanTerms>;
  readonly plan?: Partial<StepPlan>;
};

/** A panel, a bus, and what one attempt after the other tells. */
export class EngineBench {
  readonly at: PanelBench;
  readonly told: Told[] = [];
  /** Every copy of a key that the engine was given. */
  readonly keys: Uint8Array[] = [];
  /** How often the intent to key was written down. */
  intents = 0;
  /** Versions of which KEYSET may have left, as a journal would know them. */
  readonly journal: number[] = [];
  readonly abort = new AbortController();
  onTold: ((told: Told) => void) | undefined;

  private constructor(at: PanelBench) {
    this.at = at;
  }

  static async start(options: PanelOptions & { baudRate?: number; echo?: boolean } = {}): Promise<EngineBench> {
    return new EngineBench(await PanelBench.start(options));
  }

  get reader(): VirtualReader {
    const [one] = this.at.bus.readers;
    assert.ok(one);
    return one;
  }

  begin(options: RunOptions = {}): Promise<StepResult> {
    const { terms, plan, ...rest } = options;
    return runStep(this.at.panel, {
      plan: { ...PLAN, ...plan },
      terms: { ...TERMS, ...terms },
      key: (version) => {
        const key = scbk(plan?.address ?? PLAN.address, version);
        this.keys.push(key);
        return key;
      },
      keyVersion: 0,
      earlierVersions: [...this.journal],
      waitForReader: false,
      beforeKeyset: async () => {
        this.intents++;
        this.journal.push(options.keyVersion ?? 0);
      },
      onStage: (stage, state, detail) => {
        const told = { stage, state, text: detail?.text };
        this.told.push(told);
        this.onTold?.(told);
      },
      signal: this.abort.signal,
      ...rest,
    });
  }

  step(options: RunOptions = {}): Promise<StepResult> {
    return this.at.run(this.begin(options));
  }

  /** Whether `ok` was the truth: the derived key opens the reader at its place, and the default key does not. */
  isDone(reader: VirtualReader, plan: StepPlan = PLAN, version = 0): boolean {
    return (
      reader.address === plan.address &&
      reader.baudRate === plan.baudRate &&
      reader.holdsKey(scbk(plan.address, version)) &&
      reader.isLocked
    );
  }

  get milestones(): string[] {
    return this.told.map(({ stage, state }) => `${stage} ${state}`);
  }

  async close(): Promise<void> {
    await this.at.close();
    for (const key of this.keys)
      assert.ok(
        key.every((byte) => byte === 0),
        'a key was left in memory',
      );
  }
}
