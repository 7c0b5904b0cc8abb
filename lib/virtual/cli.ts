#!/usr/bin/env node
import { isKeywayError } from '../errors/index.ts';
import { parseArguments, USAGE } from './cli/args.ts';
import { asksForHelp } from './cli/common.ts';
import { parseReaderArguments } from './cli/reader-options.ts';
import { runChip } from './cli/run.ts';
import { runReaders } from './cli/run-readers.ts';

const output = {
  line: (text: string): void => void process.stdout.write(`${text}\n`),
  error: (text: string): void => void process.stderr.write(`${text}\n`),
};

function complain(error: unknown, exitCode: number): void {
  if (!isKeywayError(error)) throw error;
  output.error(`${error.code}: ${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}`);
  process.exitCode = exitCode;
}

/** A virtual device that runs. */
interface Running {
  /** At the end. */
  tell(): void;
  close(): Promise<void>;
}

/** What the command line asks for. @throws what is wrong with it */
function parse(argv: readonly string[]): 'help' | (() => Promise<Running>) {
  if (argv[0] === 'readers' && !asksForHelp(argv)) {
    const args = parseReaderArguments(argv.slice(1));
    return async () => {
      const running = await runReaders(args, output);
      return { tell: () => undefined, close: () => running.close() };
    };
  }
  const args = parseArguments(argv);
  if (args === 'help') return 'help';
  return async () => {
    const running = await runChip(args, output);
    process.on('SIGUSR2', () => {
      running.printStats();
      running.chip.resetStats();
    });
    return { tell: () => running.printStats(), close: () => running.close() };
  };
}

async function main(): Promise<void> {
  let start: ReturnType<typeof parse>;
  try {
    start = parse(process.argv.slice(2));
  } catch (error) {
    complain(error, 2);
    return;
  }
  if (start === 'help') {
    process.stdout.write(USAGE);
    return;
  }
  let ending = false;
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        // A second request does not wait for files.
        if (ending) process.exit(1);
        ending = true;
        resolve();
      });
    }
  });
  try {
    const running = await start();
    await asked;
    running.tell();
    await running.close();
  } catch (error) {
    complain(error, 1);
    return;
  }
  process.exit(0);
}

await main();
