import type { ControlLines, DeviceEnd } from '../../link/index.ts';

/** The device's end of a cable whose other end is somewhere else: a socket's, a pseudo-terminal's. */
export class RemoteEnd implements DeviceEnd {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #hangUp: () => void;
  readonly #data = new Set<(chunk: Uint8Array) => void>();
  readonly #lineListeners = new Set<(lines: ControlLines) => void>();
  readonly #baudListeners = new Set<(baudRate: number) => void>();
  readonly #close = new Set<() => void>();
  #lines: ControlLines = { dtr: false, rts: false };
  #baudRate: number | null;
  #open = true;

  constructor(options: { send: (bytes: Uint8Array) => void; hangUp: () => void; baudRate: number | null }) {
    this.#send = options.send;
    this.#hangUp = options.hangUp;
    this.#baudRate = options.baudRate;
  }

  get lines(): ControlLines {
    return this.#lines;
  }

  get baudRate(): number | null {
    return this.#baudRate;
  }

  send(bytes: Uint8Array): void {
    if (this.#open) this.#send(bytes);
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#data.add(listener);
  }

  onLines(listener: (lines: ControlLines) => void): void {
    this.#lineListeners.add(listener);
  }

  onBaudRate(listener: (baudRate: number) => void): void {
    this.#baudListeners.add(listener);
  }

  onClose(listener: () => void): void {
    this.#close.add(listener);
  }

  unplug(): void {
    if (!this.#open) return;
    this.ended();
    this.#hangUp();
  }

  /** The host sent bytes. */
  received(bytes: Uint8Array): void {
    if (this.#open) for (const listener of [...this.#data]) listener(bytes);
  }

  /** The host set its lines. */
  setLines(lines: ControlLines): void {
    if (!this.#open || (lines.dtr === this.#lines.dtr && lines.rts === this.#lines.rts)) return;
    this.#lines = lines;
    for (const listener of [...this.#lineListeners]) listener(lines);
  }

  setBaudRate(baudRate: number): void {
    if (!this.#open) return;
    this.#baudRate = baudRate;
    for (const listener of [...this.#baudListeners]) listener(baudRate);
  }

  /** The host is gone. */
  ended(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const listener of [...this.#close]) listener();
  }
}
