import type { ImageCache } from '../cache/index.ts';
import type { ChipFacts } from '../types.ts';
import type { Secrets } from './nvs-work.ts';
import type { ConnectOptions } from './session.ts';
import type { LostDevice } from './target.ts';

/** How to go on after a port was lost or a board restarted. */
export interface ResumeOptions {
  /** How long a lost board may stay away, in ms. Default 120000. */
  readonly patienceMs?: number | undefined;
  /** How often in a row the work may be cut short without having gone any further. Default 5; 0 = never go on. */
  readonly attempts?: number | undefined;
  /** The port is lost: the board is waited for. */
  readonly onLost?: ((device: LostDevice) => void) | undefined;
  /** A port is there again; whether it is the same board, its MAC will show. */
  readonly onFound?: ((device: LostDevice) => void) | undefined;
}

/** How to flash. All but the platform has a default. */
export interface FlashOptions extends ConnectOptions {
  /** The rate to flash at, in baud. Default 460800. */
  readonly baudRate?: number | undefined;
  /** Whether the rate is lowered after two faults of the line: 921600, 460800, 230400, 115200. Default true. */
  readonly stepDown?: boolean | undefined;
  /** Whether the chip starts its firmware after. Default true. */
  readonly resetAfter?: boolean | undefined;
  /** Guards to override, beside those of the plan. */
  readonly force?: readonly string[] | undefined;
  /** False writes by the ROM loader alone: slow, for chips whose stub will not run. Default true. */
  readonly useStub?: boolean | undefined;
  /** Whether what is right already, by its MD5, is left alone. Default true. */
  readonly skip?: boolean | undefined;
  /** What chips were flashed with before, so that only sectors that changed are written. Default none. */
  readonly cache?: ImageCache | undefined;
  /** Gives the bytes behind the handles of NVS recipes; asked before the port is opened, and copied. */
  readonly secrets?: Secrets | undefined;
  /** Base MAC of the board that is expected; any board when absent. */
  readonly mac?: string | undefined;
  readonly resume?: ResumeOptions | undefined;
  /** Bytes of flash of a chip that cannot be asked (secure download mode). Default 2 MB. */
  readonly flashSize?: number | undefined;
  /** Told what the chip is before anything is written; what it throws refuses the chip. */
  readonly onDetected?: ((facts: ChipFacts) => void) | undefined;
}
