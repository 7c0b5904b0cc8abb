/** Bytes of a device's attributes, as JSON. */
export const ATTRIBUTE_BYTES = 16 << 10;
