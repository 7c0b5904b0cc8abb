import assert from 'node:assert/strict';
import type { VirtualChipOptions } from '../../../lib/virtual/index.ts';
import { Bench, words } from './bench.ts';

export const MAC = '24:6f:28:aa:bb:cc';
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export async function inRom(options: Partial<VirtualChipOptions> & { model: string }): Promise<Bench> {
  const bench = new Bench({ mac: MAC, ...options });
  await bench.reset();
  await bench.sync();
  return bench;
}

export const register = async (bench: Bench, address: number): Promise<number> =>
  (await bench.ok(0x0a, words(address))).value >>> 0;
export const write = (bench: Bench, address: number, value: number): Promise<unknown> =>
  bench.ok(0x09, words(address, value, 0xffffffff, 0));

/** Where each family's SPI controller has its registers, from its technical reference manual. */
export const SPI = {
  esp32: { base: 0x3ff42000, user: 0x1c, user1: 0x20, user2: 0x24, miso: 0x2c, w0: 0x80 },
  esp32s3: { base: 0x60002000, user: 0x18, user1: 0x1c, user2: 0x20, miso: 0x28, w0: 0x58 },
  esp32c3: { base: 0x60002000, user: 0x18, user1: 0x1c, user2: 0x20, miso: 0x28, w0: 0x58 },
} as const;

/** A command on the flash's bus, as hosts give it: `address` is sent in 24 bits when there is one. */
export async function spi(
  bench: Bench,
  command: number,
  bits: number,
  options: { address?: number; msb?: boolean } = {},
): Promise<number> {
  const { base, user, user1, user2, miso, w0 } = SPI[bench.chip.model.id as keyof typeof SPI];
  const { address, msb = false } = options;
  await write(bench, base + miso, bits - 1);
  await write(bench, base + user, 0x90000000 | (address === undefined ? 0 : 0x60000000));
  if (address !== undefined) {
    await write(bench, base + user1, (23 << 26) | 7);
    await write(bench, base + 4, msb ? address << 8 : address);
  }
  await write(bench, base + user2, 0x70000000 | command);
  await write(bench, base + w0, 0);
  await write(bench, base, 1 << 18);
  assert.equal((await register(bench, base)) & (1 << 18), 0);
  return register(bench, base + w0);
}
