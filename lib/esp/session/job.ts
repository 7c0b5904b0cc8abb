import { isKeywayError, type KeywayError } from '../../errors/index.ts';
import type { Link } from '../../link/index.ts';
import { checkBoard } from '../plan/index.ts';
import type { ChipFacts, FlashPlan, FlashResult } from '../types.ts';
import { isInLoader } from './connect.ts';
import { fail, type sessionNotes } from './errors.ts';
import { Ledger } from './ledger.ts';
import { NvsWork } from './nvs-work.ts';
import type { FlashOptions } from './options.ts';
import { ProgressMeter } from './progress.ts';
import { STATUS_CHECKSUM } from './protocol.ts';
import { RateLadder } from './rates.ts';
import { type ChipSession, connectChip } from './session.ts';
import { SECURE_FLASH_SIZE, settle } from './settle.ts';
import { carryOut } from './steps.ts';
import { Berth, deviceOf, elaborate, type FlashTarget, type LostDevice } from './target.ts';
import { defaultTiming } from './timing.ts';

const PATIENCE_MS = 120_000;
const ATTEMPTS = 5;
/** How long a chip's own USB port may take to come back after its watchdog restarted it. */
const FOLLOW_MS = 10_000;
/** What ends a session and not the job: the board restarted, its port is gone, or the line is beyond repair. */
const INTERRUPTIONS = [
  'PORT_GONE',
  'PORT_FAILED',
  'BOARD_RESET',
  'CHIP_STOPPED',
  'CHIP_REFUSED',
  'READ_CORRUPT',
  'BAUD_FAILED',
  'STUB_FAILED',
];
/** After a session: the loader was not reached again. */
const NOT_REACHED = ['NO_ANSWER', 'WRONG_BOOT_MODE', 'CHIP_SILENT', 'UNKNOWN_CHIP'];
/** Under secure boot these do not start code from RAM. */
const NO_STUB_UNDER_SECURE_BOOT = ['ESP32-C3', 'ESP32-S3'];

/** One plan on its way onto one board, over as many sessions as that takes. */
export class FlashJob {
  readonly #started = performance.now();
  readonly #options: FlashOptions;
  readonly #berth: Berth;
  readonly #ladder: RateLadder;
  readonly #nvs: NvsWork;
  readonly #meter: ProgressMeter;
  readonly #notes = new Map<keyof typeof sessionNotes, string>();
  #plan: FlashPlan;
  /** Set once the guards let the plan pass. */
  #ledger: Ledger | undefined;
  #facts: ChipFacts | undefined;
  /** The link on which the board was identified last. */
  #met: Link | undefined;
  #atSpeed = false;
  #wireBytes = 0;
  #resumed = 0;
  #restarts = 0;
  /** Interruptions in a row that brought the work no further. */
  #idle = 0;
  #interruption: KeywayError | undefined;

  /** @throws what is wrong with NVS recipes, and what `secrets` throws. */
  constructor(target: Link | FlashTarget, plan: FlashPlan, options: FlashOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#berth = new Berth(target);
    this.#ladder = new RateLadder(options.baudRate ?? 460_800, options.stepDown !== false);
    this.#nvs = new NvsWork(plan, options.secrets ?? noSecrets, options.platform);
    this.#meter = new ProgressMeter(options.onProgress);
  }

  /** One session, from the reset into the loader to the reset out of it. */
  async run(): Promise<FlashResult> {
    const link = await this.#berth.first(this.#options.signal);
    this.#atSpeed = false;
    const session = await connectChip(link, this.#connecting(link));
    try {
      return await this.#work(session);
    } finally {
      await session.close();
      this.#wireBytes += session.wireBytes;
    }
  }

  /**
   * After an error: waits until the work can go on. @throws that error, with how far the work came, when it cannot.
   */
  async goOn(error: KeywayError): Promise<void> {
    const before = this.#interruption;
    if (before !== undefined && isKeywayError(error, ...NOT_REACHED)) {
      const more = `The board was not reached again: ${error.message}`;
      throw this.#cutShort(elaborate(before, more, { ...error.detail }, error.hint));
    }
    const link = this.#berth.link;
    if (link === undefined || !INTERRUPTIONS.includes(error.code)) throw this.#cutShort(error);
    const lost = !link.isOpen;
    this.#idle = this.#ledger?.wentFurther() ? 1 : this.#idle + 1;
    const attempts = this.#options.resume?.attempts ?? ATTEMPTS;
    const hopeless = this.#idle > 1 && isSameRefusal(error, before);
    if (this.#idle > attempts || hopeless || (lost && !this.#berth.returns)) throw this.#cutShort(error);
    this.#interruption = error;
    if (lost) await this.#waitForReturn(link);
    else this.#blame(error);
  }

  /** Overwrites every secret. */
  wipe(): void {
    this.#nvs.wipe();
  }

  async #work(session: ChipSession): Promise<FlashResult> {
    const { signal, onProgress, skip, cache, platform } = this.#options;
    const ledger = await this.#meet(session);
    await this.#prepare(session);
    await this.#nvs.make(ledger.steps, session, { signal });
    await carryOut(session, {
      ledger,
      nvs: this.#nvs,
      platform,
      skip: skip !== false && this.#plan.rewrite !== true,
      cache,
      onCacheFailed: () =>
        this.#notes.set('CACHE_FAILED', 'The cache of images failed: more was written than had to be.'),
      signal,
      onProgress,
    });
    const { baudRate } = session;
    const restarted = this.#options.resetAfter !== false && (await this.#restart(session));
    return {
      chip: session.facts,
      steps: ledger.results(),
      bytes: this.#plan.bytes,
      wireBytes: this.#wireBytes + session.wireBytes,
      seconds: (performance.now() - this.#started) / 1000,
      baudRate,
      resumed: this.#resumed,
      restarted,
      notes: this.#allNotes(baudRate),
    };
  }

  /** Is it the board, and may the plan be carried out on it? The first time, all guards are asked. */
  async #meet(session: ChipSession): Promise<Ledger> {
    try {
      if (this.#ledger === undefined) this.#ledger = await this.#accept(session);
      else this.#recognise(session, this.#ledger);
      this.#met = session.link;
      return this.#ledger;
    } catch (error) {
      // Nothing was written to it: the chip goes back to what it did before.
      if (!isKeywayError(error, 'CANCELLED', ...INTERRUPTIONS) && session.link.isOpen) await session.reset();
      throw error;
    }
  }

  async #accept(session: ChipSession): Promise<Ledger> {
    const { mac, force = [], onDetected, flashSize, signal } = this.#options;
    const { facts } = session;
    onDetected?.(facts);
    this.#facts = facts;
    const notes = mac === undefined ? [] : checkBoard(mac, facts, [...this.#plan.force, ...force]);
    const plan = await settle(session, this.#plan, { force, flashSize, signal, ready: () => this.#prepare(session) });
    this.#plan = { ...plan, notes: [...notes, ...plan.notes] };
    return new Ledger(plan);
  }

  /** @throws WRONG_BOARD, BOARD_UNKNOWN; whatever is forced, half a job is not carried on on another board. */
  #recognise({ facts, link }: ChipSession, ledger: Ledger): void {
    const known = this.#facts?.mac ?? null;
    if (known !== null) checkBoard(known, facts);
    else if (link !== this.#met) {
      const [then, now] = [this.#met?.info.usb?.serialNumber, link.info.usb?.serialNumber];
      if (then === undefined || then !== now) {
        throw fail('BOARD_UNKNOWN', `Nothing tells whether the board on ${link.info.name} is the one from before.`, {
          hint: 'In secure download mode a chip does not tell its MAC. Flash the plan again from the start.',
        });
      }
    }
    this.#facts = facts;
    // What cannot be looked at again is done again.
    if (facts.security.secureDownload) ledger.clear();
  }

  /** Brings the session to work: stub, rate, and what must be said where the chip cannot be asked. */
  async #prepare(session: ChipSession): Promise<void> {
    if (this.#atSpeed) return;
    const { signal, onProgress, flashSize, useStub } = this.#options;
    const { security, name } = session.facts;
    const canRunStub = !security.secureBoot || !NO_STUB_UNDER_SECURE_BOOT.includes(name);
    if (useStub !== false && canRunStub) await session.startStub({ signal, onProgress });
    this.#atSpeed = true;
    session.stepDownBy(this.#ladder);
    await session.setBaudRate(this.#ladder.rate, { signal });
    if (session.verifies) return;
    if (flashSize === undefined) {
      const text = `The ${name} cannot be asked how large its flash is: ${SECURE_FLASH_SIZE >> 20} MB were assumed.`;
      this.#notes.set('FLASH_SIZE_ASSUMED', text);
    }
    await session.attachFlash(flashSize ?? SECURE_FLASH_SIZE, { signal });
  }

  async #restart(session: ChipSession): Promise<boolean> {
    this.#meter.report('reset', 0, 1, 'steps');
    let restarted = await session.reset();
    const { link } = session;
    if (!link.isOpen && this.#berth.returns) {
      // A chip's own USB port goes with it, and comes back once it runs.
      const device = deviceOf(link, this.#facts?.mac ?? null);
      restarted = await this.#isRunning(device);
    }
    this.#meter.report('reset', 1, 1, 'steps');
    return restarted;
  }

  /** Follows a chip whose port went with it. Whether BOOT is held all the time only its loader can tell. */
  async #isRunning(device: LostDevice): Promise<boolean> {
    const { signal, timing } = this.#options;
    try {
      const link = await this.#berth.again(device, FOLLOW_MS, signal);
      return !(await isInLoader(link, { ...defaultTiming, ...timing }, signal));
    } catch (error) {
      if (isKeywayError(error)) return false;
      throw error;
    }
  }

  async #waitForReturn(link: Link): Promise<void> {
    const { resume, signal, mac } = this.#options;
    const device = deviceOf(link, this.#facts?.mac ?? mac ?? null);
    this.#meter.report('wait', 0, 1, 'steps', link.info.name);
    resume?.onLost?.(device);
    try {
      const found = await this.#berth.again(device, resume?.patienceMs ?? PATIENCE_MS, signal);
      this.#resumed++;
      this.#meter.report('wait', 1, 1, 'steps', found.info.name);
      resume?.onFound?.(deviceOf(found, device.mac));
    } catch (error) {
      throw this.#cutShort(error);
    }
  }

  /** What an interruption on a port that is still there says of board and line. */
  #blame(error: KeywayError): void {
    if (error.code === 'BOARD_RESET') {
      this.#restarts++;
      const times = this.#restarts === 1 ? 'once' : `${this.#restarts} times`;
      const text = `The board restarted ${times} in the middle of the work. Look at its supply and the cable.`;
      this.#notes.set('BOARD_RESTARTED', text);
    }
    if (!this.#atSpeed) return;
    const { rate } = this.#ladder;
    if (error.code === 'BAUD_FAILED') this.#ladder.refused(rate);
    else this.#ladder.failed(rate);
  }

  #connecting(link: Link): FlashOptions {
    if (this.#interruption === undefined || link.info.hasControlLines) return this.#options;
    // Somebody has to hold BOOT once more.
    const { patienceMs, resume } = this.#options;
    return { ...this.#options, patienceMs: Math.max(patienceMs ?? 0, resume?.patienceMs ?? PATIENCE_MS) };
  }

  #allNotes(baudRate: number): FlashResult['notes'] {
    const asked = this.#options.baudRate ?? 460_800;
    if (this.#ladder.rate < asked) {
      this.#notes.set('RATE_LOWERED', `The line did not carry ${asked} baud: the rate was lowered to ${baudRate}.`);
    }
    return [...this.#plan.notes, ...[...this.#notes].map(([code, message]) => ({ code, message }))];
  }

  /** A run that ends early says how far it came. */
  #cutShort(error: unknown): unknown {
    const ledger = this.#ledger;
    if (ledger === undefined || !isKeywayError(error)) return error;
    const { done } = ledger;
    const steps = ledger.steps.length;
    return elaborate(
      error,
      `${done} of ${steps} steps were done and verified before.`,
      { stepsDone: done, steps },
      'Flash the plan again: what is right already is skipped, the rest is written anew.',
    );
  }
}

/** The loader refused the same thing for the same reason, and that is not what a bad line does to a block. */
function isSameRefusal(error: KeywayError, before: KeywayError | undefined): boolean {
  if (error.code !== 'CHIP_REFUSED' || before?.code !== 'CHIP_REFUSED') return false;
  const { op, status, reason } = error.detail ?? {};
  const then = before.detail ?? {};
  return (
    op !== undefined && status !== STATUS_CHECKSUM && op === then.op && status === then.status && reason === then.reason
  );
}

function noSecrets(handle: string): never {
  throw fail('NO_SECRETS', 'An NVS recipe takes a value from a handle, and nobody here can redeem it.', {
    detail: { field: 'secrets', handle: handle.length },
  });
}
