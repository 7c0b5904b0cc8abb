import { codeOf } from '../../lib/errors/index.ts';
import { busById } from '../shared/osdp-bus.ts';

/** How long the Test button may take, in ms. */
const TEST_MS = 20_000;

/** What the Test button tells: each reader of the list, and the code of what is wrong with it; null = it answers. */
export interface TriedOut {
  readonly baudRate: number;
  readonly readers: readonly { readonly address: number; readonly code: string | null }[];
}

/** Asks each reader of a deployed bus once. @throws BUS_NOT_SET, BUSY, and what opening the port throws */
export async function tryOut(id: string): Promise<TriedOut> {
  const bus = busById(id);
  const signal = AbortSignal.timeout(TEST_MS);
  return await bus.run({ owner: 'the Test button', wait: false, signal }, async (panel) => {
    const readers: { address: number; code: string | null }[] = [];
    for (const { address } of bus.readers) {
      try {
        const reader = bus.reader(panel, address);
        const options = { signal, retries: 1 };
        if (reader.mayTalkClear) await reader.isThere(options);
        else await reader.verifySession(options);
        readers.push({ address, code: null });
      } catch (error) {
        signal.throwIfAborted();
        readers.push({ address, code: codeOf(error) });
      }
    }
    return { baudRate: panel.baudRate, readers };
  });
}
