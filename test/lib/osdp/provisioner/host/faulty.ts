import * as net from 'node:net';
import { join } from 'node:path';
import type { LinkBench } from '../link/bench.ts';

/** A link that breaks when it is told to, or after so many bytes. */
export class Faulty {
  readonly address: string;
  readonly #target: string;
  readonly #pairs = new Set<[net.Socket, net.Socket]>();
  #down = false;
  #stalled = false;
  /** Bytes that still pass, both ways together, before the next connection is destroyed. */
  left = Number.POSITIVE_INFINITY;
  cuts = 0;

  private constructor(address: string, target: string) {
    this.address = address;
    this.#target = target.replace('unix:', '');
  }

  static async between(bench: LinkBench, target: string): Promise<Faulty> {
    const path = join(bench.folder, `f${Math.random().toString(36).slice(2, 8)}.sock`);
    const line = new Faulty(`unix:${path}`, target);
    const server = net.createServer((near) => line.#join(near));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    bench.atEnd(async () => {
      server.close();
      line.cut();
    });
    return line;
  }

  /** Everything breaks, and nobody gets through until `mend`. */
  cut(): void {
    this.#down = true;
    this.drop();
  }

  mend(): void {
    this.#down = false;
    this.#stalled = false;
  }

  /** Bytes are swallowed on the connections that are there. */
  stall(): void {
    this.#stalled = true;
  }

  /** New connections pass; those that were stalled stay so. */
  forward(): void {
    for (const [near, far] of this.#pairs) for (const one of [near, far]) one.removeAllListeners('data').resume();
    this.#pairs.clear();
    this.#stalled = false;
  }

  drop(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    this.#pairs.clear();
  }

  #join(near: net.Socket): void {
    if (this.#down) {
      near.destroy();
      return;
    }
    const far = net.connect(this.#target);
    const pair: [net.Socket, net.Socket] = [near, far];
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near]] as const) {
      from.on('error', () => undefined);
      from.on('close', () => to.destroy());
      from.on('data', (chunk) => {
        if (this.#stalled) return;
        to.write(chunk.subarray(0, this.left));
        this.left -= chunk.length;
        if (this.left > 0) return;
        this.left = Number.POSITIVE_INFINITY;
        this.cuts++;
        // What was let through still arrives.
        to.end(() => this.drop());
        from.destroy();
      });
    }
  }
}
