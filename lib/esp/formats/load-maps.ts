import type { ChipFamily } from '../chips.ts';

/** Where the segments of an image go: bases of the memories, as the chips' linker scripts have them. */
export interface LoadMap {
  readonly app: {
    /** Mapped data and code; multiples of 64 KB. */
    readonly drom: number;
    readonly irom: number;
    readonly dram: number;
    readonly iram: number;
    /** Most bytes that a demo image puts into either RAM. */
    readonly ramLimit: number;
  };
  readonly bootloader: {
    readonly dram: number;
    readonly iram: readonly [number, number];
    /** Most bytes of content: what fits between the bootloader and the partition table. */
    readonly limit: number;
  };
}

const RAM_LIMIT = 0x8000;
const BOOTLOADER_LIMIT = 0x6000;

const maps: Readonly<Record<string, LoadMap>> = {
  ESP32: {
    app: { drom: 0x3f400000, irom: 0x400d0000, dram: 0x3ffb0000, iram: 0x40080400, ramLimit: RAM_LIMIT },
    bootloader: { dram: 0x3fff0040, iram: [0x40080400, 0x40078000], limit: BOOTLOADER_LIMIT },
  },
  'ESP32-C3': {
    app: { drom: 0x3c000000, irom: 0x42000000, dram: 0x3fc8c000, iram: 0x40380000, ramLimit: RAM_LIMIT },
    bootloader: { dram: 0x3fcd5830, iram: [0x403cbf10, 0x403ce710], limit: BOOTLOADER_LIMIT },
  },
  'ESP32-S3': {
    app: { drom: 0x3c000000, irom: 0x42000000, dram: 0x3fc98000, iram: 0x40374000, ramLimit: RAM_LIMIT },
    bootloader: { dram: 0x3fce2820, iram: [0x403c8700, 0x403cb700], limit: BOOTLOADER_LIMIT },
  },
};

export function loadMapOf(chip: ChipFamily): LoadMap | undefined {
  return Object.hasOwn(maps, chip.name) ? maps[chip.name] : undefined;
}

/** Names of the families that images can be built for. */
export const BUILDABLE_CHIPS: readonly string[] = Object.keys(maps);
