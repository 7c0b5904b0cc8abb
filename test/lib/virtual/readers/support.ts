import { type DeviceEnd, type Link, openLink } from '../../../../lib/link/index.ts';
import { decodeReply, type Frame, FrameParser, type Reply } from '../../../../lib/osdp/index.ts';
import { ManualClock } from '../../../../lib/virtual/clock.ts';
import {
  ReaderBus,
  type ReaderBusOptions,
  VirtualReader,
  type VirtualReaderOptions,
} from '../../../../lib/virtual/readers/index.ts';

let made = 0;

/** A bus on a clock of its own, and a host that holds its port. Close it in any case. */
export class BusBench {
  readonly clock = new ManualClock();
  readonly bus: ReaderBus;
  readonly name: string;
  readonly links: Link[] = [];

  constructor(options: Partial<ReaderBusOptions> = {}) {
    this.name = `readers-test-${++made}`;
    this.bus = new ReaderBus({ name: this.name, clock: this.clock, ...options });
  }

  add(options: VirtualReaderOptions = {}): VirtualReader {
    return this.bus.add(new VirtualReader(options));
  }

  async open(baudRate = 9600, name = this.name): Promise<Link> {
    const link = await openLink(`virtual:${name}`, { owner: 'test', baudRate });
    this.links.push(link);
    return link;
  }

  async close(): Promise<void> {
    for (const link of this.links) await link.close();
    this.bus.close();
  }
}

/** What a host hears: frames with their times, and how many bytes were none. */
export function listen(link: Link, clock: ManualClock) {
  const frames: { at: number; frame: Frame; reply: Reply | undefined }[] = [];
  const parser = new FrameParser({
    clock,
    onFrame: (frame) => {
      const reply = frame.reply && frame.security === undefined ? decodeReply(frame.code, frame.data) : undefined;
      frames.push({ at: clock.now(), frame, reply });
    },
  });
  link.onData((chunk) => parser.push(chunk));
  return { frames, counts: parser.counts, parser };
}

export type { DeviceEnd };
