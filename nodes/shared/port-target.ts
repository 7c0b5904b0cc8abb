import type { SerialPortConfig } from '../../lib/link/index.ts';

/** A port that may be used, and how. */
export interface PortTarget {
  readonly address: string;
  readonly name: string;
  /** Rate of the chip's console, in baud. */
  readonly baudRate: number;
  /** Somebody else's port: its owner lets go while we use it, and gets it back. */
  readonly lender?: SerialPortConfig;
  /** Id of the pool that lets messages name it: see `poolSlot`. */
  readonly pool?: string;
}
