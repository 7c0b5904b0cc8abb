import { readFile } from 'node:fs/promises';
import { codeOf } from '../../../errors/index.ts';
import { writeSecretFile } from '../../../vault/index.ts';
import { type Check, closed, flag, like, list, oneOf, text, whole } from './check.ts';
import { fail } from './errors.ts';

/** Somebody that was paired, known by its certificate. */
export interface Peer {
  /** SHA-256 of the certificate in DER, hex. */
  readonly fingerprint: string;
  /** As it called itself at pairing. */
  readonly name: string;
  readonly pairedAt: number;
  /** Of a host: the console said that it may take over, and read seeds of slots that others sealed. */
  readonly enrolled: boolean;
}

const PEERS_MOST = 256;
const KIND = 'keyway-link-peers';
export const fingerprint = like(/^[0-9a-f]{64}$/, 'a fingerprint of 64 hex digits');

const bookOf: Check<{ kind: typeof KIND; version: 1; peers: readonly Peer[] }> = closed({
  kind: oneOf([KIND]),
  version: oneOf([1]),
  peers: list<Peer>(
    closed<Peer>({ fingerprint, name: text(1, 64), pairedAt: whole(0, Number.MAX_SAFE_INTEGER), enrolled: flag }),
    PEERS_MOST,
  ),
});

/** Who was paired. No secret is in it; who could write it could let himself in. */
export class PeerBook {
  readonly #path: string | null;
  #peers = new Map<string, Peer>();
  #work: Promise<unknown> = Promise.resolve();

  private constructor(path: string | null, peers: readonly Peer[]) {
    this.#path = path;
    this.#peers = new Map(peers.map((peer) => [peer.fingerprint, peer]));
  }

  /** A book in a file (0600), or in memory alone when `path` is null. @throws LINK_FILE */
  static async open(path: string | null): Promise<PeerBook> {
    return new PeerBook(path, path === null ? [] : await readPeers(path));
  }

  /** A book of those that are known by other means. */
  static of(peers: readonly Peer[]): PeerBook {
    return new PeerBook(null, peers);
  }

  list(): Peer[] {
    return [...this.#peers.values()];
  }

  find(print: string): Peer | undefined {
    return this.#peers.get(print);
  }

  /** On the disk when it resolves. @throws LINK_FILE the book is full; KEYSTORE_FILE */
  put(peer: Peer): Promise<void> {
    return this.#change((peers) => {
      peers.set(peer.fingerprint, peer);
      if (peers.size <= PEERS_MOST) return;
      throw fail('LINK_FILE', `${PEERS_MOST} pairings are kept already.`, {
        hint: 'Forget those that are no longer needed.',
        detail: { field: 'peers', value: peers.size },
      });
    });
  }

  /** @returns whether there was one */
  async forget(print: string): Promise<boolean> {
    let had = false;
    await this.#change((peers) => {
      had = peers.delete(print);
    });
    return had;
  }

  #change(change: (peers: Map<string, Peer>) => void): Promise<void> {
    const done = this.#work.then(async () => {
      const peers = new Map(this.#peers);
      change(peers);
      if (this.#path !== null) {
        const book = { kind: KIND, version: 1, peers: [...peers.values()] };
        await writeSecretFile(this.#path, Buffer.from(`${JSON.stringify(book, null, 2)}\n`), { replace: true });
      }
      this.#peers = peers;
    });
    this.#work = done.catch(() => undefined);
    return done;
  }
}

async function readPeers(path: string): Promise<readonly Peer[]> {
  try {
    return bookOf(JSON.parse(await readFile(path, 'utf8')), '').peers;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw fail('LINK_FILE', `The pairings in ${path} cannot be read (${codeOf(cause, 'no JSON')}).`, {
      hint: 'Restore the file from a backup, or move it away and pair anew.',
      detail: { field: 'path', value: path },
      cause,
    });
  }
}
