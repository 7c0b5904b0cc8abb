import { isKeywayError } from '../../errors/index.ts';
import { type EspImage, parseImage } from '../../esp/index.ts';
import { nodeSha256 } from '../../esp/node.ts';
import type { ChipContext } from '../chip/context.ts';
import { ESP32_CHIP_ID } from '../chip/models/model.ts';
import { word } from '../chip/protocol.ts';
import { runBootloader } from './bootloader-stage.ts';
import { type BootEnd, type BootScript, hex } from './script.ts';
import { PARTITION_TABLE_AT } from './secure-boot.ts';

const IMAGE_MAGIC = 0xe9;
/** How often the ROM says what it found before its watchdog bites. */
const COMPLAINTS = 6;
const COMPLAINT_MS = 60;
/** What stands after "clock div:" for the frequencies of an image header. */
const CLOCK_DIVIDERS: Readonly<Record<number, number>> = { 15: 1, 0: 2, 1: 3, 2: 4 };
/** Line of ets_main.c that the ROM names when it gives up, where it does. */
const GAVE_UP_AT: Readonly<Record<string, number>> = { esp32: 371, esp32s3: 329 };

/**
 * The mask ROM's part of a boot from flash: it loads the image at the bootloader's offset into RAM and jumps there.
 * It looks at the magic, the segments and the checksum, and under secure boot at digest or signature; a wrong SHA-256
 * it reports and boots all the same.
 */
export function startFromRom(context: ChipContext, script: BootScript): BootEnd {
  const { model, encryption, ram } = context;
  const { rom } = model;
  const bytes = encryption.view(model.bootloaderOffset, PARTITION_TABLE_AT - model.bootloaderOffset);
  const image = readImage(context, bytes);
  if (image === null) return noHeader(context, word(bytes, 0), script);
  for (const line of rom.flashSetup) script.rom(line);
  script.rom(`mode:${image.flashMode ?? 'DIO'}, clock div:${CLOCK_DIVIDERS[image.flashFrequency] ?? rom.clockDivider}`);
  const late = context.secureBoot.version === 'v1';
  if (!late && !checkSignature(context, bytes, image, script))
    return stop(context, 'secure boot verification failed', script);
  for (const { address, length } of image.segments) {
    if (!ram.holds(address, length)) return giveUp(script, `Invalid image block, can't boot.`);
    script.rom(`load:${hex(address)},len:${rom.decimalLengths ? length : hex(length)}`);
  }
  const { checksum, hash } = image;
  if (!checksum.valid) return stop(context, `csum err:${hex(checksum.stored)}!=${hex(checksum.computed)}`, script);
  if (hash?.valid === false) {
    script.rom('SHA-256 comparison failed:');
    script.rom(`Calculated: ${hash.computed ?? ''}`);
    script.rom(`Expected: ${hash.stored}`);
    script.rom('Attempting to boot anyway...');
  }
  if (late) {
    const { valid, lines } = context.secureBoot.checkBootloader(bytes, image);
    if (!valid) return stop(context, lines.join(' '), script);
  }
  script.rom(`entry ${hex(image.entry)}`);
  return runBootloader(context, image, script);
}

/** Null when there is no image, or one that is another family's. */
function readImage({ model }: ChipContext, bytes: Uint8Array): EspImage | null {
  if (bytes[0] !== IMAGE_MAGIC) return null;
  try {
    const image = parseImage(bytes, { hash: nodeSha256 });
    // The ROM of ESP32 is older than chip ids in headers.
    return image.chipId === model.imageChipId || model.imageChipId === ESP32_CHIP_ID ? image : null;
  } catch (error) {
    if (!isKeywayError(error)) throw error;
    return null;
  }
}

/** Secure boot v2, before anything is loaded. */
function checkSignature({ secureBoot }: ChipContext, bytes: Uint8Array, image: EspImage, script: BootScript): boolean {
  if (secureBoot.version !== 'v2') return true;
  script.rom(`Valid secure boot key blocks: ${secureBoot.digests.map((_, i) => i).join(' ')}`);
  const { valid, lines } = secureBoot.checkBootloader(bytes, image);
  for (const line of lines) script.rom(line);
  if (valid) script.rom('secure boot verification succeeded');
  return valid;
}

function noHeader(context: ChipContext, header: number, script: BootScript): BootEnd {
  const { model, revision } = context;
  const { earlier } = model.rom;
  if (earlier !== undefined && revision.major < earlier.beforeMajor)
    return stop(context, 'flash read err, 1000', script);
  return giveUp(script, `invalid header: ${hex(header, 8)}`);
}

/** Says it once and waits for the watchdog. */
function stop({ model }: ChipContext, complaint: string, script: BootScript): BootEnd {
  script.rom(complaint);
  const line = GAVE_UP_AT[model.id];
  if (line !== undefined) script.rom(`ets_main.c ${line} `);
  script.wait(COMPLAINTS * COMPLAINT_MS);
  return 'rom-watchdog';
}

function giveUp(script: BootScript, complaint: string): BootEnd {
  for (let i = 0; i < COMPLAINTS; i++) {
    script.rom(complaint);
    script.wait(COMPLAINT_MS);
  }
  return 'rom-watchdog';
}
