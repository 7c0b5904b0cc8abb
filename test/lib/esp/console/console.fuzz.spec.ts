import assert from 'node:assert/strict';
import { ConsoleParser, readBootMode } from '../../../../lib/esp/index.ts';
import { FUZZ_TIMEOUT, fuzz, mutate } from '../formats/fuzz.ts';

const sample = new TextEncoder().encode(
  'rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)\r\n\x1b[0;32mI (24) boot: v5\x1b[0m\nE (12:34:56.789) wifi:ä🙂\r',
);
const LIMIT = 32;

function read(chunks: readonly Uint8Array[]): string[] {
  const parser = new ConsoleParser({ maxLine: LIMIT });
  const lines = chunks.flatMap((chunk) => parser.feed(chunk));
  assert.ok(parser.pending <= LIMIT);
  return [...lines, ...parser.flush(true)].map((line) => JSON.stringify(line));
}

describe('console, fuzzed', () => {
  it('reads the same from any bytes however they are cut, in lines no longer than the limit', () => {
    fuzz(
      (random, run) => {
        const bytes = run % 2 === 0 ? random.bytes(random.below(100)) : mutate(sample, random);
        return { bytes, cut: random.below(bytes.length + 1) };
      },
      ({ bytes, cut }) => {
        const whole = read([bytes]);
        assert.deepEqual(read([bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
        for (const line of whole) assert.ok((JSON.parse(line) as { text: string }).text.length <= LIMIT);
        readBootMode(Buffer.from(bytes).toString('latin1'));
      },
    );
  });
}).timeout(FUZZ_TIMEOUT);
