import { createHash, randomBytes } from 'node:crypto';
import { demoImageSet } from '../../lib/esp/index.ts';
import {
  type ApplicationOptions,
  servePty,
  serveRfc2217,
  serveTcp,
  VirtualChip,
  VirtualSocket,
} from '../../lib/virtual/index.ts';
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
  readonly connection: 'uart' | 'usb-jtag';
  readonly secureBoot: 'off' | 'v1' | 'v2';
  readonly encryption: 'off' | 'development' | 'release';
  readonly secureDownload: boolean;
  readonly rfc2217Port: string;
  readonly tcpPort: string;
  readonly ptyPath: string;
  readonly application: boolean;
  readonly broker: string;
  readonly est: string;
  readonly renewPart: string;
  readonly serverName: string;
}

/** A board, in its socket or in the drawer: what stays of it without power. */
interface Board {
  readonly model: string;
  readonly mac: string;
  readonly flash: Uint8Array;
  /** The key of its flash encryption. */
  readonly key: Uint8Array;
  /** The key in its efuses from which those of NVS follow. */
  readonly hmacKey?: Uint8Array;
}

/** How many boards that were taken out are kept beside the one that is in. */
const DRAWER = 8;

/** What is in the flash of a board stays there when the flow is deployed again, as it does in a real one. */
const drawers = new Map<string, { like: string; boards: Board[] }>();

/** A socket of the bench with its chip, as a keyway-virtual-chip node sets it up. */
export class VirtualBench {
  readonly socket: VirtualSocket;
  readonly #id: string;
  readonly #config: BenchSettings;
  /** The one in the socket first, then those that were taken out, the latest first. */
  #boards: Board[];
  readonly #services: { close(): Promise<void> }[] = [];

  /** @throws what lib/virtual says of a name that is taken, a bad MAC, size or option */
  constructor(id: string, config: BenchSettings) {
    this.#id = id;
    this.#config = config;
    const kept = drawers.get(id);
    this.#boards = kept?.like === this.#like() ? kept.boards : [this.#newBoard(config.mac.trim() || ownMac(id))];
    const chip = this.#chip(this.#board);
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

  /**
   * Takes the board off its socket and puts another one there: the cable is out meanwhile. A board that was there
   * before comes back with what is in its flash, by its MAC; without one it is a new board.
   * @throws BAD_MAC, BAD_CHIP_OPTION
   */
  swap(mac: string | undefined, model?: string): VirtualChip {
    const known = this.#boards.find((board) => board.mac === spelledOut(mac) && board.model === (model ?? board.model));
    const board = known ?? this.#newBoard(mac ?? randomMac(), model ?? this.#board.model);
    return this.#putIn(board);
  }

  /** Burns a key into the efuses of the board that is in, which starts again with it. @throws BAD_CHIP_OPTION */
  burnHmacKey(key: Uint8Array): VirtualChip {
    return this.#putIn({ ...this.#board, hmacKey: Uint8Array.from(key) });
  }

  #putIn(board: Board): VirtualChip {
    const chip = this.#chip(board);
    this.#boards = [{ ...board, mac: chip.mac }, ...this.#boards.filter((other) => other.mac !== chip.mac)];
    this.#boards.splice(DRAWER + 1);
    this.socket.pull();
    this.socket.remove();
    this.socket.insert(chip);
    this.socket.plug();
    return chip;
  }

  async close(removed: boolean): Promise<void> {
    if (removed) drawers.delete(this.#id);
    else drawers.set(this.#id, { like: this.#like(), boards: this.#boards });
    await Promise.all(this.#services.map((service) => service.close()));
    this.socket.close();
  }

  get #board(): Board {
    return this.#boards[0] as Board;
  }

  #chip({ model, mac, flash, key, hmacKey }: Board): VirtualChip {
    const { flashTiming, line, connection, secureBoot, encryption, secureDownload } = this.#config;
    const free = line === 'free' || (line === 'auto' && process.env.KEYWAY_LINE === 'free');
    // The ESP32 has neither of the two, and the dialog does not offer them for it.
    const fits = model !== 'esp32';
    return new VirtualChip({
      model,
      mac,
      flash,
      flashTiming,
      line: free ? 'free' : 'paced',
      connection: fits ? connection : 'uart',
      security: {
        secureBoot: secureBoot === 'off' ? false : secureBoot,
        flashCryptCount: COUNTERS[encryption][model === 'esp32' ? 'esp32' : 'others'],
        manualEncryptDisabled: encryption === 'release',
        secureDownload: secureDownload && fits,
        ...(encryption === 'off' ? {} : { encryptionKey: key }),
        ...(hmacKey === undefined ? {} : { hmacKey }),
      },
      ...(this.#config.application ? { application: applicationOf(this.#config) } : {}),
    });
  }

  #newBoard(mac: string, model = this.#config.model): Board {
    const flash = new Uint8Array(parseSize(this.#config.flashSize)).fill(0xff);
    if (this.#config.start === 'demo') {
      for (const { offset, data } of demoImageSet(model).regions) flash.set(data, offset);
    }
    return { model, mac, flash, key: randomBytes(32) };
  }

  /** A chip set up otherwise is another chip. */
  #like(): string {
    const { model, mac, flashSize, start, secureBoot, encryption, secureDownload } = this.#config;
    return [model, mac, flashSize, start, secureBoot, encryption, secureDownload].join(' ');
  }
}

/** What the firmware of a chip is configured with. @throws BAD_FIELD */
function applicationOf({ broker, est, renewPart, serverName }: BenchSettings): ApplicationOptions {
  const [url, service, part, name] = [broker, est, renewPart, serverName].map((text) => {
    const trimmed = String(text).trim();
    return isOff(trimmed) ? '' : trimmed;
  }) as [string, string, string, string];
  const fraction = Number(part);
  if (part !== '' && !(fraction >= 0.05 && fraction <= 0.95)) {
    throw fail(
      'BAD_FIELD',
      `The field "renewPart" must be from 0.05 to 0.95, or blank; it is "${part.slice(0, 40)}".`,
      {
        hint: 'Open the virtual chip and correct it.',
        detail: { field: 'renewPart', value: part.slice(0, 40) },
      },
    );
  }
  return {
    ...(url === '' ? {} : { broker: url }),
    ...(service === '' ? {} : { est: service }),
    ...(part === '' ? {} : { rotation: { fraction } }),
    ...(name === '' ? {} : { serverName: name }),
  };
}

/** The counter in the efuses: an odd number of bits is on, all of them is on for good. */
const COUNTERS = {
  off: { esp32: 0, others: 0 },
  development: { esp32: 0x01, others: 0x1 },
  release: { esp32: 0x7f, others: 0x7 },
} as const;

/** A MAC in lower case with colons, to be compared; anything else as it is. */
function spelledOut(mac: string | undefined): string | undefined {
  const digits = mac?.toLowerCase().replace(/[^0-9a-z]/g, '') ?? '';
  return /^[0-9a-f]{12}$/.test(digits) ? (digits.match(/../g) ?? []).join(':') : mac;
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
