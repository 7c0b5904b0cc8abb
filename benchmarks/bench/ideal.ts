import { spawnSync } from 'node:child_process';
import pako from 'pako';

/** What nobody can do better with a stock zlib stream in 16 KB blocks: computed without any code of the product. */
export interface Ideal {
  /** Bytes that cross the line towards the chip. */
  readonly wireBytes: number;
  readonly packedBytes: number;
  /** Who packed. */
  readonly packer: string;
}

const BLOCK = 0x4000;

export function idealOf(image: Uint8Array): Ideal {
  const { packed, packer } = stockZlib(image);
  let wireBytes = 0;
  for (let from = 0, sequence = 0; from < packed.length; from += BLOCK, sequence++) {
    wireBytes += frameLength(packed.subarray(from, from + BLOCK), sequence);
  }
  return { wireBytes, packedBytes: packed.length, packer };
}

/** One FLASH_DEFL_DATA frame on the wire: two ENDs, 24 bytes of headers, the block, and an escape for each C0 and DB. */
function frameLength(block: Uint8Array, sequence: number): number {
  const frame = Buffer.alloc(24 + block.length);
  frame[1] = 0x11;
  frame.writeUInt16LE(16 + block.length, 2);
  frame.writeUInt32LE(
    block.reduce((sum, byte) => sum ^ byte, 0xef),
    4,
  );
  frame.writeUInt32LE(block.length, 8);
  frame.writeUInt32LE(sequence, 12);
  frame.set(block, 24);
  return 2 + frame.length + frame.reduce((count, byte) => count + Number(byte === 0xc0 || byte === 0xdb), 0);
}

/** Level 9 by Python's zlib, which is the stock one; by pako, its port, where there is no Python. */
function stockZlib(image: Uint8Array): { packed: Uint8Array; packer: string } {
  const script = 'import sys,zlib;sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read(),9))';
  const python = spawnSync('python3', ['-c', script], { input: image, maxBuffer: 64 << 20 });
  if (python.status === 0) return { packed: python.stdout, packer: 'zlib level 9' };
  return { packed: pako.deflate(image, { level: 9 }), packer: 'pako level 9' };
}
