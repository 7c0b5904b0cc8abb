import { fail } from '../errors.ts';
import type { ListenOptions } from '../serve/listen.ts';
import { CHIP_OPTIONS, CHIP_USAGE, type ChipArguments, parseChip } from './chip-options.ts';
import { asksForHelp, parseListen, read } from './common.ts';
import { READERS_USAGE } from './reader-options.ts';

export const USAGE = `${READERS_USAGE}
keyway-virtual chip --model MODEL --mac MAC [options]
  Starts a virtual chip and prints one line of JSON when it can be reached. Ends on SIGTERM or SIGINT.

${CHIP_USAGE}
  --rfc2217 HOST:PORT   serve the serial port by RFC 2217; port 0 = any free one
  --tcp HOST:PORT       serve it as a bare byte stream, without control lines
  --pty [PATH]          serve it as a pseudo-terminal, linked from PATH
  --flash FILE          load the flash from FILE and keep FILE up to date
  --log                 print what the chip prints on standard error
  --stats               print line statistics as JSON on SIGUSR2 and at the end
  --help
`;

export interface Arguments {
  readonly chip: ChipArguments;
  /** A file that holds the flash encryption key. */
  readonly keyFile?: string;
  /** A file that holds the key of the HMAC engine. */
  readonly hmacKeyFile?: string;
  readonly rfc2217?: ListenOptions;
  readonly tcp?: ListenOptions;
  /** True without a path. */
  readonly pty?: string | true;
  readonly flashFile?: string;
  readonly log: boolean;
  readonly stats: boolean;
}

/** Reads the command line. @returns 'help' when it was asked for. @throws BAD_ARGUMENT, BAD_MAC, BAD_CHIP_MODEL, BAD_CHIP_OPTION */
export function parseArguments(argv: readonly string[]): Arguments | 'help' {
  if (asksForHelp(argv)) return 'help';
  const [device, ...rest] = argv;
  if (device !== 'chip') {
    throw fail('BAD_ARGUMENT', `There is no virtual device "${device ?? ''}".`, {
      hint: 'Start with "keyway-virtual chip" or "keyway-virtual readers", or see --help.',
      detail: { field: 'device', value: device ?? null },
    });
  }
  const values = read(OPTIONS, rest);
  const chip = parseChip(values);
  if (values.rfc2217 === undefined && values.tcp === undefined && values.pty === undefined) {
    throw fail('BAD_ARGUMENT', 'The chip cannot be reached.', {
      hint: 'Give --rfc2217, --tcp or --pty.',
      detail: { field: 'rfc2217' },
    });
  }
  const keyFile = values['encryption-key'];
  const hmacKeyFile = values['hmac-key'];
  return {
    chip,
    log: values.log ?? false,
    stats: values.stats ?? false,
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(hmacKeyFile === undefined ? {} : { hmacKeyFile }),
    ...(values.rfc2217 === undefined ? {} : { rfc2217: parseListen('rfc2217', values.rfc2217) }),
    ...(values.tcp === undefined ? {} : { tcp: parseListen('tcp', values.tcp) }),
    ...(values.pty === undefined ? {} : { pty: values.pty === '' ? true : values.pty }),
    ...(values.flash === undefined ? {} : { flashFile: values.flash }),
  };
}

const OPTIONS = {
  ...CHIP_OPTIONS,
  rfc2217: { type: 'string' },
  tcp: { type: 'string' },
  pty: { type: 'string' },
  flash: { type: 'string' },
  log: { type: 'boolean' },
  stats: { type: 'boolean' },
} as const;
