import { makeReaders } from '../readers/crew.ts';
import type { ListenOptions } from '../serve/listen.ts';
import { bad } from './chip-options.ts';
import { parseListen, read } from './common.ts';

export const READERS_USAGE = `keyway-virtual readers --count N [options]
  Starts a bus with virtual OSDP readers and prints one line of JSON when it can be reached. Ends on SIGTERM or SIGINT.

  --count N             how many readers, 1 (default) to 126
  --addresses LIST      their addresses, like 0,1,5; default 0, 1, 2 ...
  --baud RATE           9600 (default), 19200, 38400, 57600, 115200 or 230400
  --personality WORDS   like no-crc+busy-3; one for all, or several with commas between, one a reader
  --key FILE            the key of those that are "keyed": 16 bytes; without it each has a random one
  --reply MS            how long they take to reply, 3 by default
  --line paced|free     true line speed (default), or as fast as it goes
  --rfc2217 HOST:PORT   serve the bus by RFC 2217, which tells it the rate of the host; port 0 = any free one
  --tcp HOST:PORT       serve it as a bare byte stream: any rate fits
  --pty [PATH]          serve it as a pseudo-terminal, linked from PATH: any rate fits
  --help
`;

export interface ReaderArguments {
  readonly count: number;
  readonly addresses?: readonly number[];
  readonly baudRate: number;
  readonly natures: readonly string[];
  readonly keyFile?: string;
  readonly replyMs?: number;
  readonly line: 'paced' | 'free';
  readonly rfc2217?: ListenOptions;
  readonly tcp?: ListenOptions;
  /** True without a path. */
  readonly pty?: string | true;
}

const OPTIONS = {
  count: { type: 'string' },
  addresses: { type: 'string' },
  baud: { type: 'string' },
  personality: { type: 'string' },
  key: { type: 'string' },
  reply: { type: 'string' },
  line: { type: 'string' },
  rfc2217: { type: 'string' },
  tcp: { type: 'string' },
  pty: { type: 'string' },
} as const;

/** Reads what follows the word "readers". @throws BAD_ARGUMENT, BAD_READER_OPTION, BAD_OSDP_ADDRESS, BAD_OSDP_BAUD */
export function parseReaderArguments(argv: readonly string[]): ReaderArguments {
  const values = read(OPTIONS, argv);
  if (values.rfc2217 === undefined && values.tcp === undefined && values.pty === undefined) {
    throw bad('pty', null, 'The readers cannot be reached: give --rfc2217, --tcp or --pty.');
  }
  const line = values.line ?? 'paced';
  if (line !== 'paced' && line !== 'free') throw bad('line', line, 'Use paced or free.');
  const addresses = values.addresses?.split(',').map((text) => whole('addresses', text));
  const made = {
    count: values.count === undefined ? (addresses?.length ?? 1) : whole('count', values.count),
    baudRate: values.baud === undefined ? 9600 : whole('baud', values.baud),
    natures: values.personality?.split(',') ?? [],
    ...(addresses === undefined ? {} : { addresses }),
    ...(values.reply === undefined ? {} : { replyMs: whole('reply', values.reply) }),
  };
  makeReaders(made);
  return {
    ...made,
    line,
    ...(values.key === undefined ? {} : { keyFile: values.key }),
    ...(values.rfc2217 === undefined ? {} : { rfc2217: parseListen('rfc2217', values.rfc2217) }),
    ...(values.tcp === undefined ? {} : { tcp: parseListen('tcp', values.tcp) }),
    ...(values.pty === undefined ? {} : { pty: values.pty === '' ? true : values.pty }),
  };
}

function whole(field: string, text: string): number {
  if (!/^\d{1,6}$/.test(text.trim())) throw bad(field, text, 'Write a whole number.');
  return Number(text);
}
