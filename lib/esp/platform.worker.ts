/** The worker thread of platform.node.ts: compresses what it is sent, one after the other. */
import { parentPort } from 'node:worker_threads';
import pako from 'pako';

parentPort?.on('message', ({ id, bytes }: { id: number; bytes: Uint8Array }) => {
  try {
    const packed = pako.deflate(bytes, { level: 9 }) as Uint8Array<ArrayBuffer>;
    parentPort?.postMessage({ id, packed }, [packed.buffer]);
  } catch (error) {
    parentPort?.postMessage({ id, problem: String(error) });
  } finally {
    // It may hold secrets, and what came by a message is a copy; but for shared memory, which is the sender's.
    if (bytes.buffer instanceof ArrayBuffer) new Uint8Array(bytes.buffer).fill(0);
  }
});
