#!/usr/bin/env node
import { isKeywayError } from '../errors/index.ts';
import { parseArguments, USAGE } from './cli/args.ts';
import { runChip } from './cli/run.ts';

const output = {
  line: (text: string): void => void process.stdout.write(`${text}\n`),
  error: (text: string): void => void process.stderr.write(`${text}\n`),
};

function complain(error: unknown, exitCode: number): void {
  if (!isKeywayError(error)) throw error;
  output.error(`${error.code}: ${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}`);
  process.exitCode = exitCode;
}

async function main(): Promise<void> {
  let args: ReturnType<typeof parseArguments>;
  try {
    args = parseArguments(process.argv.slice(2));
  } catch (error) {
    complain(error, 2);
    return;
  }
  if (args === 'help') {
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
    const running = await runChip(args, output);
    process.on('SIGUSR2', () => {
      running.printStats();
      running.chip.resetStats();
    });
    await asked;
    running.printStats();
    await running.close();
  } catch (error) {
    complain(error, 1);
    return;
  }
  process.exit(0);
}

await main();
