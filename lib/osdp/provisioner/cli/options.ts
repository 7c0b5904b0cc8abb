import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { KeystoreSource } from '../../../vault/index.ts';
import { parseProvisionerAddress } from '../link/address.ts';
import { fail } from '../link/errors.ts';
import type { ProvisionerMode } from '../types.ts';

export const USAGE = `keyway-provisioner --port PORT --store FOLDER --listen ADDRESS [options]
  Commissions the OSDP readers of a bus for a host, and goes on without one. Prints one line of JSON when hosts can
  come. Ends on SIGTERM or SIGINT.

  --port PORT              the bus: /dev/ttyUSB0, rfc2217://host:port, tcp://host:port
  --store FOLDER           its journal, pairings and log (made, 0700)
  --listen ADDRESS         unix:/folder/name.sock (in a folder of the mode 0700), tls:host:port, or serial:PORT[@RATE];
                           may be repeated
  --modes LIST             live,offline (default), live, or offline
  --slots N                provisioner slots, 1 to 64; default 8
  --name TEXT              what hosts call it; default the computer's name
  --key-file FILE          the key that seals its secrets is in FILE (0600)
  --key-variable NAME      … in the environment variable NAME
  --key-credential NAME    … in the systemd credential NAME
  --make-key               make the key file when it is missing
  --previous-key-file FILE the key before a rotation; may be repeated
  --pair                   show a pairing code at once
  --parent                 end when standard input ends: for a program that started it

keyway-provisioner pair --store FOLDER [--enrol]
  Makes a pairing code at the provisioner that works on FOLDER, and shows it. It holds for five minutes and one host.
  --enrol: that host may also take over from others, and read the seeds of slots that others sealed.

keyway-provisioner hosts [list | forget FINGERPRINT | enrol FINGERPRINT | dismiss FINGERPRINT] --store FOLDER
  The hosts that were paired; the beginning of a fingerprint will do. dismiss takes back what enrol gave.

keyway-provisioner log --store FOLDER [--verify --key-file FILE | --key-variable NAME | --key-credential NAME]
  What was done at the provisioner, and by whom.
  --verify: says whether what is told of seeds and hosts is what was written, to its last entry. Reads alone; the
  provisioner may be at work. Needs the key that seals its secrets (--previous-key-file as above). Ends with 0 when the
  log holds; with 1 when it does not, or that cannot be told.

Ends with 0, with 1 when it fails, with 2 when the command line cannot be used.
`;

/** What the program is to do. */
export type Wish =
  | { readonly command: 'help' }
  | { readonly command: 'run'; readonly run: RunWish }
  | { readonly command: 'pair'; readonly store: string; readonly enrol: boolean }
  | { readonly command: 'log'; readonly store: string; readonly verify?: KeyWish }
  | {
      readonly command: 'hosts';
      readonly store: string;
      readonly verb: 'list' | 'forget' | 'enrol' | 'dismiss';
      /** Of `verb`; empty for list. */
      readonly fingerprint: string;
    };

/** The key that seals the secrets, and those before it. */
export interface KeyWish {
  readonly key: KeystoreSource;
  readonly previous: readonly KeystoreSource[];
}

export interface RunWish extends KeyWish {
  readonly port: string;
  readonly store: string;
  readonly listen: readonly string[];
  readonly modes: readonly ProvisionerMode[];
  readonly slots: number;
  readonly name?: string;
  readonly makeKey: boolean;
  readonly pair: boolean;
  readonly parent: boolean;
}

const KEYS = {
  'key-file': { type: 'string' },
  'key-variable': { type: 'string' },
  'key-credential': { type: 'string' },
  'previous-key-file': { type: 'string', multiple: true },
} as const;
const RUN = {
  port: { type: 'string' },
  store: { type: 'string' },
  listen: { type: 'string', multiple: true },
  modes: { type: 'string' },
  slots: { type: 'string' },
  name: { type: 'string' },
  ...KEYS,
  'make-key': { type: 'boolean' },
  pair: { type: 'boolean' },
  parent: { type: 'boolean' },
} as const;
const PAIR = { store: { type: 'string' }, enrol: { type: 'boolean' } } as const;
const STORE = { store: { type: 'string' } } as const;
const LOG = { ...STORE, ...KEYS, verify: { type: 'boolean' } } as const;
const HOST_VERBS = ['list', 'forget', 'enrol', 'dismiss'] as const;

/** @throws BAD_LINK_OPTION, BAD_LINK_ADDRESS */
export function parseArguments(argv: readonly string[]): Wish {
  if (argv.includes('--help') || argv.includes('-h')) return { command: 'help' };
  const [command, ...rest] = argv;
  switch (command) {
    case 'pair': {
      const { values } = read(PAIR, rest, 0);
      return { command, store: needed('store', values.store), enrol: values.enrol ?? false };
    }
    case 'log':
      return parseLog(rest);
    case 'hosts':
      return parseHosts(rest);
    default:
      return { command: 'run', run: parseRun(argv) };
  }
}

function parseLog(argv: readonly string[]): Wish {
  const { values } = read(LOG, argv, 0);
  const { store, verify, ...keys } = values;
  if (verify === true) return { command: 'log', store: needed('store', store), verify: keyOf(keys) };
  if (Object.keys(keys).length > 0) throw bad('verify', null, 'A key is for --verify alone.');
  return { command: 'log', store: needed('store', store) };
}

function parseHosts(argv: readonly string[]): Wish {
  const { values, positionals } = read(STORE, argv, 2);
  const [verb = 'list', fingerprint = ''] = positionals;
  const known = HOST_VERBS.find((one) => one === verb);
  if (known === undefined) throw bad('hosts', verb, `Use one of ${HOST_VERBS.join(', ')}.`);
  if (known !== 'list' && !/^[0-9a-f]{6,64}$/i.test(fingerprint)) {
    throw bad('fingerprint', fingerprint, 'Give 6 or more of its digits, as `hosts list` shows it.');
  }
  const store = needed('store', values.store);
  return { command: 'hosts', store, verb: known, fingerprint: fingerprint.toLowerCase() };
}

function parseRun(argv: readonly string[]): RunWish {
  const { values } = read(RUN, argv, 0);
  const listen = values.listen ?? [];
  if (listen.length === 0) throw bad('listen', null, 'Say where hosts come: unix:, tls: or serial:.');
  for (const one of listen) parseProvisionerAddress(one);
  const { key, previous } = keyOf(values);
  if (values['make-key'] === true && !('file' in key)) throw bad('make-key', 'given', 'It needs --key-file.');
  return {
    port: needed('port', values.port),
    store: needed('store', values.store),
    listen,
    modes: modes(values.modes ?? 'live,offline'),
    slots: whole('slots', values.slots ?? '8', 1, 64),
    ...(values.name === undefined ? {} : { name: values.name }),
    key,
    previous,
    makeKey: values['make-key'] ?? false,
    pair: values.pair ?? false,
    parent: values.parent ?? false,
  };
}

function keyOf(values: {
  readonly 'key-file'?: string;
  readonly 'key-variable'?: string;
  readonly 'key-credential'?: string;
  readonly 'previous-key-file'?: string[];
}): KeyWish {
  const sources: KeystoreSource[] = [];
  if (values['key-file'] !== undefined) sources.push({ file: values['key-file'] });
  if (values['key-variable'] !== undefined) sources.push({ environment: values['key-variable'] });
  if (values['key-credential'] !== undefined) sources.push({ credential: values['key-credential'] });
  const [key, ...others] = sources;
  if (key === undefined || others.length > 0) {
    throw bad(
      'key-file',
      key === undefined ? null : 'several',
      'Give one of --key-file, --key-variable, --key-credential.',
    );
  }
  return { key, previous: (values['previous-key-file'] ?? []).map((file) => ({ file })) };
}

function modes(text: string): ProvisionerMode[] {
  const words = text.split(',').map((word) => word.trim());
  const known = words.filter((word): word is ProvisionerMode => word === 'live' || word === 'offline');
  if (known.length === words.length && new Set(words).size === words.length) return known;
  throw bad('modes', text, 'Use live, offline, or live,offline.');
}

function whole(field: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d{1,6}$/.test(text) && value >= least && value <= most) return value;
  throw bad(field, text, `Write a whole number from ${least} to ${most}.`);
}

function needed(field: string, value: string | undefined): string {
  if (value === undefined || value === '') throw bad(field, null, 'See --help.');
  return value;
}

function read<const O extends ParseArgsOptionsConfig>(options: O, argv: readonly string[], positionals: number) {
  try {
    const parsed = parseArgs({ args: [...argv], options, strict: true, allowPositionals: positionals > 0 });
    if (parsed.positionals.length <= positionals) return parsed;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw fail('BAD_LINK_OPTION', what.replace(/\. To specify.*$/s, '.'), { hint: 'See --help.', cause });
  }
  throw fail('BAD_LINK_OPTION', 'There are more words than the command takes.', { hint: 'See --help.' });
}

function bad(field: string, value: string | null, hint: string): Error {
  const what = value === null ? `--${field} is missing.` : `--${field} cannot be "${value}".`;
  return fail('BAD_LINK_OPTION', what, { hint, detail: { field, value } });
}
