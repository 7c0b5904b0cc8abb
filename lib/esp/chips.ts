/** The chip families, as Espressif's own tools list them. */

export interface ChipFamily {
  /** As Espressif writes it: "ESP32-C3". */
  readonly name: string;
  /** As command lines write it: "esp32c3". */
  readonly slug: string;
  /** The chip id in an image header; null for the ESP8266, whose images carry none. */
  readonly imageChipId: number | null;
  /** Where the ROM looks for the second-stage bootloader, in bytes. */
  readonly bootloaderOffset: number;
  /** `chipFamily` in an ESP Web Tools manifest. */
  readonly webToolsFamily: string;
  /** Whether the virtual bench has a chip of this family. */
  readonly twin: boolean;
}

const family = (name: string, imageChipId: number | null, bootloaderOffset: number, twin = false): ChipFamily => ({
  name,
  slug: name.toLowerCase().replace('-', ''),
  imageChipId,
  bootloaderOffset,
  webToolsFamily: name,
  twin,
});

const families = [
  family('ESP8266', null, 0),
  family('ESP32', 0, 0x1000, true),
  family('ESP32-S2', 2, 0x1000),
  family('ESP32-S3', 9, 0, true),
  family('ESP32-S31', 32, 0x2000),
  family('ESP32-C2', 12, 0),
  family('ESP32-C3', 5, 0, true),
  family('ESP32-C5', 23, 0x2000),
  family('ESP32-C6', 13, 0),
  family('ESP32-C61', 20, 0),
  family('ESP32-E22', 31, 0),
  family('ESP32-H2', 16, 0),
  family('ESP32-H21', 25, 0),
  family('ESP32-H4', 28, 0x2000),
  family('ESP32-P4', 18, 0x2000),
];

/** Every known family by its name ("ESP32-C3"). */
export const CHIPS: Readonly<Record<string, ChipFamily>> = Object.freeze(
  Object.fromEntries(families.map((chip) => [chip.name, Object.freeze(chip)])),
);

const bySlug = new Map(families.map((chip) => [chip.slug, chip]));
const byImageId = new Map(families.filter((chip) => chip.imageChipId !== null).map((chip) => [chip.imageChipId, chip]));

/** The family of that name, however it is written: "esp32c3", "ESP32-C3", " Esp32 c3 ". */
export function chipByName(text: string): ChipFamily | undefined {
  return bySlug.get(text.toLowerCase().replace(/[^a-z0-9]/g, ''));
}

/** The family whose images carry this chip id. */
export function chipByImageId(imageChipId: number): ChipFamily | undefined {
  return byImageId.get(imageChipId);
}

/** Names of all families, for messages and menus. */
export function chipNames(): string[] {
  return families.map((chip) => chip.name);
}
