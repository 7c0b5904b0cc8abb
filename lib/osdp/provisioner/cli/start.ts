import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { isKeywayError } from '../../../errors/index.ts';
import { openLink } from '../../../link/index.ts';
import { type Keystore, type KeystoreSource, makeKeyFile, openKeystore } from '../../../vault/index.ts';
import { openProvisioner } from '../device/index.ts';
import type { HostIdentity, ProvisionerDevice } from '../device.ts';
import { parseProvisionerAddress } from '../link/address.ts';
import { PeerBook } from '../link/book.ts';
import { fail } from '../link/errors.ts';
import { ProvisionerHub } from '../link/hub.ts';
import { openLinkIdentity } from '../link/identity.ts';
import { type Listening, listen } from '../link/listen.ts';
import type { LinkEvent } from '../link/log.ts';
import { name as linkName } from '../link/shapes.ts';
import { HOST_EVENTS } from '../store/index.ts';
import type { ProvisionerMode } from '../types.ts';
import { type ControlRequest, checkStorePath, linkFolder, serveControl } from './control.ts';
import { FileLog } from './file-log.ts';

const CALM_MS = 60_000;

/** What a provisioner is, and where. */
export interface StartOptions {
  /** The bus: see `parseAddress` of lib/link. */
  readonly port: string;
  /** The folder of its store; made (0700) when missing. */
  readonly store: string;
  /** Where hosts come: see `ProvisionerAddress`. */
  readonly listen: readonly string[];
  /** Default both. */
  readonly modes?: readonly ProvisionerMode[];
  /** Default 8. */
  readonly slots?: number;
  /** 1 … 64 characters; default the name of the computer. */
  readonly name?: string;
  /** The key that seals its secrets. */
  readonly key: KeystoreSource;
  readonly previous?: readonly KeystoreSource[];
  /** Make the key file when there is none. */
  readonly makeKey?: boolean;
  /** Of the package. */
  readonly version?: string;
  /** For people: one line an event. Never a secret. */
  readonly onLine?: (text: string) => void;
}

/** A provisioner that works. */
export interface RunningProvisioner {
  /** Where hosts come; ports that were left open are filled in. */
  readonly listening: readonly string[];
  /** SHA-256 of the certificate that it shows on TLS, hex. */
  readonly fingerprint: string;
  readonly name: string;
  readonly device: ProvisionerDevice;
  /** Makes a pairing code, for people at this console. */
  pair(enrol?: boolean): { readonly code: string; readonly until: number };
  close(): Promise<void>;
}

/**
 * Starts a provisioner in this process: the device with its store, and the ways by which hosts come.
 * @throws BAD_LINK_ADDRESS, BAD_LINK_OPTION, LINK_*, what the keystore and `openProvisioner` throw
 */
export async function startProvisioner(options: StartOptions): Promise<RunningProvisioner> {
  const ways = options.listen.map((one) => parseProvisionerAddress(one));
  const store = resolve(options.store);
  checkStorePath(store);
  const name = checkedName(options.name ?? (hostname().slice(0, 64) || 'provisioner'));
  const line = options.onLine ?? (() => undefined);
  const ends: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const keystore = await openKey(options);
    ends.push(() => keystore.close());
    // The book is opened with the store, which the device makes and holds alone.
    let book = await PeerBook.open(null);
    const isEnrolled = (host: HostIdentity): boolean => book.find(host.id)?.enrolled === true;
    const device = await openProvisioner({
      folder: store,
      keystore,
      openPort: () => openLink(options.port, { owner: `the provisioner "${name}"`, baudRate: 9600 }),
      modes: options.modes ?? ['live', 'offline'],
      slots: options.slots ?? 8,
      name,
      version: options.version ?? '0',
      isEnrolled,
      log: (said) => line(said.text),
    });
    ends.push(() => device.close());
    const folder = linkFolder(store);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    book = await PeerBook.open(join(folder, 'hosts.json'));
    const identity = await openLinkIdentity(join(folder, 'identity.json'), name, keystore);
    const log = new FileLog(join(folder, 'link.log'), () => line('The log of the link cannot be written.'));
    ends.push(() => log.close());
    const calm = calmer();
    const say = (event: LinkEvent): void => {
      if (!calm(event)) return;
      line(textOf(event));
      const { event: what, host: id, name: called = '', text } = event;
      const chained = HOST_EVENTS.find((one) => one === what);
      if (chained === undefined) log.add({ at: Date.now(), ...event });
      else device.noteHost(chained, text, id === undefined ? undefined : { id, name: called });
    };
    const hub = new ProvisionerHub({ device, book, identity, log: say, hasSealed: (host) => device.hasSealed(host) });
    ends.push(() => hub.close());
    const pair = (enrol = false): { code: string; until: number } => {
      say({ event: 'pairing-open', ...(enrol ? { text: 'enrols' } : {}) });
      return hub.pairing.open(enrol);
    };
    ends.push(await serveControl(store, (request) => answer(request, book, hub, pair, say)));
    const listening: Listening[] = [];
    for (const way of ways) {
      const one = await listen(hub, way, line);
      ends.push(() => one.close());
      listening.push(one);
      say({ event: 'listening', text: one.address });
    }
    return {
      listening: listening.map((one) => one.address),
      fingerprint: identity.fingerprint,
      name,
      device,
      pair,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function checkedName(name: string): string {
  try {
    return linkName(name, 'name');
  } catch (cause) {
    throw fail('BAD_LINK_OPTION', 'The provisioner cannot be called so.', {
      hint: 'A name has 1 to 64 characters, none of them a control character.',
      detail: { field: 'name', value: name.slice(0, 64) },
      cause,
    });
  }
}

/** Whether to tell: what somebody outside can bring about at will is told once a minute. */
function calmer(): (event: LinkEvent) => boolean {
  const told = new Map<string, number>();
  return ({ event, host = '' }) => {
    if (event !== 'stranger' && event !== 'busy' && event !== 'takeover-refused') return true;
    const [key, now] = [`${event} ${host}`, performance.now()];
    if (now - (told.get(key) ?? Number.NEGATIVE_INFINITY) < CALM_MS) return false;
    if (told.size > 100) told.clear();
    told.set(key, now);
    return true;
  };
}

async function openKey({ key, previous = [], makeKey }: StartOptions): Promise<Keystore> {
  try {
    return await openKeystore({ source: key, previous });
  } catch (error) {
    if (makeKey !== true || !('file' in key) || !isKeywayError(error, 'KEYSTORE_KEY_MISSING')) throw error;
  }
  await makeKeyFile(key.file);
  return openKeystore({ source: key, previous });
}

async function answer(
  request: ControlRequest,
  book: PeerBook,
  hub: ProvisionerHub,
  pair: (enrol: boolean) => object,
  say: (event: LinkEvent) => void,
): Promise<object> {
  if (request.do === 'pair') return pair(request.enrol === true);
  if (request.do !== 'forget' && request.do !== 'enrol' && request.do !== 'dismiss') {
    throw fail('BAD_LINK_OPTION', 'The provisioner does not know what is asked of it.', { hint: 'Update it.' });
  }
  const name = book.find(String(request.fingerprint))?.name ?? '';
  await changeHost(book, request.do, String(request.fingerprint));
  say({ event: request.do === 'forget' ? 'forgotten' : 'enrolled', host: request.fingerprint, name, text: request.do });
  if (request.do === 'forget') hub.recheck();
  return {};
}

/** Forgets, enrols or dismisses a host. @throws NOT_PAIRED there is none of that fingerprint */
export async function changeHost(
  book: PeerBook,
  what: 'forget' | 'enrol' | 'dismiss',
  fingerprint: string,
): Promise<void> {
  const peer = book.find(fingerprint);
  if (peer === undefined) {
    throw fail('NOT_PAIRED', `No host with the fingerprint ${fingerprint} was paired.`, {
      hint: 'See `keyway-provisioner hosts list`.',
      detail: { field: 'fingerprint', value: fingerprint },
    });
  }
  if (what === 'forget') await book.forget(fingerprint);
  else await book.put({ ...peer, enrolled: what === 'enrol' });
}

function textOf({ event, host, name, text }: LinkEvent): string {
  const who = [
    name === undefined ? '' : `"${name}"`,
    host === undefined || host === 'unix' ? (host ?? '') : host.slice(0, 12),
  ];
  return [event, ...who, text ?? ''].filter((part) => part !== '').join(' ');
}
