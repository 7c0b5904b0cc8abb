import type { ESPLoader } from 'esptool-js';

/** Where a revision stands in the efuses: [register, lowest bit, bits]. */
interface Places {
  readonly major: readonly [number, number, number];
  readonly minor: readonly [number, number, number];
}

/**
 * Families of which esptool-js tells one half of the revision alone (technical reference manuals, "eFuse Controller":
 * WAFER_VERSION_MAJOR and WAFER_VERSION_MINOR).
 */
const PLACES: Readonly<Record<string, Places>> = {
  'ESP32-C2': { major: [0x6000_8844, 20, 2], minor: [0x6000_8844, 16, 4] },
  'ESP32-C6': { major: [0x600b_0850, 22, 2], minor: [0x600b_0850, 18, 4] },
};

/** The ESP32 has the bits of its major revision in two efuse words and in a register of the system controller. */
const ESP32_WORD3 = 0x3ff5_a00c;
const ESP32_WORD5 = 0x3ff5_a014;
const ESP32_DATE = 0x3ff6_607c;

/**
 * The chip's revision, major × 100 + minor, and its description with it.
 *
 * @param description as esptool-js gives it: "ESP32-C3 (QFN32) (revision v0.4)", on some families "(revision 1)"
 * @returns revision null where the family has none (ESP8266)
 */
export async function readRevision(
  loader: ESPLoader,
  description: string,
): Promise<{ description: string; revision: number | null }> {
  const said = /revision v(\d+)\.(\d+)/.exec(description);
  if (said !== null) return { description, revision: Number(said[1]) * 100 + Number(said[2]) };
  const revision = await readEfuses(loader);
  if (revision === null) return { description, revision };
  const text = `(revision v${Math.floor(revision / 100)}.${revision % 100})`;
  return { description: description.replace(/\(revision [^)]*\)/, text), revision };
}

async function readEfuses(loader: ESPLoader): Promise<number | null> {
  const name = loader.chip.CHIP_NAME;
  const bits = async ([register, lowest, count]: Places['major']): Promise<number> =>
    ((await loader.readReg(register)) >>> lowest) & (2 ** count - 1);
  if (name === 'ESP32') {
    const set = [await bits([ESP32_WORD3, 15, 1]), await bits([ESP32_WORD5, 20, 1]), await bits([ESP32_DATE, 31, 1])];
    // Each revision sets one bit more; a bit without those below it means nothing.
    const clear = set.indexOf(0);
    return (clear < 0 ? set.length : clear) * 100 + (await bits([ESP32_WORD5, 24, 2]));
  }
  const places = PLACES[name];
  return places === undefined ? null : (await bits(places.major)) * 100 + (await bits(places.minor));
}
