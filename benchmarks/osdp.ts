/** How near the panel of an OSDP bus comes to what the wire allows, on a bus that runs at the true rate. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Link, openLink } from '../lib/link/index.ts';
import { BAUD_RATES, type Clock, FrameParser, Panel, realClock, withMark } from '../lib/osdp/index.ts';
import { ManualClock } from '../lib/virtual/clock.ts';
import { ReaderBus, VirtualReader, type VirtualReaderOptions } from '../lib/virtual/readers/index.ts';
import { atLeast, atMost, type Row, reported } from './bench/report.ts';

const REPLY_MS = 3;
const READERS = 8;
const KEY = randomBytes(16);
const LIBOSDP = 'libosdp';

export async function measure(): Promise<Row[]> {
  const all = await polls();
  const found = await discoverMany();
  const theirs = await theirPolls();
  return [
    atMost('sequence_9600', await best(() => sequence(9600)), 'ratio', 1.1, 'computed limit'),
    atMost('sequence_115200', await best(() => sequence(115200)), 'ratio', 1.25, 'computed limit'),
    atMost('lost_reply', await lostReply(), 's', 0.25, null),
    atLeast('poll_8', all.full, 'ratio', 0.95, 'computed limit'),
    atLeast('poll_8_one_dead', all.oneDead, 'ratio', 0.95, 'the same without a dead one'),
    atMost('discover_single', await discoverOne(), 's', 2, null),
    atLeast('discover_multi', found, 'ratio', 1, null),
    ...(theirs === undefined ? [] : theirs),
  ];
}

/** The best of five: what other programs take of the processor meanwhile is no property of the panel. */
async function best(measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) least = Math.min(least, await measure());
  return least;
}

interface Bench {
  readonly bus: ReaderBus;
  readonly panel: Panel;
  close(): Promise<void>;
}

let made = 0;

async function bench(baudRate: number, readers: readonly VirtualReaderOptions[], clock?: Clock): Promise<Bench> {
  const bus = new ReaderBus({ name: `benchmark-osdp-${++made}`, ...(clock === undefined ? {} : { clock }) });
  for (const one of readers) bus.add(new VirtualReader({ replyMs: REPLY_MS, ...one }));
  const link = await openLink(`virtual:${bus.name}`, { owner: 'benchmark', baudRate });
  const panel = new Panel(link, clock === undefined ? {} : { clock });
  return {
    bus,
    panel,
    close: async () => {
      await panel.close();
      bus.close();
    },
  };
}

/** What the wire was busy with and had to wait for, as the bus has seen it, in ms. */
function allowed({ wireMs, idleMs, replyMs, switchMs }: ReaderBus['stats']): number {
  return wireMs + idleMs + replyMs + switchMs;
}

/** The thirteen exchanges of a commissioning, from the first byte to the last. */
async function sequence(baudRate: number): Promise<number> {
  const { bus, panel, close } = await bench(baudRate, [{ baudRate }]);
  try {
    const key = randomBytes(16);
    await panel.reader(0).isThere();
    await panel.reader(0).identify();
    await panel.reader(0).capabilities();
    await panel.comset(0, { address: 17, baudRate });
    await panel.reader(17).openSession({ key: 'default' });
    await panel.keyset(17, key);
    await panel.reader(17).identify();
    await panel.reader(17).verifySession();
    return (bus.stats.to - (bus.stats.from ?? 0)) / allowed(bus.stats);
  } finally {
    await close();
  }
}

/** Seconds that one lost reply costs a command under a session at 9600 baud. */
async function lostReply(): Promise<number> {
  const { bus, panel, close } = await bench(9600, [{ key: KEY }]);
  try {
    panel.add({ address: 0, key: KEY, poll: false });
    const reader = panel.reader(0);
    await reader.verifySession();
    const time = async (): Promise<number> => {
      const from = performance.now();
      await reader.verifySession();
      return performance.now() - from;
    };
    const normal = await best(time);
    const lost = await best(() => {
      bus.fault({ kind: 'lose', direction: 'reply' });
      return time();
    });
    return (lost - normal) / 1000;
  } finally {
    await close();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Exchanges a second of eight keyed readers at 9600 baud against what the wire allows; and with one of them dead. */
async function polls(): Promise<{ full: number; oneDead: number }> {
  const { bus, panel, close } = await bench(
    9600,
    Array.from({ length: READERS }, (_, address) => ({ address, key: KEY })),
  );
  try {
    for (let address = 0; address < READERS; address++) panel.add({ address, key: KEY });
    panel.start();
    await pause(3000);
    const rate = async (ms: number): Promise<number> => {
      const [from, before] = [performance.now(), panel.polls];
      await pause(ms);
      return ((panel.polls - before) * 1000) / (performance.now() - from);
    };
    bus.medium.clearStats();
    const all = await rate(10_000);
    const exchanges = bus.stats.frames / 2;
    const full = all / ((1000 * exchanges) / allowed(bus.stats));
    bus.remove(bus.readers[READERS - 1] as VirtualReader);
    await pause(12_000);
    return { full, oneDead: (await rate(20_000)) / all };
  } finally {
    await close();
  }
}

/** Seconds to the first answer of one reader, at the rate that is tried last and a high address. */
async function discoverOne(): Promise<number> {
  const { panel, close } = await bench(9600, [{ address: 117, baudRate: BAUD_RATES.at(-1) as number }]);
  try {
    const found = await panel.discover({ mode: 'single', listenMs: 100 });
    return found.readers[0]?.address === 117
      ? (found.presenceMs ?? Number.POSITIVE_INFINITY) / 1000
      : Number.POSITIVE_INFINITY;
  } finally {
    await close();
  }
}

/** Which share of eight readers, spread over all rates and addresses, is found; less what is none. Time is simulated. */
async function discoverMany(): Promise<number> {
  const clock = new ManualClock();
  const places = Array.from({ length: READERS }, (_, i) => ({
    address: (i * 37 + 5) % 127,
    baudRate: BAUD_RATES[i % BAUD_RATES.length] as number,
  }));
  const { bus, panel, close } = await bench(9600, places, clock);
  try {
    const { readers } = await clock.run(panel.discover({ mode: 'multi' }));
    const right = readers.filter((one) =>
      bus.readers.some(({ address, baudRate }) => address === one.address && baudRate === one.baudRate),
    );
    return (right.length - (readers.length - right.length)) / READERS;
  } finally {
    const closing = close();
    await clock.advance(1000);
    await closing;
  }
}

/** The same polls, and the same loss, by the panel of libosdp on the same bus; undefined where it is not installed. */
async function theirPolls(): Promise<Row[] | undefined> {
  const python = process.env.KEYWAY_OSDP_PYTHON;
  if (python === undefined || python === '') return undefined;
  execFileSync(python, ['-c', 'import osdp'], { stdio: 'ignore' });
  const bus = new ReaderBus({ name: 'benchmark-libosdp' });
  const addresses = Array.from({ length: READERS }, (_, address) => address);
  for (const address of addresses) bus.add(new VirtualReader({ address, key: KEY, replyMs: REPLY_MS }));
  const link = await openLink(`virtual:${bus.name}`, { owner: 'benchmark', baudRate: 9600 });
  const child = startTheirs(python, link, { role: 'panel', addresses, scbk: KEY.toString('hex') });
  try {
    await pause(8000);
    bus.medium.clearStats();
    const from = performance.now();
    await pause(10_000);
    const { frames } = bus.stats;
    const each = allowed(bus.stats) / (frames / 2);
    const full = ((frames / 2) * each) / (performance.now() - from);
    return [reported('poll_8_libosdp', full, 'ratio', LIBOSDP)];
  } finally {
    child.kill('SIGKILL');
    await link.close();
    bus.close();
  }
}

function startTheirs(python: string, link: Link, config: Record<string, unknown>): ChildProcess {
  const script = fileURLToPath(new URL('../test/peers/osdp-peer.py', import.meta.url));
  const child = spawn(python, [script, JSON.stringify(config)], { stdio: ['pipe', 'ignore', 'inherit', 'pipe'] });
  const wire = child.stdio[3] as Duplex;
  wire.on('error', () => undefined);
  const parser = new FrameParser({ clock: realClock, onFrame: ({ raw }) => wire.write(withMark(raw)) });
  link.onData((bytes) => parser.push(bytes));
  wire.on('data', (bytes: Buffer) => {
    link.write(bytes).catch(() => undefined);
  });
  return child;
}
