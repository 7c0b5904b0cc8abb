import { isKeywayError } from '../../../errors/index.ts';
import type { PeerBook } from '../link/book.ts';
import { CHANNEL_TIMES, Channel, type ChannelTimes } from '../link/channel.ts';
import { fail } from '../link/errors.ts';
import { type Hello, PROTOCOL, VERSIONS } from '../link/messages.ts';
import type { Binding } from '../link/pairing.ts';
import { type Dialled, type DialOptions, dial, nameOf, type Where } from './dial.ts';
import { type Notice, Session } from './session.ts';

/** Which provisioners this host was paired with: a book, or fingerprints. */
export type Pins = PeerBook | readonly string[];

/** A provisioner that said hello. */
export interface Greeted {
  readonly session: Session;
  readonly hello: Hello;
  readonly binding: Binding | null;
  /** See Dialled. */
  readonly released: Promise<void>;
}

export interface GreetOptions extends DialOptions {
  /** What this host is called, for people: 1 … 64 characters. */
  readonly name: string;
  readonly times?: Partial<ChannelTimes>;
}

/** @throws LINK_WRONG_CERTIFICATE, NOT_PAIRED; nothing was sent then */
export function checkPin(where: Where, binding: Binding | null, pins: Pins): void {
  if (binding === null) return;
  const known = Array.isArray(pins)
    ? (pins as readonly string[])
    : (pins as PeerBook).list().map((one) => one.fingerprint);
  if (known.includes(binding.provisioner)) return;
  const facts = { field: 'address', value: nameOf(where), fingerprint: binding.provisioner };
  if (known.length === 0) {
    throw fail('NOT_PAIRED', `This host is paired with no provisioner yet, so with none at ${nameOf(where)}.`, {
      hint: 'Pair them: `keyway-provisioner pair` where the provisioner runs shows a code.',
      detail: facts,
    });
  }
  throw fail('LINK_WRONG_CERTIFICATE', `What answers at ${nameOf(where)} is no provisioner that this host knows.`, {
    hint:
      'Another device is there, or somebody stands between. If it is a new one, or it lost its store, pair it; else ' +
      'look who answers.',
    detail: facts,
  });
}

/** @throws BAD_LINK_OPTION */
export function checkHostName(name: string): void {
  if (typeof name === 'string' && /^[^\p{Cc}\p{Cs}\u2028\u2029]{1,64}$/u.test(name) && name.length <= 64) return;
  throw fail('BAD_LINK_OPTION', 'A host cannot be called so.', {
    hint: 'A name has 1 to 64 characters, none of them a control character.',
    detail: { field: 'name', value: String(name).slice(0, 64) },
  });
}

/**
 * Connects and says hello. A provisioner that is to be known by its certificate is looked at before anything is sent.
 * @param check throws when it is the wrong one
 * @throws BAD_LINK_OPTION, what dial throws, LINK_NO_PROVISIONER, VERSION_UNSUPPORTED
 */
export async function greet(
  where: Where,
  options: GreetOptions,
  check: (binding: Binding | null) => void,
  notice: (notice: Notice) => void = () => undefined,
): Promise<Greeted> {
  checkHostName(options.name);
  const { stream, binding, released }: Dialled = await dial(where, options);
  try {
    check(binding);
  } catch (error) {
    stream.destroy();
    await released;
    throw error;
  }
  const session = new Session(new Channel(stream, { ...CHANNEL_TIMES, ...options.times }), notice);
  const timer = setTimeout(() => session.destroy(), options.timeoutMs ?? 5000);
  try {
    const asked = { protocol: PROTOCOL, versions: VERSIONS, role: 'host', name: options.name } as const;
    const { result } = await session.request('hello', asked);
    if (!VERSIONS.includes(result.version)) throw noProvisioner(where);
    return { session, hello: result, binding, released };
  } catch (error) {
    session.destroy();
    await released;
    if (isKeywayError(error, 'LINK_LOST', 'BAD_FRAME', 'BAD_MESSAGE')) throw noProvisioner(where, error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function noProvisioner(where: Where, cause?: unknown): Error {
  return fail('LINK_NO_PROVISIONER', `What answers at ${nameOf(where)} does not say hello as a provisioner does.`, {
    hint: 'Check the address, and that a provisioner listens there.',
    detail: { field: 'address', value: nameOf(where) },
    ...(cause === undefined ? {} : { cause }),
  });
}
