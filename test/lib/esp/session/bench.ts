import { nodePlatform } from '../../../../lib/esp/node.ts';
import type { FlashTarget, Timing } from '../../../../lib/esp/session/index.ts';
import { createMemoryPair, type Link, openLink, waitForDevice } from '../../../../lib/link/index.ts';
import { VirtualChip, type VirtualChipOptions, VirtualSocket } from '../../../../lib/virtual/index.ts';

export const platform = nodePlatform;

/** Waits that are long on a bench and pointless against a chip in memory. */
export const quick: Partial<Timing> = {
  resetHoldMs: 10,
  bootHoldMs: [20],
  syncMs: 40,
  syncsPerAttempt: 2,
  commandMs: 150,
  baudSettleMs: 1,
  settleMs: 300,
  watchdogMs: 60,
};

export const connecting = { platform, timing: quick, attempts: 2, patienceMs: 0 };

let number = 0;
const chips = new Set<VirtualChip>();
const links = new Set<Link>();
const sockets = new Set<VirtualSocket>();

/** Takes the power from every chip of a test: a chip that finds nothing to boot tries again for ever. */
export async function clearBench(): Promise<void> {
  for (const link of links) await link.close();
  for (const socket of sockets) socket.close();
  for (const chip of chips) chip.powerOff();
  for (const all of [links, sockets, chips]) all.clear();
}

export function makeChip(options: Partial<VirtualChipOptions> = {}): VirtualChip {
  const chip = new VirtualChip({ model: 'esp32c3', mac: '7c:df:a1:00:00:01', line: 'free', ...options });
  chips.add(chip);
  return chip;
}

/** A chip in a socket whose cable can be pulled, and the way to it over every pull. */
export function chipInSocket(options: Partial<VirtualChipOptions> = {}): {
  chip: VirtualChip;
  socket: VirtualSocket;
  target: FlashTarget;
} {
  const chip = makeChip(options);
  const socket = new VirtualSocket({ name: `socket-${++number}` });
  sockets.add(socket);
  socket.insert(chip);
  return { chip, socket, target: targetAt(`virtual:${socket.name}`) };
}

/** What a program does that owns a port: opens it, and waits for the same device when it was lost. */
export function targetAt(address: string): FlashTarget {
  return {
    open: async (again, signal) => {
      const stop = signal === undefined ? {} : { signal };
      // A chip that is its own port comes up some time after its socket.
      const { address: at } = await waitForDevice(again ?? { address }, { timeoutMs: 10_000, ...stop });
      const link = await openLink(at, { owner: 'test', ...stop });
      links.add(link);
      return link;
    },
  };
}

/** A chip at the end of a cable in memory, on a line without pace. */
export function chipOnCable(options: Partial<VirtualChipOptions> = {}): {
  chip: VirtualChip;
  link: Link;
  log: string[];
} {
  const chip = makeChip(options);
  const { host, device } = createMemoryPair({ name: `session-${++number}` });
  chip.attach(device);
  const log: string[] = [];
  chip.on('log', (line) => log.push(line));
  return { chip, link: host, log };
}

/** The next event of the chip of that kind that a test waits for. */
export function nextLog(chip: VirtualChip, wanted: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const listener = (line: string) => {
      if (!wanted.test(line)) return;
      chip.off('log', listener);
      resolve(line);
    };
    chip.on('log', listener);
  });
}

/** The same link with a part of it changed: a broken wire, a missing one. */
export function changed(link: Link, change: Partial<Pick<Link, 'write' | 'setLines' | 'onData' | 'info'>>): Link {
  return new Proxy(link, {
    get(target, key) {
      if (key in change) return change[key as keyof typeof change];
      const value = target[key as keyof Link];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
