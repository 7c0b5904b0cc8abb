import type { FlashTarget } from '../../lib/esp/index.ts';
import { type Link, openLink, waitForDevice } from '../../lib/link/index.ts';
import { VirtualChip, VirtualSocket } from '../../lib/virtual/index.ts';

/** A chip in this process, in a socket whose cable can be pulled, on a line without pace. */
export interface SocketBench {
  readonly chip: VirtualChip;
  readonly socket: VirtualSocket;
  /** Waits for the same device after a lost port, as the product does. */
  readonly target: FlashTarget;
  /** The port as it is. */
  link(): Promise<Link>;
  close(): Promise<void>;
}

export function chipInSocket(flash: Uint8Array): SocketBench {
  const chip = new VirtualChip({ model: 'esp32c3', mac: '60:55:f9:00:00:01', line: 'free', flash });
  const socket = new VirtualSocket({ name: 'reflash' });
  socket.insert(chip);
  let link: Link | undefined;
  const target: FlashTarget = {
    open: async (again) => {
      const { address } =
        again === null ? { address: `virtual:${socket.name}` } : await waitForDevice(again, { timeoutMs: 10_000 });
      link = await openLink(address, { owner: 'benchmark' });
      return link;
    },
  };
  return {
    link: async () => link ?? (await target.open(null, undefined)),
    chip,
    socket,
    target,
    close: async () => {
      await link?.close();
      socket.close();
    },
  };
}
