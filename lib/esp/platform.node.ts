import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { fail } from './errors.ts';
import type { Platform } from './platform.ts';

export interface NodePlatformOptions {
  /** How many compressed bytes may be kept for later calls. Default 32 MiB. */
  readonly cacheBytes?: number;
  /** How long the worker thread waits for more work before it ends, in milliseconds. Default 5000. */
  readonly idleMs?: number;
}

export interface NodePlatform extends Platform {
  /** Ends the worker thread and forgets what was kept. Waiting callers get COMPRESS_FAILED. */
  close(): Promise<void>;
  /** Figures for tests and benchmarks. */
  readonly stats: {
    readonly compressed: number;
    readonly kept: number;
    readonly keptBytes: number;
    running(): boolean;
  };
}

interface Job {
  resolve(packed: Uint8Array): void;
  reject(error: Error): void;
}

/** How much is hashed before other work gets its turn: about 2 ms. */
const HASH_SLICE = 1 << 20;

async function hash(algorithm: 'md5' | 'sha256', bytes: Uint8Array): Promise<Uint8Array> {
  const digest = createHash(algorithm);
  for (let from = 0; from < bytes.length; from += HASH_SLICE) {
    if (from > 0) await new Promise((resolve) => setImmediate(resolve));
    digest.update(bytes.subarray(from, from + HASH_SLICE));
  }
  return plain(digest.digest());
}

/** The same bytes without the methods of Buffer, some of which differ from those of Uint8Array. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);

function aesXts(key: Uint8Array, tweak: Uint8Array, data: Uint8Array, way: 'encrypt' | 'decrypt'): Uint8Array {
  const cipher = (way === 'encrypt' ? createCipheriv : createDecipheriv)('aes-256-xts', key, tweak);
  return plain(Buffer.concat([cipher.update(data), cipher.final()]));
}

/** SHA-256 at once, about 1 ms a MB: for parseImage and checkImage, whose portable one takes fifty times as long. */
export function nodeSha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/**
 * Hashes by node:crypto and compresses in a worker thread with pako: Node's own zlib makes level-9 streams about
 * 2 % longer, which the line then pays for. Results are kept by SHA-256; equal bytes asked for at the same time are
 * compressed once. What it returns is shared: do not write into it.
 */
export function createNodePlatform(options: NodePlatformOptions = {}): NodePlatform {
  const cacheBytes = options.cacheBytes ?? 32 << 20;
  const idleMs = options.idleMs ?? 5000;
  const kept = new Map<string, Uint8Array>();
  const inFlight = new Map<string, Promise<Uint8Array>>();
  const jobs = new Map<number, Job>();
  let keptBytes = 0;
  let compressed = 0;
  let nextId = 1;
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;

  const settle = (id: number): Job | undefined => {
    const job = jobs.get(id);
    jobs.delete(id);
    if (jobs.size === 0) {
      worker?.unref();
      idle = setTimeout(() => void end(), idleMs).unref();
    }
    return job;
  };

  const lost = (gone: Worker, why: string): void => {
    if (worker !== gone) return;
    worker = undefined;
    for (const [id, job] of [...jobs]) {
      jobs.delete(id);
      job.reject(fail('COMPRESS_FAILED', `The compressor stopped: ${why}.`));
    }
  };

  const end = async (): Promise<void> => {
    clearTimeout(idle);
    const old = worker;
    if (!old) return;
    lost(old, 'it was closed');
    await old.terminate();
  };

  const start = (): Worker => {
    const made = new Worker(
      new URL(import.meta.url.endsWith('.ts') ? './platform.worker.ts' : './platform.worker.js', import.meta.url),
      { name: 'keyway-deflate' },
    );
    made.on('message', ({ id, packed, problem }: { id: number; packed?: Uint8Array; problem?: string }) => {
      const job = settle(id);
      if (packed) job?.resolve(packed);
      else job?.reject(fail('COMPRESS_FAILED', `The compressor reports "${problem}".`));
    });
    made.on('error', (error) => lost(made, error.message));
    made.on('exit', (code) => lost(made, `its thread ended with code ${code}`));
    return made;
  };

  const compress = (bytes: Uint8Array): Promise<Uint8Array> => {
    clearTimeout(idle);
    worker ??= start();
    worker.ref();
    const id = nextId++;
    compressed++;
    const target = worker;
    return new Promise((resolve, reject) => {
      jobs.set(id, { resolve, reject });
      target.postMessage({ id, bytes });
    });
  };

  const keep = (key: string, packed: Uint8Array): void => {
    if (packed.length > cacheBytes) return;
    kept.set(key, packed);
    keptBytes += packed.length;
    for (const [oldest, old] of kept) {
      if (keptBytes <= cacheBytes) return;
      kept.delete(oldest);
      keptBytes -= old.length;
    }
  };

  const shared = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const key = Buffer.from(await hash('sha256', bytes)).toString('hex');
    const hit = kept.get(key);
    if (hit) {
      kept.delete(key);
      kept.set(key, hit);
      return hit;
    }
    const running = inFlight.get(key);
    if (running !== undefined) return running;
    const made = compress(bytes);
    inFlight.set(key, made);
    try {
      const packed = await made;
      keep(key, packed);
      return packed;
    } finally {
      inFlight.delete(key);
    }
  };

  return {
    md5: (bytes) => hash('md5', bytes),
    sha256: (bytes) => hash('sha256', bytes),
    deflate: (bytes, request = {}) =>
      unlessAborted(request.signal, () => (request.keep === false ? compress(bytes) : shared(bytes))),
    aesXts,
    hmacSha256: async (key, bytes) => plain(createHmac('sha256', key).update(bytes).digest()),
    random: (count) => plain(randomBytes(count)),
    close: async () => {
      kept.clear();
      keptBytes = 0;
      await end();
    },
    stats: {
      get compressed() {
        return compressed;
      },
      get kept() {
        return kept.size;
      },
      get keptBytes() {
        return keptBytes;
      },
      running: () => worker !== undefined,
    },
  };
}

/** The work's result, or CANCELLED as soon as `signal` says so; the work itself goes on for whoever shares it. */
async function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  const cancelled = (): Error => fail('CANCELLED', 'Compressing was cancelled.', { cause: signal.reason });
  if (signal.aborted) throw cancelled();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  const running = work();
  // When the abort wins the race nobody else may be left to hear of a failure.
  running.catch(() => undefined);
  try {
    return await Promise.race([running, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The one of this process. */
export const nodePlatform: NodePlatform = createNodePlatform();
