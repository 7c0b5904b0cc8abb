import assert from 'node:assert/strict';
import { setTimeout as turn } from 'node:timers/promises';
import {
  buildNvs,
  demoImageSet,
  type IdentityLayoutName,
  identityItems,
  type NvsEntry,
  type NvsKeys,
  nvsKeysFromHmac,
  readIdentity,
  readNvs,
} from '../../../lib/esp/index.ts';
import { nodePlatform as platform } from '../../../lib/esp/node.ts';
import { type ApplicationOptions, ManualClock, VirtualChip } from '../../../lib/virtual/index.ts';
import { spellingOf } from '../../support/canary.ts';
import type { Identity } from '../endpoint/support.ts';

const NVS = { offset: 0x9000, size: 0x6000 };
const colons = (mac: string): string => (mac.match(/../g) ?? []).join(':');

export interface ChipOptions {
  readonly layout?: IdentityLayoutName;
  readonly application?: ApplicationOptions;
  readonly flashTiming?: boolean;
  /** NVS is encrypted with what follows from this key in the efuses. */
  readonly hmacKey?: Uint8Array;
  readonly extra?: { readonly brokerUrl?: string; readonly brokerHost?: string; readonly brokerPort?: number };
}

/** A chip that was flashed with an identity and runs the application, on a clock that the test moves. */
export class AppBench {
  readonly clock = new ManualClock();
  readonly chip: VirtualChip;
  readonly lines: string[] = [];
  readonly #layout: IdentityLayoutName;
  readonly #secrets: string[] = [];
  readonly #keys: NvsKeys | undefined;

  private constructor(
    chip: (clock: ManualClock) => VirtualChip,
    layout: IdentityLayoutName,
    keys: NvsKeys | undefined,
  ) {
    this.#layout = layout;
    this.#keys = keys;
    this.chip = chip(this.clock);
    this.chip.on('log', (line) => this.lines.push(line));
  }

  static async make(identity: Identity, mac: string, options: ChipOptions = {}): Promise<AppBench> {
    const { layout = 'scadable', application, flashTiming = false, hmacKey, extra } = options;
    const flash = new Uint8Array(0x400000).fill(0xff);
    for (const { offset, data } of demoImageSet('esp32c3', 'factory', { size: 20_000, identity: { layout } }).regions) {
      flash.set(data, offset);
    }
    const made = new AppBench(
      (clock) =>
        new VirtualChip({
          ...{ model: 'esp32c3', mac: colons(mac), flash, clock, flashTiming },
          ...(application === undefined ? {} : { application }),
          ...(hmacKey === undefined ? {} : { security: { hmacKey } }),
        }),
      layout,
      hmacKey === undefined ? undefined : await nvsKeysFromHmac(hmacKey, platform),
    );
    await made.flash(identity, extra);
    return made;
  }

  /** Writes an identity as a flasher does: the NVS partition anew. */
  async flash(identity: Identity, extra?: ChipOptions['extra']): Promise<void> {
    this.#secrets.push(identity.key.split('\n')[1]?.slice(0, 40) ?? assert.fail());
    const parts = {
      certificate: identity.cert,
      key: { value: identity.key },
      ca: identity.issued.authorities,
      ...(extra === undefined ? {} : { extra }),
    };
    const entries = identityItems(this.#layout, parts).map(
      ({ namespace, key, encoding, value, terminate }): NvsEntry => ({
        namespace,
        key,
        encoding,
        value: terminate === true ? `${String(value)}\0` : String(value),
      }),
    );
    this.chip.flash.set(await buildNvs(entries, { size: NVS.size, ...this.#how }), NVS.offset);
  }

  get #how() {
    return { platform, ...(this.#keys === undefined ? {} : { keys: this.#keys }) };
  }

  /** The serial number in NVS, and whether the application can use what is there. */
  get held(): { serial: string | undefined; notAfter: number; faults: readonly unknown[] } {
    const { entries } = readNvs(this.chip.flash.slice(NVS.offset, NVS.offset + NVS.size), this.#how);
    const { certificate, faults } = readIdentity({ entries }, this.#layout);
    return { serial: certificate?.serial, notAfter: certificate?.notAfter ?? 0, faults };
  }

  /** Lets time pass until a line comes that was not there before. */
  async until(wanted: RegExp, limitMs = 300_000): Promise<string> {
    return await this.when(() => this.lines.find((line) => wanted.test(line)), `the line ${wanted}`, limitMs);
  }

  /** The same for anything. */
  async when<T>(found: () => T | undefined | false, what: string, limitMs = 300_000): Promise<T> {
    for (const end = this.clock.now() + limitMs; ; ) {
      const here = found();
      if (here !== undefined && here !== false) return here;
      assert.ok(this.clock.now() < end, `waited in vain for ${what}; it said\n${this.lines.join('\n')}`);
      await this.clock.advance(20);
      // The network has time of its own.
      await turn(1);
    }
  }

  /** Forgets what was said. */
  hush(): void {
    this.lines.length = 0;
  }

  close(): void {
    this.chip.powerOff();
    for (const secret of this.#secrets) {
      assert.equal(spellingOf(secret, this.lines.join('\n')), undefined, 'the log shows a key');
    }
  }
}
