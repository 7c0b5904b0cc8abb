/**
 * One byte stream to a device, with the two control lines of a serial port. Local serial, RFC 2217, raw TCP and the
 * in-memory cable of the virtual bench all look like this; nothing above lib/link may tell them apart by other means.
 */
export interface Link {
  readonly info: LinkInfo;
  /** False once closed by either side. */
  readonly isOpen: boolean;
  /** The rate this side sends and samples at, in baud. On a link without baud control it is only a note. */
  readonly baudRate: number;
  /** The control lines as last set. */
  readonly lines: ControlLines;

  /**
   * Sends bytes in order. Resolves when the driver or socket has taken them.
   * @throws PORT_GONE when the link is closed or the cable is pulled meanwhile.
   */
  write(bytes: Uint8Array): Promise<void>;

  /** Sets both lines in one step: a partial update would let a driver's default assert the other one. */
  setLines(lines: ControlLines): Promise<void>;

  /** Changes the rate in place, without closing: reopening resets many boards. */
  setBaudRate(baudRate: number): Promise<void>;

  /** Chunks exactly as they arrive. Bytes that nobody listens to are dropped. Returns the way to stop listening. */
  onData(listener: (chunk: Uint8Array) => void): () => void;

  /**
   * Called once, at once, when the link ends: with an error (PORT_GONE, …) when the far side or the cable went,
   * without one after close(). A listener added after the end is called in a microtask.
   */
  onClose(listener: (error: Error | undefined) => void): () => void;

  /** Idempotent. Resolves when the port may be opened again. */
  close(): Promise<void>;
}

/** The two lines a host sets: on most boards they reset the chip. */
export interface ControlLines {
  /** Data terminal ready; true = asserted (low on the wire). */
  readonly dtr: boolean;
  /** Request to send; true = asserted. */
  readonly rts: boolean;
}

/** By which way a link reaches its device. */
export type LinkKind = 'serial' | 'rfc2217' | 'tcp' | 'virtual';

/** What a link is and what it can do. Fixed for its life. */
export interface LinkInfo {
  /** What was opened, in the canonical spelling of `formatAddress`. */
  readonly address: string;
  readonly kind: LinkKind;
  /** What people call it; the address when nobody named it. */
  readonly name: string;
  /** Whether setLines reaches the device. */
  readonly hasControlLines: boolean;
  /** Whether setBaudRate reaches the device's line. */
  readonly hasBaudControl: boolean;
  /** Local port, in-memory or loopback: a secret may cross it in clear (DESIGN §5.6). */
  readonly isLocal: boolean;
  /** What USB says of the adapter, when it is one. */
  readonly usb?: UsbIdentity;
}

/** What USB says of an adapter. */
export interface UsbIdentity {
  /** Four lower-case hex digits. */
  readonly vendorId: string;
  readonly productId: string;
  readonly serialNumber?: string;
  readonly manufacturer?: string;
  readonly product?: string;
}

/** How to open a port. */
export interface OpenOptions {
  /** Default 115200. */
  baudRate?: number;
  /** Who holds the port, in words for another user: "flash bench-1". */
  owner: string;
  /** What people call the port, for messages. */
  name?: string;
  signal?: AbortSignal;
  /** How long opening (TCP connect, RFC 2217 negotiation) may take. Default 5000 ms. */
  timeoutMs?: number;
}
