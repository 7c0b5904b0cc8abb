import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isKeywayError, KeywayError } from '../../../errors/index.ts';
import { openKeystore } from '../../../vault/index.ts';
import { fail as failStore } from '../errors.ts';
import { type Peer, PeerBook } from '../link/book.ts';
import { fail } from '../link/errors.ts';
import { type LogProblem, verifyDeviceLog } from '../store/index.ts';
import { askControl, linkFolder } from './control.ts';
import { type LogLine, readLog } from './file-log.ts';
import type { KeyWish, Wish } from './options.ts';
import { changeHost } from './start.ts';

type ConsoleWish = Exclude<Wish, { readonly command: 'help' | 'run' }>;

/** Does what is asked beside a provisioner that runs. @returns what to print */
export async function runConsole(wish: ConsoleWish): Promise<string> {
  const store = resolve(wish.store);
  switch (wish.command) {
    case 'pair': {
      const { code, until } = await ask(store, { do: 'pair', enrol: wish.enrol });
      const time = new Date(Number(until)).toISOString();
      return `${String(code)}\nType this code at the host. It holds for one host, until ${time}.\n`;
    }
    case 'log':
      return wish.verify === undefined ? printLog(store) : verifyLog(store, wish.verify);
    case 'hosts':
      return hosts(store, wish);
  }
}

async function hosts(store: string, wish: Extract<ConsoleWish, { command: 'hosts' }>): Promise<string> {
  const book = await PeerBook.open(join(linkFolder(store), 'hosts.json'));
  if (wish.verb === 'list') return book.list().map(lineOf).join('') || 'No host was paired.\n';
  const { fingerprint, name } = find(book, wish.fingerprint);
  try {
    await ask(store, { do: wish.verb, fingerprint });
  } catch (error) {
    if (!isKeywayError(error, 'PROVISIONER_NOT_RUNNING')) throw error;
    // A file that another user wrote, the provisioner could not read any more.
    const { uid } = await stat(linkFolder(store));
    if (process.getuid !== undefined && uid !== process.getuid()) throw error;
    await changeHost(book, wish.verb, fingerprint);
  }
  const done = { forget: 'is forgotten', enrol: 'is enrolled', dismiss: 'is no longer enrolled' }[wish.verb];
  return `"${name}" (${fingerprint}) ${done}.\n`;
}

function find(book: PeerBook, start: string): Peer {
  const found = book.list().filter((peer) => peer.fingerprint.startsWith(start));
  const [one, other] = found;
  if (one !== undefined && other === undefined) return one;
  throw fail('NOT_PAIRED', `${found.length} paired hosts have a fingerprint that begins with ${start}.`, {
    hint: 'See `keyway-provisioner hosts list`, and give more of its digits.',
    detail: { field: 'fingerprint', value: start },
  });
}

const lineOf = ({ fingerprint, name, pairedAt, enrolled }: Peer): string =>
  `${fingerprint}  ${new Date(pairedAt).toISOString()}  ${enrolled ? 'enrolled' : 'paired  '}  ${name}\n`;

async function ask(
  store: string,
  request: Parameters<typeof askControl>[1],
): Promise<Readonly<Record<string, unknown>>> {
  const reply = await askControl(store, request);
  const error = reply.error as { readonly code?: unknown; readonly message?: unknown } | undefined;
  if (error === undefined) return reply;
  throw new KeywayError(String(error.code), String(error.message));
}

/** What the device and its link wrote, in the order of time. */
async function printLog(store: string): Promise<string> {
  const files = [join(store, 'device.log'), join(linkFolder(store), 'link.log.1'), join(linkFolder(store), 'link.log')];
  const lines: LogLine[] = [];
  for (const file of files) lines.push(...(await readLog(file)));
  lines.sort((a, b) => a.at - b.at);
  return lines.map(({ at, mac: _, ...rest }) => `${new Date(at).toISOString()} ${JSON.stringify(rest)}\n`).join('');
}

/** @throws LOG_ALTERED, and as `verifyDeviceLog` */
async function verifyLog(store: string, { key, previous }: KeyWish): Promise<string> {
  const keystore = await openKeystore({ source: key, previous });
  try {
    const { entries, mac, newest, problem } = await verifyDeviceLog(store, keystore);
    const until = entries === 0 ? '' : `, the last of ${new Date(newest).toISOString()} (${mac})`;
    if (problem === undefined) return `The log holds: ${entries} entries${until}.\n`;
    throw failStore('LOG_ALTERED', `The log does not hold: entry ${problem.entry} ${HOW[problem.what]}.`, {
      hint: 'Keep the files of the store as they are, and find out who could write them.',
      detail: { ...problem },
    });
  } finally {
    keystore.close();
  }
}

const HOW: Readonly<Record<LogProblem['what'], string>> = {
  altered: 'is not as it was written',
  missing: 'is missing',
  moved: 'is not in its place, but comes later',
  'cut-off': 'and what came after it were cut off',
  appended: 'was not written by the provisioner',
  before: 'tells of other lines before the chain than are there',
  head: 'does not agree with the head of the log, or that is missing or damaged',
  'head-old': 'is behind the head of the log: that was taken from an older state',
  noted: 'tells that the log was found damaged',
};
