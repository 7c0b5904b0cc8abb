import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  decodePartitionTable,
  encodePartitionTable,
  formatPartitionCsv,
  md5,
  parsePartitionCsv,
} from '../../../../lib/esp/index.ts';
import { FUZZ_TIMEOUT, fuzz, mutate, mutateText, type Random } from './fuzz.ts';

const data = new URL('../../../data/partition-table/', import.meta.url);
const names = ['provisioning-4mb', 'mixed-16mb', 'single-app-1mb'];
const binaries = names.map((name) => new Uint8Array(readFileSync(new URL(`${name}.bin`, data)).subarray(0, 0x180)));
const texts = names.map((name) => readFileSync(new URL(`${name}.csv`, data), 'utf8'));

function repairMd5(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    if (bytes[at] === 0xeb && bytes[at + 1] === 0xeb) {
      bytes.set(md5(bytes.subarray(0, at)), at + 16);
      break;
    }
  }
  return bytes;
}

describe('partition table, fuzzed', () => {
  it('binary: reads or refuses, and what it reads it can write', () => {
    let read = 0;
    const make = (random: Random, run: number): Uint8Array =>
      run % 2 === 0
        ? mutate(random.bytes(random.below(128)), random)
        : repairMd5(mutate(random.pick(binaries), random));
    fuzz(make, (bytes) => {
      const table = decodePartitionTable(bytes);
      read++;
      assert.deepEqual(decodePartitionTable(encodePartitionTable(table)), table);
      assert.deepEqual(parsePartitionCsv(formatPartitionCsv(table)), table);
    });
    assert.ok(read > 0, 'some of the mutated tables are still tables');
  });

  it('CSV: reads or refuses, and what it reads it can write', () => {
    let read = 0;
    const alphabet = 'nvs,data app 0x9-#\n:KM123\t"\r';
    const noise = (random: Random): string =>
      Array.from({ length: random.below(120) }, () => alphabet[random.below(alphabet.length)]).join('');
    const make = (random: Random, run: number): string =>
      run % 2 === 0 ? noise(random) : mutateText(random.pick(texts), random);
    fuzz(make, (csv) => {
      const table = parsePartitionCsv(csv);
      read++;
      assert.deepEqual(decodePartitionTable(encodePartitionTable(table)), table);
    });
    assert.ok(read > 0, 'some of the mutated texts are still tables');
  });
}).timeout(FUZZ_TIMEOUT);
