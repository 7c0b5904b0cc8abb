import type { DeviceEnd } from '../../link/index.ts';

/** What a server hands on to hosts elsewhere: the cable of a socket, or one to a bus. One host holds it at a time. */
export interface Cable {
  /** Whether a host holds it. */
  readonly isHeld: boolean;
  /** Whether it can be held at present. */
  readonly hasPort: boolean;
  /** Gives a host the cable. */
  attach(end: DeviceEnd): void;
  /** Calls back when any of this changes. Returns the way to stop. */
  onChange(listener: () => void): () => void;
}
