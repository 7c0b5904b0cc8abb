import pako from 'pako';
import { aesXts } from './aes-xts.ts';
import { hmacSha256, md5, sha256 } from './digest.ts';
import { fail } from './errors.ts';

/** How to compress. */
export interface DeflateRequest {
  /** Ends the wait with CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the result may be kept for the next call with the same bytes. Default true; say false for secrets. */
  readonly keep?: boolean;
}

/** What the flash session needs of the machine it runs on. */
export interface Platform {
  /** MD5 of `bytes`: 16 bytes. */
  md5(bytes: Uint8Array): Promise<Uint8Array>;
  /** SHA-256 of `bytes`: 32 bytes. */
  sha256(bytes: Uint8Array): Promise<Uint8Array>;
  /** A zlib stream (RFC 1950), level 9. @throws CANCELLED, COMPRESS_FAILED */
  deflate(bytes: Uint8Array, request?: DeflateRequest): Promise<Uint8Array>;
  /**
   * XTS-AES-256 (IEEE 1619) of one data unit.
   * @param key 64 bytes: data key, tweak key; they must differ
   * @param tweak 16 bytes, the unit's number, least significant byte first
   * @param data a multiple of 16 bytes, which stay as they are
   */
  aesXts(key: Uint8Array, tweak: Uint8Array, data: Uint8Array, way: 'encrypt' | 'decrypt'): Uint8Array;
  /** HMAC-SHA256 of `bytes`: 32 bytes. The key has at most 32 KB. */
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Promise<Uint8Array>;
  /** `count` bytes, at most 65536, of the machine's cryptographic random source. */
  random(count: number): Uint8Array;
}

/** How long one slice of work may hold the event loop before it yields, in milliseconds. */
const SLICE_MS = 3;
const SLICE_BYTES = 4096;

/**
 * Compresses on this thread in slices of a few milliseconds: for the browser, and wherever there are no workers.
 * @throws CANCELLED, COMPRESS_FAILED
 */
export async function deflateInSlices(bytes: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
  const stop = (): void => {
    if (signal?.aborted) throw fail('CANCELLED', 'Compressing was cancelled.', { cause: signal.reason });
  };
  stop();
  const deflater = new pako.Deflate({ level: 9 });
  const turn = taskTurns();
  try {
    let until = performance.now() + SLICE_MS;
    for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
      deflater.push(bytes.subarray(from, from + SLICE_BYTES), false);
      if (performance.now() >= until) {
        await turn.next();
        stop();
        until = performance.now() + SLICE_MS;
      }
    }
    deflater.push(new Uint8Array(0), true);
  } finally {
    turn.close();
  }
  if (deflater.err !== 0) throw fail('COMPRESS_FAILED', `The compressor reports "${deflater.msg}".`);
  return deflater.result as Uint8Array;
}

/**
 * Turns of the event loop. In browsers a message channel, since they stretch nested timeouts to 4 ms each; in Node
 * setImmediate, since there a channel that answers itself lets nobody else in.
 */
function taskTurns(): { next(): Promise<void>; close(): void } {
  if (typeof setImmediate === 'function') {
    return { next: () => new Promise((resolve) => setImmediate(resolve)), close: () => undefined };
  }
  const channel = new MessageChannel();
  let wake: () => void = () => undefined;
  // Assigning onmessage starts the port, in Node as in browsers; Node's types leave the property out.
  (channel.port1 as unknown as { onmessage: () => void }).onmessage = () => wake();
  return {
    next: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
        channel.port2.postMessage(0);
      }),
    close: () => {
      channel.port1.close();
      channel.port2.close();
    },
  };
}

/** The platform of a browser; it also runs in Node. Keeps no results. */
export const webPlatform: Platform = {
  md5: async (bytes) => md5(bytes),
  sha256: async (bytes) => {
    // Outside a secure context (a page over plain http) there is no WebCrypto.
    const subtle: typeof crypto.subtle | undefined = globalThis.crypto?.subtle;
    if (!subtle) return sha256(bytes);
    return new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  },
  deflate: (bytes, request = {}) => deflateInSlices(bytes, request.signal),
  aesXts,
  hmacSha256: async (key, bytes) => {
    const subtle: typeof crypto.subtle | undefined = globalThis.crypto?.subtle;
    // WebCrypto refuses an empty key, which HMAC allows.
    if (!subtle || key.length === 0) return hmacSha256(key, bytes);
    const algorithm = { name: 'HMAC', hash: 'SHA-256' };
    const imported = await subtle.importKey('raw', key as Uint8Array<ArrayBuffer>, algorithm, false, ['sign']);
    return new Uint8Array(await subtle.sign('HMAC', imported, bytes as Uint8Array<ArrayBuffer>));
  },
  random: (count) => crypto.getRandomValues(new Uint8Array(count)),
};
