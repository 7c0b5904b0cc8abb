#!/usr/bin/env node
/** `keyway-provisioner`: owns a bus of OSDP readers, and commissions them for a host or by itself. */
import { readFile } from 'node:fs/promises';
import { isKeywayError } from '../../errors/index.ts';
import { runConsole } from './cli/console.ts';
import { parseArguments, type RunWish, USAGE, type Wish } from './cli/options.ts';
import { type RunningProvisioner, startProvisioner } from './cli/start.ts';

/** By then it has ended, whatever the bus does. */
const END_WITHIN_MS = 4500;

function complain(error: unknown): void {
  if (!isKeywayError(error)) throw error;
  process.stderr.write(`${error.code}: ${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}\n`);
}

/** Of the package that this file belongs to. */
async function packageVersion(): Promise<string> {
  for (const up of ['../../../package.json', '../../../../package.json']) {
    const text = await readFile(new URL(up, import.meta.url), 'utf8').catch(() => undefined);
    if (text !== undefined) return String((JSON.parse(text) as { version?: unknown }).version ?? '0');
  }
  return '0';
}

function showCode({ code, until }: { code: string; until: number }): void {
  process.stderr.write(`Pairing code ${code}, for one host, until ${new Date(until).toISOString()}.\n`);
}

async function run({ pair, parent, ...wish }: RunWish): Promise<void> {
  // Node would open its debugger at this signal.
  process.on('SIGUSR1', () => undefined);
  let ending = false;
  const asked = new Promise<void>((resolve) => {
    const end = (): void => {
      if (!ending) setTimeout(() => process.exit(1), END_WITHIN_MS).unref();
      ending = true;
      resolve();
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        // A second request does not wait for files.
        if (ending) process.exit(1);
        end();
      });
    }
    if (parent) {
      process.stdin.on('end', end).on('error', end).on('close', end);
      process.stdin.resume();
    }
  });
  // Whoever started this may read no more of what it says.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const running: RunningProvisioner = await startProvisioner({
    ...wish,
    version: await packageVersion(),
    onLine: (text) => void process.stderr.write(`${text}\n`),
  });
  const { name, listening, fingerprint } = running;
  process.stdout.write(`${JSON.stringify({ ready: true, name, listening, fingerprint, pid: process.pid })}\n`);
  if (pair) showCode(running.pair());
  await asked;
  await running.close();
}

async function main(): Promise<number> {
  let wish: Wish;
  try {
    wish = parseArguments(process.argv.slice(2));
  } catch (error) {
    complain(error);
    return 2;
  }
  try {
    if (wish.command === 'help') process.stdout.write(USAGE);
    else if (wish.command === 'run') await run(wish.run);
    else process.stdout.write(await runConsole(wish));
    return 0;
  } catch (error) {
    complain(error);
    return 1;
  }
}

process.exit(await main());
