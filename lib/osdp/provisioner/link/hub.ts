import type { Duplex } from 'node:stream';
import type { HostIdentity, ProvisionerDevice } from '../device.ts';
import type { PeerBook } from './book.ts';
import { CHANNEL_TIMES, Channel, type ChannelTimes } from './channel.ts';
import { Connection, type Desk } from './connection.ts';
import type { LinkIdentity } from './identity.ts';
import type { LinkLog } from './log.ts';
import { PairingDesk } from './pairing.ts';
import { Seat } from './seat.ts';
import { secure } from './secure.ts';

/** What a provisioner's link serves, and how. */
export interface HubOptions {
  readonly device: ProvisionerDevice;
  /** Whom it knows. */
  readonly book: PeerBook;
  /** What it shows on TLS. */
  readonly identity: LinkIdentity;
  readonly log?: LinkLog;
  /** Whether a host sealed a slot that is still there. */
  readonly hasSealed?: (host: HostIdentity) => boolean;
  readonly pairing?: PairingDesk;
  /** For tests. */
  readonly times?: Partial<HubTimes>;
}

export interface HubTimes extends ChannelTimes {
  readonly keepaliveMs: number;
  readonly handshakeMs: number;
  /** How long one that is not paired may stay. */
  readonly strangerMs: number;
}

const TIMES: HubTimes = { ...CHANNEL_TIMES, keepaliveMs: 5000, handshakeMs: 10_000, strangerMs: 60_000 };
/** Connections at once; of those, ones that are not (yet) known: the oldest makes room. */
const CONNECTIONS_MOST = 16;
const STRANGERS_MOST = 6;

interface Guest {
  isStranger(): boolean;
  destroy(): void;
}

/** All connections of one provisioner, whichever way they come. */
export class ProvisionerHub {
  readonly pairing: PairingDesk;
  readonly #identity: LinkIdentity;
  readonly #times: HubTimes;
  readonly #desk: Desk;
  /** In the order of their coming. */
  readonly #guests = new Set<Guest>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: HubOptions) {
    const { device, book, identity, log = () => undefined, hasSealed = () => false } = options;
    this.pairing = options.pairing ?? new PairingDesk();
    this.#identity = identity;
    this.#times = { ...TIMES, ...options.times };
    const mayTakeOver = (host: HostIdentity): boolean => book.find(host.id)?.enrolled === true || hasSealed(host);
    const { keepaliveMs } = this.#times;
    this.#desk = { device, book, pairing: this.pairing, seat: new Seat(mayTakeOver), log, keepaliveMs };
  }

  /** Serves one that came over a unix socket in a closed folder. */
  serveClear(stream: Duplex): void {
    const guest: Guest = { isStranger: () => false, destroy: () => stream.destroy() };
    if (this.#admit(guest)) this.#run(guest, new Connection(this.#desk, this.#channel(stream), { unix: true }));
  }

  /** Serves one that is to speak TLS. */
  serveSecure(raw: Duplex): void {
    const guest: Guest = { isStranger: () => true, destroy: () => raw.destroy() };
    if (!this.#admit(guest)) return;
    secure(raw, 'provisioner', this.#identity, this.#times.handshakeMs).then(
      ({ stream, fingerprint, exporter }) => {
        const binding = { exporter, host: fingerprint, provisioner: this.#identity.fingerprint };
        const connection = new Connection(this.#desk, this.#channel(stream), { unix: false, binding });
        const timer = setTimeout(() => {
          if (connection.isStranger) connection.destroy();
        }, this.#times.strangerMs);
        stream.once('close', () => clearTimeout(timer));
        guest.isStranger = () => connection.isStranger;
        guest.destroy = () => connection.destroy();
        if (this.#guests.has(guest)) this.#run(guest, connection);
        else connection.destroy();
      },
      (error: unknown) => {
        this.#guests.delete(guest);
        this.#desk.log({ event: 'stranger', text: error instanceof Error ? error.message : String(error) });
      },
    );
  }

  /** Drops those that are no longer known. */
  recheck(): void {
    for (const guest of [...this.#guests]) if (guest.isStranger()) guest.destroy();
  }

  /** Ends all connections. The device stays open. */
  async close(): Promise<void> {
    this.pairing.close();
    for (const guest of [...this.#guests]) guest.destroy();
    await Promise.all([...this.#running]);
  }

  #channel(stream: Duplex): Channel {
    return new Channel(stream, this.#times);
  }

  #admit(guest: Guest): boolean {
    const strangers = [...this.#guests].filter((one) => one.isStranger());
    if (guest.isStranger() && strangers.length >= STRANGERS_MOST) this.#drop(strangers[0]);
    if (this.#guests.size >= CONNECTIONS_MOST) this.#drop(strangers[0]);
    if (this.#guests.size >= CONNECTIONS_MOST) {
      guest.destroy();
      return false;
    }
    this.#guests.add(guest);
    return true;
  }

  #drop(guest: Guest | undefined): void {
    if (guest === undefined) return;
    this.#guests.delete(guest);
    guest.destroy();
  }

  #run(guest: Guest, connection: Connection): void {
    const running = connection.run().finally(() => {
      this.#guests.delete(guest);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }
}
