/** What the flash is erased in, in bytes. */
export const SECTOR = 0x1000;

/** "0x10000", "-0x1000". */
export const hex = (value: number): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

/** The least multiple of `unit` that is not below `value`. */
export const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
