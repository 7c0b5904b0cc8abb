import { isKeywayError, KeywayError } from '../../errors/index.ts';
import type { Link, UsbIdentity } from '../../link/index.ts';
import { fail, throwIfCancelled } from './errors.ts';
import { sleep } from './timing.ts';

/** What is known of a board whose port was lost. */
export interface LostDevice {
  /** Where it was. */
  readonly address: string;
  /** What USB said of its port. */
  readonly usb?: UsbIdentity;
  /** Base MAC, lower case with colons; null while the chip was not asked yet, or does not tell. */
  readonly mac: string | null;
}

/**
 * A board that can be reached again after its port was lost. The links are whoever opened them to close: `flash`
 * closes a lost one, so that its port can be had again, and leaves the last one open.
 */
export interface FlashTarget {
  /**
   * Opens the port. The first time `again` is null; later it is what is known of the device, and this waits for it to
   * come back, under whatever address. The signal ends the wait.
   */
  open(again: LostDevice | null, signal: AbortSignal | undefined): Promise<Link>;
}

/** Just after it is plugged in, a port may be there and not be ready: rights, other programs that look at it. */
const NOT_READY = ['PORT_NOT_FOUND', 'PORT_PERMISSION', 'PORT_BUSY', 'PORT_FAILED', 'PORT_GONE', 'PORT_UNREACHABLE'];
const RETRY_MS = 250;

/** The port that a job works on, over losses. */
export class Berth {
  readonly #target: FlashTarget | null;
  #link: Link | undefined;

  constructor(target: Link | FlashTarget) {
    const isTarget = 'open' in target;
    this.#target = isTarget ? target : null;
    this.#link = isTarget ? undefined : target;
  }

  /** The last link that was had. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Whether a lost port can be had again. */
  get returns(): boolean {
    return this.#target !== null;
  }

  async first(signal: AbortSignal | undefined): Promise<Link> {
    this.#link ??= await (this.#target as FlashTarget).open(null, signal);
    return this.#link;
  }

  /**
   * Waits for the same device and opens its port.
   * @throws DEVICE_NOT_BACK after `patienceMs`, CANCELLED, what the target throws.
   */
  async again(lost: LostDevice, patienceMs: number, signal: AbortSignal | undefined): Promise<Link> {
    await this.#link?.close();
    const patience = AbortSignal.timeout(patienceMs);
    const either = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    for (;;) {
      try {
        this.#link = await (this.#target as FlashTarget).open(lost, either);
        return this.#link;
      } catch (error) {
        throwIfCancelled(signal);
        if (patience.aborted) throw notBack(lost, patienceMs, error);
        if (!isKeywayError(error, ...NOT_READY)) throw error;
        await sleep(RETRY_MS, either).catch(() => undefined);
      }
    }
  }
}

/** What is known of the device at the end of a link. */
export function deviceOf(link: Link, mac: string | null): LostDevice {
  const { address, usb } = link.info;
  return { address, mac, ...(usb === undefined ? {} : { usb }) };
}

/** @throws DEVICE_NOT_BACK */
function notBack({ address, mac, usb }: LostDevice, patienceMs: number, cause: unknown): Error {
  if (isKeywayError(cause, 'DEVICE_NOT_BACK')) return cause;
  const board = mac === null ? `The board of ${address}` : `The board ${mac} of ${address}`;
  return fail('DEVICE_NOT_BACK', `${board} did not come back within ${(patienceMs / 1000).toFixed(0)} s.`, {
    hint: 'Plug the same board in and flash the plan again: what is right already is skipped.',
    cause,
    detail: { address, mac, ...(usb === undefined ? {} : { usb }), patienceMs },
  });
}

/** The same code with what else is to be said. */
export function elaborate(
  error: KeywayError,
  more: string,
  detail: Record<string, unknown> = {},
  hint?: string,
): KeywayError {
  const advice = error.hint ?? hint;
  return new KeywayError(error.code, `${error.message} ${more}`, {
    ...(advice === undefined ? {} : { hint: advice }),
    cause: error,
    detail: { ...error.detail, ...detail },
  });
}
