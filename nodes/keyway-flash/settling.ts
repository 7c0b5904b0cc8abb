import { normaliseMac } from '../../lib/pki/index.ts';
import type { By, Device } from '../../lib/registry/index.ts';
import type { OpenAuthority } from '../shared/authority.ts';
import type { Identity } from '../shared/identity.ts';
import { fail } from '../shared/identity-errors.ts';
import { type Settlement, settlementOf } from '../shared/identity-pending.ts';
import type { Job } from '../shared/jobs.ts';
import { addDevice } from '../shared/registry.ts';
import { bringToFlashing, bringToSetup } from '../shared/states.ts';

/** What becomes of the identity that a plan puts onto a chip. */
export class Settling {
  readonly #settlement: Settlement;
  readonly #open: OpenAuthority;
  readonly #job: Job;
  readonly #by: By;
  /** Gives the registry back, which waits for it when the flow is deployed again. */
  readonly release: () => void;
  /** The registry is being told that the chip is written to. */
  #begun: Promise<unknown> | undefined;

  /**
   * The settling of the identity whose key is among the handles, if there is one. The registry is opened now: one that
   * cannot be told of the device is found out before the chip is touched.
   * @throws what the registry and the authority throw
   */
  static async of(handles: readonly string[], job: Job, by: By): Promise<Settling | undefined> {
    const settlement = settlementOf(handles);
    return settlement === undefined ? undefined : new Settling(settlement, await settlement.open(), job, by);
  }

  private constructor(settlement: Settlement, open: OpenAuthority, job: Job, by: By) {
    this.#settlement = settlement;
    this.#open = open;
    this.#job = job;
    this.#by = by;
    const ends = [open.hold(), settlement.begin()];
    this.release = () => {
      for (const end of ends) end();
    };
  }

  /** The first byte is about to be written. What the registry says to it is heard at the end. */
  begin(): void {
    if (this.#begun !== undefined) return;
    const { name, identity } = this.#settlement;
    this.#begun = bringToFlashing(this.#open.registry, name, `flashing the certificate ${identity.serial}`, this.#by);
    this.#begun.catch(() => undefined);
  }

  /**
   * The chip was verified: its certificate is live, and the device awaits its set-up.
   * @throws IDENTITY_ELSEWHERE, what the registry and the authority throw
   */
  async verified(mac: string | null): Promise<void> {
    const { identity, name } = this.#settlement;
    if (mac === null || normaliseMac(mac) !== name.mac) throw elsewhere(identity.mac, mac ?? 'unknown');
    this.begin();
    await this.#begun;
    await this.#open.authority.markLive(identity.serial);
    const reason = `holds the certificate ${identity.serial}`;
    this.#show('live', await bringToSetup(this.#open.registry, name, reason, this.#by));
    this.#settlement.done();
  }

  /** It failed: the certificate waits for another attempt while its key lives, and the registry says so. */
  async failed(code: string): Promise<void> {
    const { registry } = this.#open;
    const { identity, name } = this.#settlement;
    const state = await this.#settlement.failed(this.#open, code, this.#by);
    if (state === 'live') return;
    await this.#begun?.catch(() => undefined);
    const device = await registry.device(name);
    if (this.#begun === undefined || device?.state !== 'flashing') {
      this.#show(state, device);
      return;
    }
    const what = state === 'pending' ? 'stays pending: its key waits' : 'is revoked: its key is gone';
    const reason = `${code}; the certificate ${identity.serial} ${what}`;
    this.#show(state, await registry.setState(device.id, 'registered', { reason, from: ['flashing'], by: this.#by }));
  }

  #show(state: Identity['state'], device: Device | undefined): void {
    const msg = this.#job.msg as { identity?: Identity } & Job['msg'];
    if (msg.identity?.serial === this.#settlement.identity.serial) msg.identity = { ...msg.identity, state };
    if (device !== undefined) msg.device = addDevice(msg.device, device);
  }
}

/**
 * The board that a plan is for: the one of its identity, where it has one. Both in lower case with colons.
 * @throws IDENTITY_ELSEWHERE
 */
export function boardOf(expected: string | undefined, identity: string | undefined): string | undefined {
  if (expected !== undefined && identity !== undefined && expected !== identity) throw elsewhere(identity, expected);
  return identity ?? expected;
}

function elsewhere(identity: string, board: string): Error {
  return fail('IDENTITY_ELSEWHERE', `The identity was made for ${identity}, and the board is ${board}.`, {
    hint: 'Mint one for this board.',
    detail: { field: 'mac', value: board, expected: identity },
  });
}
