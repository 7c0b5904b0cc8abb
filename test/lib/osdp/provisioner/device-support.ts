import { randomBytes } from 'node:crypto';
import { createMemoryPair, type Link } from '../../../../lib/link/index.ts';
import { KDF } from '../../../../lib/osdp/index.ts';
import {
  openProvisioner,
  type Provisioner,
  type ProvisionerLogLine,
  type ProvisionerOptions,
} from '../../../../lib/osdp/provisioner/device/index.ts';
import type { HostIdentity } from '../../../../lib/osdp/provisioner/device.ts';
import type { StepResult, StepRun } from '../../../../lib/osdp/provisioner/engine/index.ts';
import type { Edge, PlanTerms, SlotId, SlotSeed, StepPlan } from '../../../../lib/osdp/provisioner/types.ts';
import { type Keystore, openKeystore } from '../../../../lib/vault/index.ts';
import { ManualClock } from '../../../../lib/virtual/clock.ts';
import { TestDisk } from './store-support.ts';

export const HOST: HostIdentity = { id: 'aa'.repeat(32), name: 'bench laptop' };
export const OTHER: HostIdentity = { id: 'bb'.repeat(32), name: 'other laptop' };
/** A day in 2025. */
export const T0 = 1_750_000_000_000;

export const TERMS: PlanTerms = {
  name: 'door row',
  bus: 'multi',
  factory: { address: 0, baudRate: 9600 },
  capabilities: [],
  timeoutMs: 0,
  autoVerify: true,
  autonomous: false,
  armingHours: 8,
};

export const steps = (count: number, first = 1): StepPlan[] =>
  Array.from({ length: count }, (_, i) => ({ address: first + i, baudRate: 9600 }));

export function newKey(): Omit<SlotSeed, 'slot'> {
  return { seed: randomBytes(16), session: randomBytes(16).toString('hex'), kdf: KDF };
}

let made = 0;

export async function newKeystore(): Promise<Keystore> {
  const name = `KEYWAY_TEST_KEYSTORE_${++made}`;
  process.env[name] = randomBytes(32).toString('hex');
  return await openKeystore({ source: { environment: name } });
}

export const OK: StepResult = {
  outcome: 'ok',
  stage: 'done',
  stageState: 'reached',
  detail: { text: 'The reader has its key.', keyed: true },
  identity: { vendor: '4B5759', model: 1, version: 1, serial: '10000001', firmware: '1.0.0' },
  keyVersion: 0,
  maybeKeyed: null,
  place: null,
  attempted: true,
};

export const SILENT: StepResult = {
  ...OK,
  outcome: 'no_response',
  stage: 'locate',
  stageState: 'stalled',
  detail: { text: 'Nobody answers.' },
  identity: null,
  keyVersion: null,
};

/** An attempt that the device has begun and that the test ends. */
export interface Attempt {
  readonly run: StepRun;
  readonly keys: Uint8Array[];
  end(result: Partial<StepResult>): void;
  fail(error: Error): void;
}

/** A provisioner on a disk in memory, with attempts that the test ends, on a clock that the test moves. */
export class DeviceBench {
  disk: TestDisk;
  readonly clock = new ManualClock();
  readonly keystore: Keystore;
  readonly attempts: Attempt[] = [];
  readonly edges: Edge[] = [];
  readonly log: ProvisionerLogLine[] = [];
  readonly links: Link[] = [];
  /** Added to the clock: the time of day. */
  day = T0;
  device!: Provisioner;
  openPort: () => Promise<Link>;
  /** What attempts end with at once; undefined: the test ends them. */
  always: ((run: StepRun) => Promise<StepResult>) | undefined;
  #detach: (() => void) | undefined;
  #port = 0;

  private constructor(keystore: Keystore, disk: TestDisk) {
    this.keystore = keystore;
    this.disk = disk;
    this.openPort = async () => {
      const { host } = createMemoryPair({ name: `provisioner-test-${++this.#port}` });
      this.links.push(host);
      return host;
    };
  }

  static async start(options: Partial<ProvisionerOptions> & { disk?: TestDisk } = {}): Promise<DeviceBench> {
    const { disk = new TestDisk(), keystore = await newKeystore(), ...rest } = options;
    const bench = new DeviceBench(keystore, disk);
    await bench.open(rest);
    return bench;
  }

  async open(options: Partial<ProvisionerOptions> = {}): Promise<Provisioner> {
    this.device = await openProvisioner({
      folder: this.disk.folder(),
      keystore: this.keystore,
      openPort: () => this.openPort(),
      clock: this.clock,
      wall: () => this.day + this.clock.now(),
      log: (line) => this.log.push(line),
      run: (_, run) => this.#run(run),
      ...options,
    });
    return this.device;
  }

  attach(host = HOST): void {
    this.#detach = this.device.attach(host, (edge) => this.edges.push(edge));
  }

  detach(): void {
    this.#detach?.();
    this.#detach = undefined;
  }

  /** The power goes: nobody is told, nothing is closed. What the process held is gone. */
  async cut(files = this.disk.content, options: Partial<ProvisionerOptions> = {}): Promise<Provisioner> {
    const old = this.device;
    // The old one stays in this process: its disk must not be touched by it any more.
    this.disk.trouble = () => 'EIO';
    this.disk = new TestDisk(files);
    this.#detach = undefined;
    this.attempts.length = 0;
    void old.close().catch(() => undefined);
    return await this.open(options);
  }

  /** Writes and seals a plan. */
  async seal(
    slot: number,
    plan: readonly StepPlan[] = steps(3),
    terms: Partial<PlanTerms> = {},
    key = newKey(),
    host = HOST,
  ): Promise<Omit<SlotSeed, 'slot'>> {
    await this.device.begin(slot, { ...TERMS, ...terms }, key, host);
    await this.device.addSteps(slot, plan, host);
    await this.device.seal(slot, host);
    return key;
  }

  /** Lets promises run until nothing moves any more. */
  async settle(): Promise<void> {
    await this.clock.advance(0);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits until an attempt is under way, and hands it over. */
  async attempt(): Promise<Attempt> {
    for (let i = 0; i < 200; i++) {
      const attempt = this.attempts.shift();
      if (attempt !== undefined) return attempt;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error('no attempt was begun');
  }

  step(slot: SlotId, index: number) {
    const step = this.device.open(slot).steps[index];
    if (step === undefined) throw new Error(`no step ${index}`);
    return step;
  }

  async close(): Promise<void> {
    this.disk.trouble = () => undefined;
    await this.device.close();
    for (const link of this.links) await link.close();
    this.keystore.close();
  }

  #run(run: StepRun): Promise<StepResult> {
    if (this.always !== undefined) return this.always(run);
    return new Promise((resolve, reject) => {
      const keys: Uint8Array[] = [];
      const end = (result: Partial<StepResult>): void => resolve({ ...OK, keyVersion: run.keyVersion, ...result });
      this.attempts.push({ run, keys, end, fail: reject });
      const cancelled = { text: 'The attempt was cancelled.' };
      run.signal.addEventListener('abort', () =>
        end({ ...SILENT, outcome: 'cancelled', detail: cancelled, attempted: !run.waitForReader }),
      );
    });
  }
}
