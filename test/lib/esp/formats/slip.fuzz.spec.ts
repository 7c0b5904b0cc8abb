import assert from 'node:assert/strict';
import { SlipDecoder, slipEncode } from '../../../../lib/esp/slip.ts';
import { FUZZ_TIMEOUT, fuzz, join, mutate } from './fuzz.ts';

function read(chunks: readonly Uint8Array[]): unknown[] {
  const seen: unknown[] = [];
  const stray: number[] = [];
  const decoder = new SlipDecoder(
    {
      frame: (payload) => {
        assert.ok(payload.length > 0 && payload.length <= 64);
        seen.push(Buffer.from(payload).toString('hex'));
      },
      stray: (bytes) => void stray.push(...bytes),
      dropped: (reason) => void seen.push(reason),
    },
    64,
  );
  for (const chunk of chunks) decoder.push(chunk);
  return [...seen, stray];
}

describe('SLIP, fuzzed', () => {
  it('reads the same from any bytes however they are cut, and finds the next good frame', () => {
    fuzz(
      (random, run) => {
        const frames = join(...[1, 2, 3].map(() => slipEncode(random.bytes(1 + random.below(30)))));
        const wire = run % 2 === 0 ? random.bytes(random.below(100)) : mutate(frames, random);
        return { wire, cut: random.below(wire.length + 1) };
      },
      ({ wire, cut }) => {
        const whole = read([wire]);
        assert.deepEqual(read([wire.subarray(0, cut), wire.subarray(cut)]), whole);
        const marker = Uint8Array.of(0xc0, 0xc0, 0x55, 0x56, 0xc0, 0xc0, 0x55, 0x56, 0xc0);
        assert.ok(read([wire, marker]).includes('5556'));
      },
    );
  });
}).timeout(FUZZ_TIMEOUT);
