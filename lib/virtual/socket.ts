import { KeywayError } from '../errors/index.ts';
import { type DeviceEnd, plugMemoryPort, type UsbIdentity } from '../link/index.ts';
import type { VirtualChip } from './chip/chip.ts';
import { fail } from './errors.ts';

const sockets = new Map<string, VirtualSocket>();

/**
 * A named place on the bench: a cable, and the chip that sits at its end, if one does. Plugged in, it is the port
 * `virtual:<name>`; servers may hand the same cable to hosts elsewhere. One host holds the cable at a time.
 */
export class VirtualSocket {
  readonly name: string;
  readonly usb: UsbIdentity | undefined;
  #chip: VirtualChip | undefined;
  #end: DeviceEnd | undefined;
  #unplugPort: (() => void) | undefined;
  #closed = false;
  readonly #watchers = new Set<() => void>();
  readonly #pulled = (): void => this.pull();

  /** Plugged in from the start. @throws SOCKET_NAME_TAKEN, PORT_BUSY */
  constructor(options: { name: string; usb?: UsbIdentity }) {
    this.name = options.name;
    this.usb = options.usb;
    if (sockets.has(this.name)) {
      throw fail('SOCKET_NAME_TAKEN', `There is a socket "${this.name}" on the bench already.`, {
        hint: 'Give each socket a name of its own.',
        detail: { field: 'name', value: this.name },
      });
    }
    this.plug();
    sockets.set(this.name, this);
  }

  get chip(): VirtualChip | undefined {
    return this.#chip;
  }

  /** Whether the cable is in: the port is there. */
  get isPlugged(): boolean {
    return this.#unplugPort !== undefined;
  }

  /** Whether a host holds the cable. */
  get isHeld(): boolean {
    return this.#end !== undefined;
  }

  /** Calls back when the cable is pulled or plugged, held or let go, and when the chip changes. */
  onChange(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** Puts a chip in and gives it power, if the cable is in. @throws SOCKET_OCCUPIED */
  insert(chip: VirtualChip): void {
    if (this.#chip !== undefined) {
      throw fail('SOCKET_OCCUPIED', `A chip sits in socket "${this.name}" already (${this.#chip.mac}).`, {
        hint: 'Take it out first.',
        detail: { field: 'name', value: this.name, mac: this.#chip.mac },
      });
    }
    this.#chip = chip;
    chip.on('pull', this.#pulled);
    if (!this.isPlugged) chip.powerOff();
    else chip.powerOn();
    if (this.#end !== undefined) chip.attach(this.#end);
    this.#changed();
  }

  /** Takes the chip out, without power. The cable stays where it is. */
  remove(): VirtualChip | undefined {
    const chip = this.#chip;
    this.#chip = undefined;
    chip?.off('pull', this.#pulled);
    chip?.detach();
    chip?.powerOff();
    if (chip !== undefined) this.#changed();
    return chip;
  }

  /** Pulls the cable out of the computer: the host loses its port at once, the chip its power. */
  pull(): void {
    this.#unplugPort?.();
    this.#unplugPort = undefined;
    const end = this.#end;
    this.#end = undefined;
    end?.unplug();
    this.#chip?.detach();
    this.#chip?.powerOff();
    this.#changed();
  }

  /** Puts the cable back in: the chip gets power and boots. */
  plug(): void {
    if (this.isPlugged || this.#closed) return;
    this.#unplugPort = plugMemoryPort({
      name: this.name,
      ...(this.usb === undefined ? {} : { usb: this.usb }),
      attach: (end) => this.attach(end),
    });
    this.#chip?.powerOn();
    this.#changed();
  }

  /** Gives a host the cable. @throws PORT_BUSY when another one holds it. */
  attach(end: DeviceEnd): void {
    if (this.#end !== undefined) {
      throw new KeywayError('PORT_BUSY', `The cable of socket "${this.name}" is held by another host.`, {
        hint: 'Close the other connection to this chip first.',
        detail: { field: 'name', value: this.name },
      });
    }
    this.#end = end;
    end.onClose(() => {
      if (this.#end !== end) return;
      this.#end = undefined;
      this.#chip?.detach();
      this.#changed();
    });
    this.#chip?.attach(end);
    this.#changed();
  }

  /** Takes socket, cable and chip off the bench. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.pull();
    this.remove();
    if (sockets.get(this.name) === this) sockets.delete(this.name);
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** The socket of that name, if it is on the bench. */
export function findSocket(name: string): VirtualSocket | undefined {
  return sockets.get(name);
}

/** All sockets of the bench, in the order they came. */
export function listSockets(): VirtualSocket[] {
  return [...sockets.values()];
}
