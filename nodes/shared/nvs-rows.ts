/** The table of NVS entries that a node saves. Free of Node-RED's types, so that both halves can use it. */

/** A row of the table. Its value is a typed input; one that turns out to be a handle stands for a secret. */
export interface NvsRow {
  /** NVS namespace. */
  namespace: string;
  key: string;
  encoding: (typeof nvsEncodings)[number];
  value: string;
  valueType: string;
}

/** What a value is kept as. `blob0` is a blob with a closing NUL, as parsers of PEM on the chip want it. */
export const nvsEncodings = ['string', 'blob', 'blob0', 'u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64'] as const;

/** Where entries come from: the table, or one value (a list of entries, or Espressif's CSV). */
export const nvsSources = ['table', 'value'] as const;

/** How an NVS partition is encrypted: not, with keys of a partition, with a key in the chip's efuses. */
export const nvsSchemes = ['none', 'nvs_keys', 'hmac'] as const;
