import { KeywayError } from '../errors/index.ts';
import { type DeviceEnd, findMemoryPort, plugMemoryPort, type UsbIdentity } from '../link/index.ts';
import type { VirtualChip } from './chip/chip.ts';
import { fail } from './errors.ts';

const sockets = new Map<string, VirtualSocket>();

/**
 * A named place on the bench: a cable, and the chip that sits at its end, if one does. Servers may hand the same cable
 * to hosts elsewhere. One host holds the cable at a time.
 *
 * With a chip on its UART the cable ends in a bridge: plugged in, it is the port `virtual:<name>`, whether or not a
 * chip is there. A chip with its own USB controller is the port itself, with Espressif's USB identity and its MAC as
 * serial number: the port goes when the chip loses its power or restarts by a watchdog, and comes back some tens of ms
 * later, as `virtual:<name>#2` while a host still holds the old one, as /dev/ttyACM0 becomes /dev/ttyACM1.
 */
export class VirtualSocket {
  readonly name: string;
  readonly #bridgeUsb: UsbIdentity | undefined;
  #chip: VirtualChip | undefined;
  #end: DeviceEnd | undefined;
  #port: { readonly name: string; unplug(): void } | undefined;
  #cableIn = false;
  #closed = false;
  /** Whether the cable ends in a bridge: not with a chip of its own USB, nor once one was taken out. */
  #bridge = true;
  /** Names of ports that are gone and whose hosts have not let go yet. */
  readonly #held = new Map<DeviceEnd, string>();
  readonly #watchers = new Set<() => void>();
  readonly #pulled = (): void => this.pull();
  readonly #usbChanged = (): void => {
    this.#followChip();
    this.#changed();
  };

  /** Plugged in from the start. `usb` is what the bridge says of itself. @throws SOCKET_NAME_TAKEN, PORT_BUSY */
  constructor(options: { name: string; usb?: UsbIdentity }) {
    this.name = options.name;
    this.#bridgeUsb = options.usb;
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

  /** What USB says of the port. */
  get usb(): UsbIdentity | undefined {
    return this.#chip?.connection === 'usb-jtag' ? usbOf(this.#chip) : this.#bridgeUsb;
  }

  /** Whether the cable is in. */
  get isPlugged(): boolean {
    return this.#cableIn;
  }

  /** Whether the port is there: the cable is in, and a chip that is its own port has come up. */
  get hasPort(): boolean {
    return this.#port !== undefined;
  }

  /** What a host opens now; undefined while the port is not there. */
  get address(): string | undefined {
    return this.#port === undefined ? undefined : `virtual:${this.#port.name}`;
  }

  /** Whether a host holds the cable. */
  get isHeld(): boolean {
    return this.#end !== undefined;
  }

  /** Calls back when the port comes or goes, when it is held or let go, and when the chip changes. */
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
    chip.on('usb', this.#usbChanged);
    const bridge = chip.connection === 'uart';
    if (bridge !== this.#bridge || !bridge) this.#hidePort();
    this.#bridge = bridge;
    // A chip that is its own port has its power from the cable: it starts as the cable goes in.
    if (!bridge || !this.isPlugged) chip.powerOff();
    if (this.isPlugged) {
      this.#showPort();
      chip.powerOn();
    }
    if (this.#end !== undefined) chip.attach(this.#end);
    this.#changed();
  }

  /** Takes the chip out, without power. The cable stays where it is. */
  remove(): VirtualChip | undefined {
    const chip = this.#chip;
    this.#chip = undefined;
    chip?.off('pull', this.#pulled);
    chip?.off('usb', this.#usbChanged);
    if (!this.#bridge) this.#hidePort();
    chip?.detach();
    chip?.powerOff();
    if (chip !== undefined) this.#changed();
    return chip;
  }

  /** Pulls the cable out of the computer: the host loses its port at once, the chip its power. */
  pull(): void {
    this.#cableIn = false;
    this.#hidePort();
    this.#chip?.detach();
    this.#chip?.powerOff();
    this.#changed();
  }

  /** Puts the cable back in: the chip gets power and boots. */
  plug(): void {
    if (this.isPlugged || this.#closed) return;
    this.#showPort();
    this.#cableIn = true;
    this.#chip?.powerOn();
    this.#changed();
  }

  /** Gives a host the cable, or hangs up on it when the port is not there. @throws PORT_BUSY when another one holds it. */
  attach(end: DeviceEnd): void {
    if (this.#end !== undefined) {
      throw new KeywayError('PORT_BUSY', `The cable of socket "${this.name}" is held by another host.`, {
        hint: 'Close the other connection to this chip first.',
        detail: { field: 'name', value: this.name },
      });
    }
    const port = this.#port;
    if (port === undefined) {
      end.unplug();
      return;
    }
    this.#end = end;
    if (!this.#bridge && end.onRelease !== undefined) {
      this.#held.set(end, port.name);
      end.onRelease(() => this.#held.delete(end));
    }
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

  /** The port of a chip that is its own goes and comes with it. */
  #followChip(): void {
    if (this.#chip?.hasUsbPort === true && this.#cableIn) this.#showPort();
    else this.#hidePort();
  }

  #showPort(): void {
    if (this.#port !== undefined || (!this.#bridge && this.#chip?.hasUsbPort !== true)) return;
    const name = this.#bridge ? this.name : this.#freeName();
    const { usb } = this;
    const unplug = plugMemoryPort({
      name,
      ...(usb === undefined ? {} : { usb }),
      attach: (end) => this.attach(end),
    });
    this.#port = { name, unplug };
  }

  #hidePort(): void {
    this.#port?.unplug();
    this.#port = undefined;
    const end = this.#end;
    this.#end = undefined;
    if (end === undefined) return;
    this.#chip?.detach();
    end.unplug();
  }

  /** The first of name, name#2, name#3 … that nobody holds. */
  #freeName(): string {
    const taken = new Set(this.#held.values());
    for (let i = 1; ; i++) {
      const name = i === 1 ? this.name : `${this.name}#${i}`;
      if (!taken.has(name) && findMemoryPort(name) === undefined) return name;
    }
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

function usbOf(chip: VirtualChip): UsbIdentity {
  return {
    vendorId: '303a',
    productId: '1001',
    serialNumber: chip.mac.toUpperCase(),
    manufacturer: 'Espressif',
    product: 'USB JTAG/serial debug unit',
  };
}

/** The socket of that name, if it is on the bench. */
export function findSocket(name: string): VirtualSocket | undefined {
  return sockets.get(name);
}

/** All sockets of the bench, in the order they came. */
export function listSockets(): VirtualSocket[] {
  return [...sockets.values()];
}
