/** Virtual chips in a process of their own, each behind an RFC 2217 port, measured at the chip. Talks to chips.ts. */
import { type LineStats, serveRfc2217, VirtualChip, VirtualSocket } from '../../lib/virtual/index.ts';

export type Question = { readonly ask: 'stats' | 'reset' };
export type Answer = { readonly ready: readonly string[] } | { readonly stats: readonly LineStats[] } | 'done';

const count = Number(process.argv[2]);
const flashTiming = process.argv[3] === 'timed';
const chips = Array.from(
  { length: count },
  (_, i) =>
    new VirtualChip({
      model: 'esp32c3',
      mac: `60:55:f9:00:00:${(i + 1).toString(16).padStart(2, '0')}`,
      line: 'paced',
      flashTiming,
    }),
);
const services = await Promise.all(
  chips.map((chip, i) => {
    const socket = new VirtualSocket({ name: `benchmark-${i}` });
    socket.insert(chip);
    return serveRfc2217(socket, { port: 0 });
  }),
);

process.on('message', ({ ask }: Question) => {
  if (ask === 'stats') process.send?.({ stats: chips.map((chip) => chip.stats()) } satisfies Answer);
  else {
    for (const chip of chips) {
      chip.flash.fill(0xff);
      chip.resetStats();
    }
    process.send?.('done' satisfies Answer);
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: services.map(({ address }) => address) } satisfies Answer);
