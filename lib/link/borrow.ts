import { setTimeout as sleep } from 'node:timers/promises';
import { isKeywayError } from '../errors/index.ts';
import { fail } from './errors.ts';
import type { Link, OpenOptions } from './link.ts';
import { openLink } from './open.ts';
import { claimPort } from './ownership.ts';

/**
 * What a `serial-port` configuration node of node-red-node-serialport shows of itself. Its open port is private to
 * that package: `changePort({})` closes it, the event `start` opens it again.
 */
export interface SerialPortConfig {
  readonly serialport: string;
  readonly serialbaud?: number;
  /** False (or "false") while a serial control node has stopped the port. */
  readonly enabled?: boolean | string;
  readonly changePort?: ((settings: object) => void) | undefined;
  emit(event: 'start'): unknown;
}

/** How to open the borrowed port, and how patiently. */
export interface BorrowOptions extends OpenOptions {
  /** How long to wait for the other package to let go of the port, which it does not announce. Default 3000 ms. */
  releaseWithinMs?: number;
  /** Pause between tries. Default 50 ms. */
  retryEveryMs?: number;
}

/**
 * Uses the port of a `serial-port` configuration node: has it released, opens it, hands it back whatever happens.
 * A port that was stopped before stays stopped.
 *
 * @throws BORROW_UNSUPPORTED, CANCELLED, whatever `openLink` and `use` throw.
 */
export async function borrowSerialPort<T>(
  config: SerialPortConfig,
  use: (link: Link) => Promise<T>,
  options: BorrowOptions,
): Promise<T> {
  const path = config.serialport;
  if (typeof config.changePort !== 'function' || typeof config.emit !== 'function') {
    throw fail('BORROW_UNSUPPORTED', `The serial-port node for ${path} does not let its port be borrowed.`, {
      hint:
        'Stop the port with a serial control node (payload {"enabled": false}) before, and start it again after; ' +
        'or update node-red-node-serialport.',
      detail: { field: 'address', value: path },
    });
  }
  // A port that is taken by a node of ours is not taken away from its owner.
  claimPort(path, options.owner)();
  const wasEnabled = String(config.enabled ?? true) !== 'false';
  config.changePort({});
  try {
    const link = await openOnceFree(path, { baudRate: config.serialbaud ?? 115200, ...options });
    try {
      return await use(link);
    } finally {
      await link.close();
    }
  } finally {
    if (wasEnabled) config.emit('start');
  }
}

async function openOnceFree(path: string, options: BorrowOptions): Promise<Link> {
  const { releaseWithinMs = 3000, retryEveryMs = 50, signal } = options;
  for (let waited = 0; ; waited += retryEveryMs) {
    try {
      return await openLink(path, options);
    } catch (error) {
      if (!isKeywayError(error, 'PORT_BUSY') || waited >= releaseWithinMs) throw error;
    }
    // An aborted pause is no error of its own: the next try reports it as CANCELLED.
    await sleep(retryEveryMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}
