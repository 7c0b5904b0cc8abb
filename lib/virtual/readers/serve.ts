import type { ListenOptions, Service } from '../serve/listen.ts';
import { serveTcp } from '../serve/tcp.ts';
import type { ReaderBus } from './bus.ts';

/**
 * Serves a bus as a bare byte stream over TCP, to one host at a time. Nobody is told the host's rate: its bytes pass
 * at the rate that the bus was made with, and fit every reader.
 *
 * @throws LISTEN_FAILED
 */
export function serveReaders(bus: ReaderBus, options: ListenOptions): Promise<Service> {
  return serveTcp(bus.cable(), options);
}
