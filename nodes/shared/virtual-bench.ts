import { createHash, randomBytes } from 'node:crypto';
import { demoImageSet } from '../../lib/esp/index.ts';
import { servePty, serveRfc2217, serveTcp, VirtualChip, VirtualSocket } from '../../lib/virtual/index.ts';
import { fail } from './errors.ts';
import { parseSize } from './evaluate.ts';

/** How a bench is set up: what a keyway-virtual-chip node saves. */
export interface BenchSettings {
  readonly name: string;
  readonly model: string;
  readonly mac: string;
  readonly flashSize: string;
  readonly line: 'auto' | 'paced' | 'free';
  readonly flashTiming: boolean;
  readonly start: 'blank' | 'demo';
  readonly rfc2217Port: string;
  readonly tcpPort: string;
  readonly ptyPath: string;
}

/** What is in the flash of a chip stays there when the flow is deployed again, as it does in a real one. */
const drawer = new Map<string, { like: string; flash: Uint8Array; mac: string }>();

/** A socket of the bench with its chip, as a keyway-virtual-chip node sets it up. */
export class VirtualBench {
  readonly socket: VirtualSocket;
  readonly #id: string;
  readonly #config: BenchSettings;
  readonly #services: { close(): Promise<void> }[] = [];

  /** @throws what lib/virtual says of a name that is taken, a bad MAC or size */
  constructor(id: string, config: BenchSettings) {
    this.#id = id;
    this.#config = config;
    const kept = drawer.get(id);
    const chip =
      kept?.like === this.#like()
        ? this.#chip(kept.mac, kept.flash)
        : this.#chip(config.mac.trim() || ownMac(id), this.#freshFlash());
    this.socket = new VirtualSocket({ name: config.name.trim() || id });
    this.socket.insert(chip);
  }

  /** Serves the socket on loopback besides, where the node says so. @throws BAD_FIELD, LISTEN_FAILED, PTY_HELPER_MISSING, PTY_FAILED */
  async serve(): Promise<void> {
    const rfc2217 = portOf('rfc2217Port', this.#config.rfc2217Port);
    const tcp = portOf('tcpPort', this.#config.tcpPort);
    const host = '127.0.0.1';
    if (rfc2217 > 0) this.#services.push(await serveRfc2217(this.socket, { host, port: rfc2217 }));
    if (tcp > 0) this.#services.push(await serveTcp(this.socket, { host, port: tcp }));
    const path = this.#config.ptyPath.trim();
    if (!isOff(path)) this.#services.push(await servePty(this.socket, { path }));
  }

  /** Takes the board off its socket and puts another one there: the cable is out meanwhile. @throws BAD_MAC */
  swap(mac: string | undefined): VirtualChip {
    const next = this.#chip(mac ?? randomMac(), this.#freshFlash());
    this.socket.pull();
    this.socket.remove();
    this.socket.insert(next);
    this.socket.plug();
    return next;
  }

  async close(removed: boolean): Promise<void> {
    const chip = this.socket.chip;
    if (removed) drawer.delete(this.#id);
    else if (chip !== undefined) drawer.set(this.#id, { like: this.#like(), flash: chip.flash, mac: chip.mac });
    await Promise.all(this.#services.map((service) => service.close()));
    this.socket.close();
  }

  #chip(mac: string, flash: Uint8Array): VirtualChip {
    const { model, flashTiming, line } = this.#config;
    const free = line === 'free' || (line === 'auto' && process.env.KEYWAY_LINE === 'free');
    return new VirtualChip({ model, mac, flash, flashTiming, line: free ? 'free' : 'paced' });
  }

  #freshFlash(): Uint8Array {
    const flash = new Uint8Array(parseSize(this.#config.flashSize)).fill(0xff);
    if (this.#config.start === 'demo') {
      for (const { offset, data } of demoImageSet(this.#config.model).regions) flash.set(data, offset);
    }
    return flash;
  }

  /** A chip set up otherwise is another chip. */
  #like(): string {
    const { model, mac, flashSize, start } = this.#config;
    return [model, mac, flashSize, start].join(' ');
  }
}

/** A blank field. An environment variable that is not set leaves its name there. */
function isOff(text: string): boolean {
  return text === '' || text.startsWith('${');
}

/** A TCP port; 0 = not served. @throws BAD_FIELD */
function portOf(field: string, saved: string): number {
  const text = String(saved).trim();
  if (isOff(text)) return 0;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw fail('BAD_FIELD', `The field "${field}" must be a port from 1 to 65535, or blank; it is "${text}".`, {
    hint: 'Open the virtual chip and correct it.',
    detail: { field, value: text },
  });
}

/** The same at each start: made from the node's id, locally administered. */
function ownMac(id: string): string {
  return localMac(createHash('sha256').update(id).digest());
}

function randomMac(): string {
  return localMac(randomBytes(6));
}

function localMac(bytes: Uint8Array): string {
  const six = Buffer.from(bytes.subarray(0, 6));
  six[0] = ((six[0] ?? 0) & 0xfc) | 0x02;
  return (six.toString('hex').match(/../g) ?? []).join(':');
}
