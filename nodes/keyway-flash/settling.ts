import { normaliseMac } from '../../lib/pki/index.ts';
import type { By, Device } from '../../lib/registry/index.ts';
import { type Identity, type Settlement, settlementOf } from '../shared/identity.ts';
import { fail } from '../shared/identity-errors.ts';
import type { Job } from '../shared/jobs.ts';
import { addDevice, withColons } from '../shared/registry.ts';
import { bringToFlashing, bringToSetup } from '../shared/states.ts';

/** What becomes of the identity that a plan puts onto a chip; a plan without one has nothing to settle. */
export class Settling {
  readonly #settlement: Settlement | undefined;
  readonly #job: Job;
  readonly #by: By;
  /** The registry is being told that the chip is written to. */
  #begun: Promise<unknown> | undefined;

  constructor(handles: readonly string[], job: Job, by: By) {
    this.#settlement = settlementOf(handles);
    this.#job = job;
    this.#by = by;
  }

  /** The board that the identity was made for, lower case with colons; undefined without one. */
  get mac(): string | undefined {
    return this.#settlement?.identity.mac;
  }

  /** The first byte is about to be written. What the registry says to it is heard at the end. */
  begin(): void {
    const settlement = this.#settlement;
    if (settlement === undefined || this.#begun !== undefined) return;
    const { name, identity } = settlement;
    const tell = async (): Promise<void> => {
      const { registry } = await settlement.open();
      await bringToFlashing(registry, name, `flashing the certificate ${identity.serial}`, this.#by);
    };
    this.#begun = tell();
    this.#begun.catch(() => undefined);
  }

  /**
   * The chip was verified: its certificate is live, and the device awaits its set-up.
   * @throws IDENTITY_ELSEWHERE, what the registry and the authority throw
   */
  async verified(mac: string | null): Promise<void> {
    const settlement = this.#settlement;
    if (settlement === undefined) return;
    const { identity, name } = settlement;
    if (mac === null || normaliseMac(mac) !== name.mac) {
      throw fail('IDENTITY_ELSEWHERE', `The identity of ${identity.mac} went onto the board ${mac ?? 'unknown'}.`, {
        hint: 'Mint one for the board that is on the port.',
        detail: { field: 'mac', value: mac, expected: identity.mac },
      });
    }
    await this.#begun;
    await settlement.live();
    const { registry } = await settlement.open();
    const device = await bringToSetup(registry, name, `holds the certificate ${identity.serial}`, this.#by);
    this.#show({ state: 'live' }, device);
  }

  /** It failed. Gives what became of the certificate, for people; nothing when there was none. */
  async failed(code: string): Promise<void> {
    const settlement = this.#settlement;
    if (settlement === undefined) return;
    const { identity, name } = settlement;
    const kept = await settlement.failed(code, this.#by);
    if (this.#begun === undefined) return;
    await this.#begun;
    const { registry } = await settlement.open();
    const device = await registry.device(name);
    if (device?.state !== 'flashing') return;
    const what = kept === 'kept' ? 'stays pending: its key waits' : 'is revoked: its key is gone';
    const reason = `${code}; the certificate ${identity.serial} ${what}`;
    const now = await registry.setState(device.id, 'registered', { reason, from: ['flashing'], by: this.#by });
    this.#show(kept === 'kept' ? {} : { state: 'revoked' }, now);
  }

  #show(change: Partial<Identity>, device: Device | undefined): void {
    const msg = this.#job.msg as { identity?: Identity } & Job['msg'];
    const { serial } = this.#settlement?.identity ?? {};
    if (msg.identity?.serial === serial && msg.identity !== undefined) msg.identity = { ...msg.identity, ...change };
    if (device !== undefined) msg.device = addDevice(msg.device, device);
  }
}

/** The board that a plan is for. Its identity says so, whatever the node expects. @throws IDENTITY_ELSEWHERE */
export function boardOf(expected: string | undefined, identity: string | undefined): string | undefined {
  if (expected === undefined || identity === undefined || withColons(normaliseMac(expected)) === identity) {
    return identity ?? expected;
  }
  throw fail(
    'IDENTITY_ELSEWHERE',
    `The identity was made for ${identity}, and the node expects the board ${expected}.`,
    {
      hint: 'Mint one for this board.',
      detail: { field: 'mac', value: expected, expected: identity },
    },
  );
}
