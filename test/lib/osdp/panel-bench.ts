import { Panel, type PanelEvents, type PanelOptions, TraceRecorder } from '../../../lib/osdp/index.ts';
import { BusBench } from '../virtual/readers/support.ts';

/** A panel at a virtual bus, on a clock that only moves when told. Close it in any case. */
export class PanelBench extends BusBench {
  panel!: Panel;
  readonly recorder = new TraceRecorder();
  readonly events: { name: string; event: unknown; at: number }[] = [];

  static async start(options: PanelOptions & { baudRate?: number; echo?: boolean } = {}): Promise<PanelBench> {
    const { baudRate = 9600, echo = false, ...rest } = options;
    const bench = new PanelBench({ echo });
    const link = await bench.open(baudRate);
    bench.panel = new Panel(link, { clock: bench.clock, trace: bench.recorder.sink, ...rest });
    for (const name of [
      'online',
      'offline',
      'card',
      'keypad',
      'tamper',
      'reply',
      'insecure',
      'foreign',
      'gone',
    ] as const) {
      bench.panel.on(name, (...args: PanelEvents[typeof name]) => {
        bench.events.push({ name, event: args[0], at: bench.clock.now() });
      });
    }
    return bench;
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }

  named(name: keyof PanelEvents): unknown[] {
    return this.events.filter((one) => one.name === name).map(({ event }) => event);
  }

  override async close(): Promise<void> {
    const closing = this.panel?.close();
    await this.clock.advance(2000);
    await closing;
    await super.close();
  }
}
