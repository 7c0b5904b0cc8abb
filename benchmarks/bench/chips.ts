import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { LineStats } from '../../lib/virtual/index.ts';
import type { Answer, Question } from './chip-host.ts';

/** Chips that run in another process, so that they do not share the event loop of who flashes them. */
export interface Chips {
  readonly addresses: readonly string[];
  /** Blank flash, empty statistics. */
  reset(): Promise<void>;
  stats(): Promise<readonly LineStats[]>;
  close(): Promise<void>;
}

/** @param flash `timed`: erasing and programming take as long as on a real flash. */
export async function startChips(count: number, flash: 'timed' | 'free' = 'free'): Promise<Chips> {
  const host = fork(new URL('./chip-host.ts', import.meta.url), [String(count), flash], { serialization: 'advanced' });
  const [first] = (await once(host, 'message')) as [Answer];
  if (first === 'done' || !('ready' in first)) throw new Error('The chips did not start.');
  return {
    addresses: first.ready,
    reset: async () => void (await ask(host, { ask: 'reset' })),
    stats: async () => {
      const answer = await ask(host, { ask: 'stats' });
      if (answer === 'done' || !('stats' in answer)) throw new Error('The chips gave no statistics.');
      return answer.stats;
    },
    close: async () => {
      host.disconnect();
      await once(host, 'exit');
    },
  };
}

async function ask(host: ChildProcess, question: Question): Promise<Answer> {
  const answered = once(host, 'message');
  host.send(question);
  return (await answered)[0] as Answer;
}
