import { hex } from '../units.ts';

/** Names of partition types and subtypes (ESP-IDF, partition tables, "Type field" and "SubType field"). */

export const PARTITION_APP = 0x00;
export const PARTITION_DATA = 0x01;
export const PARTITION_BOOTLOADER = 0x02;
export const PARTITION_TABLE = 0x03;

export const SUBTYPE_FACTORY = 0x00;
export const SUBTYPE_OTA_FIRST = 0x10;
export const SUBTYPE_TEST = 0x20;
export const SUBTYPE_DATA_OTA = 0x00;
export const SUBTYPE_DATA_NVS = 0x02;
export const SUBTYPE_DATA_NVS_KEYS = 0x04;

/** OTA app slots a table can have. */
export const OTA_SLOTS = 16;

const types: Readonly<Record<string, number>> = {
  app: PARTITION_APP,
  data: PARTITION_DATA,
  bootloader: PARTITION_BOOTLOADER,
  partition_table: PARTITION_TABLE,
};

const subtypes: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  [PARTITION_APP]: {
    factory: SUBTYPE_FACTORY,
    ...Object.fromEntries(Array.from({ length: OTA_SLOTS }, (_, slot) => [`ota_${slot}`, SUBTYPE_OTA_FIRST + slot])),
    test: SUBTYPE_TEST,
    tee_0: 0x30,
    tee_1: 0x31,
  },
  [PARTITION_DATA]: {
    ota: SUBTYPE_DATA_OTA,
    phy: 0x01,
    nvs: SUBTYPE_DATA_NVS,
    coredump: 0x03,
    nvs_keys: SUBTYPE_DATA_NVS_KEYS,
    efuse: 0x05,
    undefined: 0x06,
    esphttpd: 0x80,
    fat: 0x81,
    spiffs: 0x82,
    littlefs: 0x83,
    tee_ota: 0x90,
  },
  [PARTITION_BOOTLOADER]: { primary: 0x00, ota: 0x01, recovery: 0x02 },
  [PARTITION_TABLE]: { primary: 0x00, ota: 0x01 },
};

const own = (names: Readonly<Record<string, number>>, text: string): number | undefined =>
  Object.hasOwn(names, text.toLowerCase()) ? names[text.toLowerCase()] : undefined;

export const typeByName = (text: string): number | undefined => own(types, text);
export const typeNames = (): string[] => Object.keys(types);

export const subtypeByName = (type: number, text: string): number | undefined => own(subtypes[type] ?? {}, text);
export const subtypeNames = (type: number): string[] => Object.keys(subtypes[type] ?? {});

const nameOf = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(names).find((name) => names[name] === value) ?? hex(value);

/** The type in words ("app"), else as hex. */
export const typeName = (type: number): string => nameOf(types, type);

/** The subtype in words ("ota_0"), else as hex. */
export const subtypeName = (type: number, subtype: number): string => nameOf(subtypes[type] ?? {}, subtype);
