import assert from 'node:assert/strict';
import type { ESPLoader } from 'esptool-js';
import { readRevision } from '../../../../lib/esp/session/revision.ts';

const loader = (CHIP_NAME: string, registers: Record<number, number>) =>
  ({
    chip: { CHIP_NAME },
    readReg: async (address: number) => {
      assert.ok(address in registers, `register ${address.toString(16)} is not the one`);
      return (registers[address] as number) | 0;
    },
  }) as unknown as ESPLoader;

describe('the revision of a chip', () => {
  const esp32 = (word3: number, word5: number, date: number) =>
    loader('ESP32', { 1073061900: word3, 1073061908: word5, 1073111164: date });
  const cases: [string, ESPLoader, string, string, number | null][] = [
    [
      'said whole',
      loader('ESP32-C3', {}),
      'ESP32-C3 (QFN32) (revision v1.12)',
      'ESP32-C3 (QFN32) (revision v1.12)',
      112,
    ],
    ['ESP32 v0.0', esp32(0, 0, 0), 'ESP32-D0WDQ6 (revision 0)', 'ESP32-D0WDQ6 (revision v0.0)', 0],
    ['ESP32 v1.0', esp32(1 << 15, 0, 0), 'ESP32-D0WD (revision 1)', 'ESP32-D0WD (revision v1.0)', 100],
    ['ESP32 v2.0', esp32(1 << 15, 1 << 20, 0), 'x (revision 2)', 'x (revision v2.0)', 200],
    ['ESP32 v3.1', esp32(1 << 15, (1 << 20) | (1 << 24), 1 << 31), 'x (revision 3)', 'x (revision v3.1)', 301],
    ['ESP32, a bit alone', esp32(0, 1 << 20, 1 << 31), 'x (revision 0)', 'x (revision v0.0)', 0],
    [
      'ESP32-C2',
      loader('ESP32-C2', { 1610647620: (1 << 20) | (2 << 16) }),
      'ESP32-C2 (revision 1)',
      'ESP32-C2 (revision v1.2)',
      102,
    ],
    [
      'ESP32-C6',
      loader('ESP32-C6', { 1611335760: (1 << 22) | (9 << 18) }),
      'ESP32-C6 (revision 1)',
      'ESP32-C6 (revision v1.9)',
      109,
    ],
    ['ESP8266', loader('ESP8266', {}), 'ESP8266EX', 'ESP8266EX', null],
  ];
  for (const [what, from, description, expected, revision] of cases) {
    it(what, async () => {
      assert.deepEqual(await readRevision(from, description), { description: expected, revision });
    });
  }
});
