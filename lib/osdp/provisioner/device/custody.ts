import type { HostIdentity } from '../device.ts';
import { fail } from '../errors.ts';
import type { HostEvent, SeedEvent, Store } from '../store/index.ts';
import type { SlotSeed } from '../types.ts';
import type { ProvisionerLogLine, ProvisionerOptions } from './options.ts';
import type { DeviceTime } from './time.ts';
import type { WorkQueue } from './work-queue.ts';

/** Who may have a seed, and the log of what was done with seeds and about hosts. */
export class Custody {
  readonly #options: ProvisionerOptions;
  readonly #store: Store;
  readonly #time: DeviceTime;
  readonly #onTrouble: (error: Error) => void;

  constructor(options: ProvisionerOptions, store: Store, time: DeviceTime, onTrouble: (error: Error) => void) {
    this.#options = options;
    this.#store = store;
    this.#time = time;
    this.#onTrouble = onTrouble;
  }

  /** Nothing is handed out that no line on the disk tells of. @throws NOT_YOUR_SLOT; STORE_… */
  async seed(queue: WorkQueue, host: HostIdentity): Promise<SlotSeed> {
    const { id, name, session, head } = queue;
    if (head.host.id !== host.id && this.#options.isEnrolled?.(host) !== true) {
      await this.#write('seed-denied', `${host.name} asked for the seed of ${name} and was refused.`, queue, host);
      throw fail('NOT_YOUR_SLOT', `The plan was sealed by ${head.host.name}, not by this host.`, {
        hint: 'Ask from the host that sealed it, or enrol this one at the device.',
        detail: { slot: id, sealedBy: head.host.name },
      });
    }
    await this.#write('seed-read', `${host.name} read the seed of ${name}.`, queue, host);
    return { slot: id, seed: queue.seed(), session, kdf: head.kdf };
  }

  /** Says what was done. It is done already, whatever the log's disk says. */
  note(event: 'sealed' | 'removed' | 'exported', text: string, queue: WorkQueue, host?: HostIdentity): void {
    this.#write(event, text, queue, host).catch((error: Error) => this.#onTrouble(error));
  }

  /** Says what the link did about hosts; as `note`. */
  noteHost(event: HostEvent, text: string | undefined, host: HostIdentity | undefined): void {
    const line = { at: this.#time.now(), event, ...(host && { host }), ...(text !== undefined && { text }) };
    this.#store.log.add(line).catch((error: Error) => this.#onTrouble(error));
  }

  async #write(
    event: SeedEvent & ProvisionerLogLine['event'],
    text: string,
    { id, name, session }: WorkQueue,
    host: HostIdentity | undefined,
  ): Promise<void> {
    const who = host === undefined ? {} : { host: { id: host.id, name: host.name } };
    this.#options.log?.({ level: 'audit', event, text, slot: id, session, ...who });
    await this.#store.log.add({ at: this.#time.now(), event, plan: name, session, ...who });
  }
}
