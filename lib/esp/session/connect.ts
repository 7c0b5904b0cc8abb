import { isKeywayError } from '../../errors/index.ts';
import type { Link } from '../../link/index.ts';
import { Channel } from './channel.ts';
import { fail, throwIfCancelled } from './errors.ts';
import { Op, ROM_BAUD, syncPayload } from './protocol.ts';
import { resetIntoLoader, resetKindOf } from './reset.ts';
import { sleep, type Timing } from './timing.ts';

export interface SyncOptions {
  /** How often to reset and try. Default 7. */
  readonly attempts?: number;
  /** `auto` restarts the chip into its loader by the control lines where there are any; `none` leaves it as it is. */
  readonly resetBefore?: 'auto' | 'none';
  /**
   * How long to go on after the attempts are used up, for a person to hold BOOT and tap EN, in ms. Default 0 where the
   * control lines reset the chip, 10000 where they cannot.
   */
  readonly patienceMs?: number;
  /** The chip does not come by itself: a person is needed. Called once. */
  readonly onWaiting?: ((reason: 'BOOT') => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Synced {
  /** The flasher stub of an earlier session answers: it need not be uploaded again. */
  readonly stubRunning: boolean;
  readonly attempts: number;
}

/**
 * Brings the chip into its loader and the line into step.
 * @throws NO_ANSWER, WRONG_BOOT_MODE, CHIP_SILENT, PORT_GONE, CANCELLED.
 */
export async function synchronise(channel: Channel, timing: Timing, options: SyncOptions): Promise<Synced> {
  const { link } = channel;
  const attempts = options.attempts ?? 7;
  const resets = options.resetBefore !== 'none' && resetKindOf(link) !== 'none';
  const patience = options.patienceMs ?? (resets ? 0 : 10_000);
  // A stub left running keeps the rate it was set to; a chip that was just reset is at the ROM's.
  const rates = resets || link.baudRate === ROM_BAUD ? [ROM_BAUD] : [link.baudRate, ROM_BAUD];
  const started = performance.now();
  let printed = '';
  let asked = false;
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(options.signal);
    for (const rate of rates) {
      if (link.baudRate !== rate) await link.setBaudRate(rate);
      channel.forget();
      if (resets) {
        const hold = timing.bootHoldMs[(attempt - 1) % timing.bootHoldMs.length] ?? 50;
        await resetIntoLoader(link, timing, hold, options.signal);
      }
      const value = await trySync(channel, timing, options.signal);
      if (value !== undefined) return { stubRunning: value === 0, attempts: attempt };
      printed = channel.printed || printed;
    }
    if (attempt >= attempts && performance.now() - started >= patience)
      throw noLoader(channel, printed, attempt, resets);
    if (!asked && !/waiting for download/.test(printed)) {
      asked = true;
      options.onWaiting?.('BOOT');
    }
    if (!resets) await sleep(timing.syncMs, options.signal);
  }
}

/** A few SYNCs; the value of the first answer, undefined when there is none. */
export async function trySync(channel: Channel, timing: Timing, signal?: AbortSignal): Promise<number | undefined> {
  for (let i = 0; i < timing.syncsPerAttempt; i++) {
    try {
      return (await channel.command(Op.SYNC, syncPayload(), { timeoutMs: timing.syncMs, signal })).value;
    } catch (error) {
      if (!isKeywayError(error, 'CHIP_STOPPED', 'CHIP_REFUSED')) throw error;
    }
  }
  return undefined;
}

/** Whether the loader answers on that link, just like that. */
export async function isInLoader(link: Link, timing: Timing, signal?: AbortSignal): Promise<boolean> {
  const channel = new Channel(link);
  try {
    return (await trySync(channel, timing, signal)) !== undefined;
  } finally {
    channel.close();
  }
}

function noLoader(channel: Channel, printed: string, attempts: number, resets: boolean): Error {
  const { name, address } = channel.link.info;
  const tried = `${ROM_BAUD} baud, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  const boot = /boot:(0x[0-9a-f]+)(?: ?\(([^)]*)\))?/i.exec(printed);
  const detail = { address, baudRate: ROM_BAUD, attempts, printed: printed.slice(-400) };
  if (/waiting for download/.test(printed)) {
    return fail(
      'CHIP_SILENT',
      `The chip on ${name} says "waiting for download" but does not answer (${tried}): what is sent does not reach it.`,
      { hint: "Check the wire from the adapter's TX to the chip's RX.", detail },
    );
  }
  if (boot !== null) {
    const mode = boot[2] === undefined ? `boot:${boot[1]}` : `boot:${boot[1]} (${boot[2]})`;
    return fail(
      'WRONG_BOOT_MODE',
      `No answer from the chip on ${name} (${tried}). It printed \`${mode}\`: it is running its firmware.`,
      { hint: 'Hold BOOT, tap EN, and try again.', detail: { ...detail, bootMode: boot[1] } },
    );
  }
  const text = printed === '' ? 'It printed nothing.' : `It sent ${printed.length} bytes that are no boot log.`;
  return fail('NO_ANSWER', `No answer from the chip on ${name} (${tried}). ${text}`, {
    hint: resets
      ? 'Check power, cable and port; then hold BOOT, tap EN, and try again.'
      : 'This link has no control lines: hold BOOT, tap EN, and try again.',
    detail,
  });
}
