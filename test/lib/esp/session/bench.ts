import { nodePlatform } from '../../../../lib/esp/node.ts';
import type { Timing } from '../../../../lib/esp/session/index.ts';
import { createMemoryPair, type Link } from '../../../../lib/link/index.ts';
import { VirtualChip, type VirtualChipOptions } from '../../../../lib/virtual/index.ts';

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
};

export const connecting = { platform, timing: quick, attempts: 2, patienceMs: 0 };

let number = 0;
const chips = new Set<VirtualChip>();

/** Takes the power from every chip of a test: a chip that finds nothing to boot tries again for ever. */
export function clearBench(): void {
  for (const chip of chips) chip.powerOff();
  chips.clear();
}

/** A chip at the end of a cable in memory, on a line without pace. */
export function chipOnCable(options: Partial<VirtualChipOptions> = {}): {
  chip: VirtualChip;
  link: Link;
  log: string[];
} {
  const chip = new VirtualChip({ model: 'esp32c3', mac: '7c:df:a1:00:00:01', line: 'free', ...options });
  chips.add(chip);
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
