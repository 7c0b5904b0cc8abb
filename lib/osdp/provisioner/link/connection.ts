import { isKeywayError } from '../../../errors/index.ts';
import { wipe } from '../../../vault/index.ts';
import type { DeviceStatus, HostIdentity, ProvisionerDevice } from '../device.ts';
import type { Peer, PeerBook } from './book.ts';
import type { Channel } from './channel.ts';
import { wrong } from './check.ts';
import { idOf, parseRequest, type Request, toWire } from './envelope.ts';
import { fail } from './errors.ts';
import type { Frame } from './frame.ts';
import type { LinkLog } from './log.ts';
import { BEFORE_ATTACH, type Cursor, type Hello, PROTOCOL, VERSIONS } from './messages.ts';
import type { Binding, PairingDesk } from './pairing.ts';
import { EdgePump } from './pump.ts';
import { answerRequest, type DeviceRequest, type Staging } from './requests.ts';
import type { Claim, Seat } from './seat.ts';

/** The id under which whoever may open the unix socket is known. */
export const UNIX = 'unix';

/** What all connections of a provisioner share. */
export interface Desk {
  readonly device: ProvisionerDevice;
  readonly book: PeerBook;
  readonly pairing: PairingDesk;
  readonly seat: Seat;
  readonly log: LinkLog;
  readonly keepaliveMs: number;
}

/** Who is at the other end, as far as the transport knows: a socket in a closed folder, or a certificate. */
export type Caller = { readonly unix: true } | { readonly unix: false; readonly binding: Binding };

/** Refusals after which one that is not paired must go. */
const STRANGER_REFUSALS = 16;

interface Attached {
  readonly claim: Claim;
  readonly host: HostIdentity;
  readonly pump: EdgePump;
  leave(): void;
}

/** One connection: answers requests in their order, and sends edges and status once its host is attached. */
export class Connection {
  readonly #desk: Desk;
  readonly #channel: Channel;
  readonly #caller: Caller;
  readonly #staging: Staging = new Set();
  #greeted: string | undefined;
  #attached: Attached | undefined;
  #refusals = 0;
  #telling: DeviceStatus | undefined;
  #isTelling = false;

  constructor(desk: Desk, channel: Channel, caller: Caller) {
    this.#desk = desk;
    this.#channel = channel;
    this.#caller = caller;
  }

  /** Not yet paired. */
  get isStranger(): boolean {
    return this.#peer() === undefined;
  }

  destroy(): void {
    this.#channel.destroy();
  }

  /** Until the connection is over. */
  async run(): Promise<void> {
    // A host whose link ends while it is being answered has left all the same.
    this.#channel.onClose(() => void this.#left());
    try {
      for await (const frame of this.#channel.frames()) await this.#take(frame);
    } catch (error) {
      // After a bad frame nobody knows where the next one begins.
      await this.#channel.send({ type: 'refusal', id: null, error: toWire(error) });
      if (!isKeywayError(error, 'BAD_FRAME')) this.#failed(error);
    } finally {
      this.#channel.end();
      await this.#left();
      // A slot that was begun while the seat was lost to somebody else.
      await this.#abandon();
    }
  }

  async #left(): Promise<void> {
    const attached = this.#attached;
    if (attached !== undefined) await this.#desk.seat.release(attached.claim);
  }

  async #take(frame: Frame): Promise<void> {
    const id = idOf(frame.message);
    try {
      const request = parseRequest(frame.message, frame.secret !== null);
      await this.#answer(request, frame.secret);
    } catch (error) {
      if (!isKeywayError(error)) this.#failed(error);
      await this.#channel.send({ type: 'refusal', id, error: toWire(error) });
      if (this.isStranger && ++this.#refusals >= STRANGER_REFUSALS) this.#channel.end();
    } finally {
      if (frame.secret !== null) wipe(frame.secret);
    }
  }

  async #answer(request: Request, secret: Uint8Array | null): Promise<void> {
    const { id } = request;
    switch (request.type) {
      case 'hello':
        return this.#result(id, this.#hello(request.params));
      case 'ping':
        return this.#result(id, {});
      case 'pair':
        return this.#result(id, { proof: await this.#pair(request.params.proof) });
      case 'attach':
        return this.#attach(id, request.params);
      case 'ack':
        this.#attachedHost(request.type).pump.acknowledged(request.params);
        this.#acknowledge(request.params);
        return this.#result(id, {});
      default:
        return this.#ask(request, secret);
    }
  }

  async #ask(request: DeviceRequest, secret: Uint8Array | null): Promise<void> {
    const { host } = this.#attachedHost(request.type);
    const answer = await answerRequest(this.#desk.device, host, this.#staging, request, secret);
    if ('result' in answer) return this.#result(request.id, answer.result, answer.secret);
    let waiting: object | undefined;
    for (const part of answer.parts) {
      if (waiting !== undefined) {
        await this.#channel.send({ type: 'answer', id: request.id, more: true, result: waiting });
      }
      waiting = part;
    }
    await this.#result(request.id, waiting ?? {});
  }

  async #result(id: number, result: object, secret?: Uint8Array): Promise<void> {
    try {
      await this.#channel.send({ type: 'answer', id, more: false, result }, secret);
    } finally {
      if (secret !== undefined) wipe(secret);
    }
  }

  #hello({ versions, name }: { readonly versions: readonly number[]; readonly name: string }): Hello {
    const version = VERSIONS.find((one) => versions.includes(one));
    if (version === undefined) {
      throw fail('VERSION_UNSUPPORTED', `None of the versions ${versions.join(', ')} is spoken here.`, {
        hint: `This provisioner speaks version ${VERSIONS.join(', ')}: update the older side.`,
        detail: { field: 'versions', value: versions, supported: VERSIONS },
      });
    }
    this.#greeted = name;
    const { device, pairing, seat, keepaliveMs } = this.#desk;
    const { name: own, version: software, modes, limits } = device.status();
    const paired = !this.isStranger;
    return {
      protocol: PROTOCOL,
      version,
      role: 'provisioner',
      name: own,
      software,
      modes,
      limits,
      paired,
      pairing: pairing.isOpen,
      host: paired ? seat.holder : null,
      keepaliveMs,
    };
  }

  async #pair(proof: string): Promise<string> {
    const name = this.#greeting();
    const { pairing, book, log } = this.#desk;
    if (this.#caller.unix) {
      throw fail('PAIRING_CLOSED', 'A host at the unix socket needs no pairing.', {
        hint: 'Attach: whoever may open the socket is known.',
      });
    }
    const { binding } = this.#caller;
    const host = binding.host;
    try {
      return await pairing.attempt(proof, binding, async (enrolled) => {
        const stays = book.find(host)?.enrolled === true;
        await book.put({ fingerprint: host, name, pairedAt: Date.now(), enrolled: enrolled || stays });
        log({ event: 'paired', host, name, ...(enrolled ? { text: 'enrolled' } : {}) });
      });
    } catch (error) {
      if (isKeywayError(error, 'PAIRING_WRONG_CODE')) log({ event: 'pairing-wrong', host, name });
      throw error;
    }
  }

  async #attach(
    id: number,
    { instance, takeover, after }: Extract<Request, { type: 'attach' }>['params'],
  ): Promise<void> {
    const name = this.#greeting();
    const peer = this.#peer();
    if (peer === undefined) throw notPaired();
    if (this.#attached !== undefined) throw wrong('type', 'attach', 'another request: it is attached already');
    const { device, seat, log } = this.#desk;
    const host: HostIdentity = { id: peer.fingerprint, name };
    const claim: Claim = { host, instance, leave: (reason) => this.#leave(host, reason) };
    try {
      const before = await seat.take(claim, takeover, () => this.#sit(claim, after));
      if (before !== null) log({ event: 'taken-over', host: host.id, name, text: before });
    } catch (error) {
      if (isKeywayError(error, 'HOST_BUSY')) log({ event: 'busy', host: host.id, name });
      if (isKeywayError(error, 'TAKEOVER_REFUSED')) log({ event: 'takeover-refused', host: host.id, name });
      throw error;
    }
    log({ event: 'attached', host: host.id, name });
    // Its link may have gone while it waited.
    if (!this.#channel.isOpen) return this.#left();
    await this.#result(id, { status: device.status(), slots: device.slots() });
    this.#startPump();
  }

  #sit(claim: Claim, after: readonly Cursor[]): void {
    const { device } = this.#desk;
    const pump = new EdgePump(device, after, {
      send: (edge, backfill) => this.#channel.send({ type: 'edge', edge, backfill }),
      // The host comes again, and asks again.
      failed: (error) => {
        this.#failed(error);
        this.#channel.destroy();
      },
    });
    const detach = device.attach(claim.host, () => pump.kick());
    const deaf = device.onStatus((status) => this.#tell(status));
    const leave = (): void => {
      pump.stop();
      deaf();
      detach();
    };
    this.#attached = { claim, host: claim.host, pump, leave };
  }

  #startPump(): void {
    this.#attached?.pump.start();
  }

  async #leave({ id, name }: HostIdentity, reason: Error | null): Promise<void> {
    this.#attached?.leave();
    this.#attached = undefined;
    this.#desk.log({ event: 'left', host: id, name });
    if (reason !== null) void this.#channel.send({ type: 'bye', error: toWire(reason) });
    this.#channel.end();
    await this.#abandon();
  }

  /** Of several that change while the link is slow, the last. */
  #tell(status: DeviceStatus): void {
    this.#telling = status;
    if (this.#isTelling) return;
    this.#isTelling = true;
    void (async () => {
      for (let next = this.#telling; next !== undefined; next = this.#telling) {
        this.#telling = undefined;
        if (!(await this.#channel.send({ type: 'status', status: next }))) break;
      }
      this.#isTelling = false;
    })();
  }

  /** What it began and did not seal goes. */
  async #abandon(): Promise<void> {
    const { device, log } = this.#desk;
    for (const slot of this.#staging) {
      this.#staging.delete(slot);
      if (device.slots().find((one) => one.slot === slot)?.state !== 'staging') continue;
      try {
        await device.abandon(slot);
        log({ event: 'abandoned', text: String(slot) });
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #acknowledge({ slot, session, seq }: Extract<Request, { type: 'ack' }>['params']): void {
    const { device } = this.#desk;
    if (device.slots().find((one) => one.slot === slot)?.session !== session) return;
    device.acknowledge(slot, seq).catch((error: unknown) => this.#failed(error));
  }

  #attachedHost(type: Request['type']): Attached {
    if (this.#attached !== undefined) return this.#attached;
    this.#greeting();
    if (this.isStranger) throw notPaired();
    throw fail('NOT_ATTACHED', `"${type}" is for the attached host alone.`, {
      hint: `Attach first. Before that, one may ask ${BEFORE_ATTACH.join(', ')}.`,
      detail: { field: 'type', value: type },
    });
  }

  /** The name that the host greeted with. */
  #greeting(): string {
    if (this.#greeted !== undefined) return this.#greeted;
    throw fail('VERSION_UNSUPPORTED', 'The first request must be "hello": it says which versions the host speaks.', {
      detail: { field: 'type', supported: VERSIONS },
    });
  }

  #peer(): Peer | undefined {
    if (this.#caller.unix) return { fingerprint: UNIX, name: UNIX, pairedAt: 0, enrolled: false };
    return this.#desk.book.find(this.#caller.binding.host);
  }

  #failed(error: unknown): void {
    this.#desk.log({ event: 'failed', text: error instanceof Error ? error.message : String(error) });
  }
}

function notPaired(): Error {
  return fail('NOT_PAIRED', 'This provisioner does not know this host.', {
    hint: 'Pair them: `keyway-provisioner pair` where the provisioner runs shows a code.',
  });
}
