import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { fail } from '../errors.ts';
import type { ListenOptions } from '../serve/listen.ts';
import { bad } from './chip-options.ts';

/** Whether the command line asks what there is. */
export function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
}

/** `--pty` may stand without a path. @throws BAD_ARGUMENT */
export function read<const O extends ParseArgsOptionsConfig>(options: O, argv: readonly string[]) {
  try {
    return parseArgs({ args: withPtyPath(argv), options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw fail('BAD_ARGUMENT', what.replace(/\. To specify.*$/s, '.'), {
      hint: 'See --help.',
      detail: { argv },
      cause,
    });
  }
}

function withPtyPath(argv: readonly string[]): string[] {
  return argv.map((text, i) => {
    const next = argv[i + 1];
    return text === '--pty' && (next === undefined || next.startsWith('--')) ? '--pty=' : text;
  });
}

/** "127.0.0.1:4001", or a port alone. @throws BAD_ARGUMENT */
export function parseListen(field: string, text: string): ListenOptions {
  const match = /^(?:(\[[0-9a-f:]+\]|[^\s:[\]]+):)?(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[2]);
  if (match === null || !(port <= 65535)) throw bad(field, text, 'Write it like 127.0.0.1:4001.');
  const host = match[1]?.replace(/^\[|\]$/g, '');
  return host === undefined ? { port } : { host, port };
}
