import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryPair, type DeviceEnd, type Link } from '../../../../../lib/link/index.ts';
import { type HostOptions, ProvisionerHost, type Where } from '../../../../../lib/osdp/provisioner/host/index.ts';
import {
  type HubOptions,
  type LinkEvent,
  type LinkIdentity,
  type Listening,
  listen,
  makeLinkIdentity,
  PeerBook,
  ProvisionerHub,
  parseProvisionerAddress,
} from '../../../../../lib/osdp/provisioner/link/index.ts';
import { FakeDevice } from './fake-device.ts';

let identities: Promise<{ device: LinkIdentity; host: LinkIdentity; other: LinkIdentity }> | undefined;

/** Made once: keys take time. */
export function testIdentities() {
  identities ??= Promise.all(['device', 'host', 'other'].map((name) => makeLinkIdentity(name))).then(
    ([device, host, other]) =>
      ({ device, host, other }) as { device: LinkIdentity; host: LinkIdentity; other: LinkIdentity },
  );
  return identities;
}

/** A provisioner with its ways in, and hosts, all of which end with the test. */
export class LinkBench {
  readonly device: FakeDevice;
  readonly hub: ProvisionerHub;
  readonly book: PeerBook;
  readonly events: LinkEvent[];
  readonly folder: string;
  readonly #ends: (() => Promise<unknown> | undefined)[] = [];

  private constructor(device: FakeDevice, hub: ProvisionerHub, book: PeerBook, events: LinkEvent[], folder: string) {
    this.device = device;
    this.hub = hub;
    this.book = book;
    this.events = events;
    this.folder = folder;
  }

  static async make(options: Partial<HubOptions> & { device?: FakeDevice } = {}): Promise<LinkBench> {
    const folder = await mkdtemp(join(tmpdir(), 'keyway-link-'));
    await chmod(folder, 0o700);
    const { device: identity } = await testIdentities();
    const device = options.device ?? new FakeDevice();
    const book = options.book ?? (await PeerBook.open(null));
    const events: LinkEvent[] = [];
    const log = (event: LinkEvent): void => void events.push(event);
    const hub = new ProvisionerHub({ identity, log, hasSealed: device.hasSealed, ...options, device, book });
    return new LinkBench(device, hub, book, events, folder);
  }

  async listen(text: string): Promise<Listening> {
    const listening = await listen(this.hub, parseProvisionerAddress(text));
    this.#ends.push(() => listening.close());
    return listening;
  }

  unix(): Promise<Listening> {
    return this.listen(`unix:${join(this.folder, 'link.sock')}`);
  }

  tls(): Promise<Listening> {
    return this.listen('tls:127.0.0.1:0');
  }

  async host(where: Where, options: Partial<HostOptions> = {}): Promise<ProvisionerHost> {
    const host = await ProvisionerHost.connect(where, { name: 'test host', retryMs: [10, 20], ...options });
    this.atEnd(() => host.close());
    return host;
  }

  start(where: Where, options: Partial<HostOptions> = {}): ProvisionerHost {
    const host = ProvisionerHost.start(where, { name: 'test host', retryMs: [10, 20], ...options });
    this.atEnd(() => host.close());
    return host;
  }

  /** The test host and the device know each other. */
  async paired(): Promise<{ identity: LinkIdentity; pins: string[] }> {
    const { device, host } = await testIdentities();
    await this.book.put({ fingerprint: host.fingerprint, name: 'test host', pairedAt: 1, enrolled: false });
    return { identity: host, pins: [device.fingerprint] };
  }

  atEnd(end: () => Promise<unknown> | undefined): void {
    this.#ends.push(end);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
    await this.hub.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Both ends of one cable, both as links. */
export function cable(name: string): { near: Link; far: Link; cut(): void } {
  const near = createMemoryPair({ name: `${name}-near` });
  const far = createMemoryPair({ name: `${name}-far` });
  join2(near.device, far.device);
  join2(far.device, near.device);
  return {
    near: near.host,
    far: far.host,
    cut: () => {
      near.device.unplug();
      far.device.unplug();
    },
  };
}

function join2(from: DeviceEnd, to: DeviceEnd): void {
  from.onData((chunk) => to.send(chunk));
}

/** Waits for what the device or a host does by itself. */
export async function until(
  what: () => boolean | Promise<boolean>,
  text = 'it never happened',
  ms = 5000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await what())) {
    if (performance.now() > end) throw new Error(text);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
