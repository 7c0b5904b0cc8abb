import { isKeywayError } from '../../errors/index.ts';
import { parseImage } from '../../esp/index.ts';
import { nodeSha256 } from '../../esp/node.ts';
import type { ChipContext } from '../chip/context.ts';
import { word } from '../chip/protocol.ts';
import { runBootloader } from './bootloader-stage.ts';
import { type BootEnd, type BootScript, hex } from './script.ts';

const IMAGE_MAGIC = 0xe9;
/** How often the ROM says what it found before its watchdog bites. */
const COMPLAINTS = 6;
const COMPLAINT_MS = 60;
/** Most a second-stage bootloader may take up: it ends where the partition table begins. */
const PARTITION_TABLE = 0x8000;

/**
 * The mask ROM's part of a boot from flash: it loads the image at the bootloader's offset into RAM and jumps there.
 * It looks at the magic, the segments and the checksum; a wrong SHA-256 it reports and boots all the same.
 */
export function startFromRom(context: ChipContext, script: BootScript): BootEnd {
  const { flash, model } = context;
  const bytes = flash.bytes.subarray(model.bootloaderOffset, PARTITION_TABLE);
  const header = word(bytes, 0);
  if (bytes[0] !== IMAGE_MAGIC) return giveUp(script, `invalid header: ${hex(header, 8)}`);
  let image: ReturnType<typeof parseImage>;
  try {
    image = parseImage(bytes, { hash: nodeSha256 });
  } catch (error) {
    if (!isKeywayError(error)) throw error;
    return giveUp(script, `invalid header: ${hex(header, 8)}`);
  }
  if (image.chipId !== model.imageChipId) return giveUp(script, `invalid header: ${hex(header, 8)}`);
  script.rom('SPIWP:0xee');
  script.rom(`mode:${image.flashMode ?? 'DIO'}, clock div:1`);
  for (const { address, length } of image.segments) {
    if (!context.ram.holds(address, length)) return giveUp(script, `Invalid image block, can't boot.`);
    script.rom(`load:${hex(address)},len:${hex(length)}`);
  }
  const { checksum, hash } = image;
  if (!checksum.valid) return giveUp(script, `csum err:${hex(checksum.stored)}!=${hex(checksum.computed)}`);
  if (hash?.valid === false) {
    script.rom('SHA-256 comparison failed:');
    script.rom(`Calculated: ${hash.computed ?? ''}`);
    script.rom(`Expected: ${hash.stored}`);
    script.rom('Attempting to boot anyway...');
  }
  script.rom(`entry ${hex(image.entry)}`);
  return runBootloader(context, image, script);
}

function giveUp(script: BootScript, complaint: string): BootEnd {
  for (let i = 0; i < COMPLAINTS; i++) {
    script.rom(complaint);
    script.wait(COMPLAINT_MS);
  }
  return 'rom-watchdog';
}
