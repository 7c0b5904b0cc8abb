import { parseArgs } from 'node:util';
import { CHIP_MODELS } from '../chip/models/index.ts';
import type { VirtualChipOptions } from '../chip/options.ts';
import { checkOptions } from '../chip/setup.ts';
import { fail } from '../errors.ts';
import type { LineMode } from '../line/line.ts';
import type { ListenOptions } from '../serve/listen.ts';

export const USAGE = `keyway-virtual chip --model MODEL --mac MAC [options]
  Starts a virtual chip and prints one line of JSON when it can be reached. Ends on SIGTERM or SIGINT.

  --model MODEL         ${CHIP_MODELS.join(', ')}
  --mac MAC             base MAC address, like 60:55:f9:00:00:01
  --rfc2217 HOST:PORT   serve the serial port by RFC 2217; port 0 = any free one
  --tcp HOST:PORT       serve it as a bare byte stream, without control lines
  --pty [PATH]          serve it as a pseudo-terminal, linked from PATH
  --flash FILE          load the flash from FILE and keep FILE up to date
  --flash-size SIZE     1MB, 2MB, 4MB (default), 8MB or 16MB
  --line paced|free     true line speed (default), or as fast as it goes
  --flash-timing        erasing and programming take as long as on a real flash
  --log                 print what the chip prints on standard error
  --stats               print line statistics as JSON on SIGUSR2 and at the end
  --help
`;

export interface ChipArguments {
  readonly chip: Pick<VirtualChipOptions, 'model' | 'mac' | 'flashSize' | 'flashTiming'> & { readonly line: LineMode };
  readonly rfc2217?: ListenOptions;
  readonly tcp?: ListenOptions;
  /** True without a path. */
  readonly pty?: string | true;
  readonly flashFile?: string;
  readonly log: boolean;
  readonly stats: boolean;
}

/** Reads the command line. @returns 'help' when it was asked for. @throws BAD_ARGUMENT, BAD_MAC, BAD_CHIP_MODEL, BAD_CHIP_OPTION */
export function parseArguments(argv: readonly string[]): ChipArguments | 'help' {
  if (argv.includes('--help') || argv.includes('-h')) return 'help';
  const [device, ...rest] = argv;
  if (device !== 'chip') {
    throw fail('BAD_ARGUMENT', `There is no virtual device "${device ?? ''}".`, {
      hint: 'Start with "keyway-virtual chip", or see --help.',
      detail: { field: 'device', value: device ?? null },
    });
  }
  const values = read(withPtyPath(rest));
  const chip = {
    model: need('model', values.model),
    mac: need('mac', values.mac),
    line: parseLine(values.line),
    flashTiming: values['flash-timing'] ?? false,
    ...(values['flash-size'] === undefined ? {} : { flashSize: parseSize(values['flash-size']) }),
  };
  checkOptions(chip);
  if (values.rfc2217 === undefined && values.tcp === undefined && values.pty === undefined) {
    throw fail('BAD_ARGUMENT', 'The chip cannot be reached.', {
      hint: 'Give --rfc2217, --tcp or --pty.',
      detail: { field: 'rfc2217' },
    });
  }
  return {
    chip,
    log: values.log ?? false,
    stats: values.stats ?? false,
    ...(values.rfc2217 === undefined ? {} : { rfc2217: parseListen('rfc2217', values.rfc2217) }),
    ...(values.tcp === undefined ? {} : { tcp: parseListen('tcp', values.tcp) }),
    ...(values.pty === undefined ? {} : { pty: values.pty === '' ? true : values.pty }),
    ...(values.flash === undefined ? {} : { flashFile: values.flash }),
  };
}

const OPTIONS = {
  model: { type: 'string' },
  mac: { type: 'string' },
  rfc2217: { type: 'string' },
  tcp: { type: 'string' },
  pty: { type: 'string' },
  flash: { type: 'string' },
  'flash-size': { type: 'string' },
  line: { type: 'string' },
  'flash-timing': { type: 'boolean' },
  log: { type: 'boolean' },
  stats: { type: 'boolean' },
} as const;

function read(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw fail('BAD_ARGUMENT', what.replace(/\. To specify.*$/s, '.'), {
      hint: 'See --help.',
      detail: { argv },
      cause,
    });
  }
}

/** `--pty` may stand without a path. */
function withPtyPath(argv: readonly string[]): string[] {
  return argv.map((text, i) => {
    const next = argv[i + 1];
    return text === '--pty' && (next === undefined || next.startsWith('--')) ? '--pty=' : text;
  });
}

function parseLine(text = 'paced'): LineMode {
  if (text === 'paced' || text === 'free') return text;
  throw bad('line', text, 'Use paced or free.');
}

function need(field: string, value: string | undefined): string {
  if (value === undefined) throw bad(field, null, `Give --${field}.`);
  return value;
}

function parseSize(text: string): number {
  const match = /^(\d+)\s*MB?$/i.exec(text.trim());
  if (match?.[1] === undefined) throw bad('flash-size', text, 'Write it like 4MB.');
  return Number(match[1]) * 0x100000;
}

function parseListen(field: string, text: string): ListenOptions {
  const match = /^(?:(\[[0-9a-f:]+\]|[^\s:[\]]+):)?(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[2]);
  if (match === null || !(port <= 65535)) throw bad(field, text, 'Write it like 127.0.0.1:4001.');
  const host = match[1]?.replace(/^\[|\]$/g, '');
  return host === undefined ? { port } : { host, port };
}

function bad(field: string, value: string | null, hint: string): Error {
  const what = value === null ? `--${field} is missing.` : `--${field} cannot be "${value}".`;
  return fail('BAD_ARGUMENT', what, { hint, detail: { field, value } });
}
