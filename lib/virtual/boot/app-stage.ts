import { isKeywayError } from '../../errors/index.ts';
import { demoMessage, type EspImage, type Partition, parseImage } from '../../esp/index.ts';
import { nodeSha256 } from '../../esp/node.ts';
import type { ChipContext } from '../chip/context.ts';
import { type BootEnd, type BootScript, hex } from './script.ts';

/** Reading and hashing an app takes the bootloader about this long a megabyte, in ms. */
const MS_PER_MEGABYTE = 220;

/**
 * Looks at the app in a partition as the bootloader does: magic, chip, revision, segments, checksum, SHA-256.
 *
 * @returns the way to start it; null when it cannot be booted, the reason being printed.
 */
export function loadApp(
  context: ChipContext,
  partition: Partition,
  script: BootScript,
): ((script: BootScript) => BootEnd) | null {
  const { flash, model, revision } = context;
  const refuse = (tag: string, message: string): null => {
    script.log('E', tag, message);
    return null;
  };
  const bytes = flash.bytes.subarray(partition.offset, partition.offset + partition.size);
  if (bytes[0] !== 0xe9) {
    return refuse('esp_image', `image at ${hex(partition.offset)} has invalid magic byte (nothing flashed here?)`);
  }
  const chipId = (bytes[12] ?? 0) | ((bytes[13] ?? 0) << 8);
  if (chipId !== model.imageChipId) {
    return refuse('boot_comm', `mismatch chip ID, expected ${model.imageChipId}, found ${chipId}`);
  }
  let image: EspImage;
  try {
    image = parseImage(bytes, { hash: nodeSha256 });
  } catch (error) {
    if (!isKeywayError(error)) throw error;
    return refuse('esp_image', error.message);
  }
  const has = revision.major * 100 + revision.minor;
  if (has < image.minRevision || has > image.maxRevision) {
    const side =
      has < image.minRevision ? `at least ${version(image.minRevision)}` : `at most ${version(image.maxRevision)}`;
    return refuse('boot_comm', `Image requires chip rev ${side}, but chip is ${version(has)}`);
  }
  for (const [index, { address, offset, length }] of image.segments.entries()) {
    const place = `paddr=${hex(partition.offset + offset, 8)} vaddr=${hex(address, 8)} size=${length.toString(16).padStart(5, '0')}h (${String(length).padStart(6)})`;
    script.log('I', 'esp_image', `segment ${index}: ${place} ${context.ram.holds(address, length) ? 'load' : 'map'}`);
  }
  script.wait((image.length / 0x100000) * MS_PER_MEGABYTE);
  const { checksum, hash } = image;
  if (!checksum.valid) {
    return refuse('esp_image', `Checksum failed. Calculated ${hex(checksum.computed)} read ${hex(checksum.stored)}`);
  }
  if (hash?.valid === false) return refuse('esp_image', 'Image hash failed - image is corrupt');
  script.log('I', 'boot', `Loaded app from partition at offset ${hex(partition.offset)}`);
  return (next) => startApp(image, bytes, next);
}

function startApp({ app }: EspImage, bytes: Uint8Array, script: BootScript): BootEnd {
  script.wait(20);
  script.log('I', 'cpu_start', 'Unicore app');
  script.log('I', 'cpu_start', 'Pro cpu start user code');
  if (app !== null) {
    script.log('I', 'app_init', 'Application information:');
    script.log('I', 'app_init', `Project name:     ${app.project}`);
    script.log('I', 'app_init', `App version:      ${app.version}`);
    script.log('I', 'app_init', `Compile time:     ${app.date} ${app.time}`);
    script.log('I', 'app_init', `ELF file SHA256:  ${app.elfSha256.slice(0, 9)}...`);
    script.log('I', 'app_init', `ESP-IDF:          ${app.idfVersion}`);
  }
  script.log('I', 'main_task', 'Calling app_main()');
  script.wait(10);
  for (const line of (demoMessage(bytes) ?? '').split('\n').filter((text) => text !== '')) {
    if (/^[EWIDV] \(\d+\) /.test(line)) script.rom(line);
    else script.log('I', app?.project ?? 'app', line);
  }
  return 'running';
}

function version(revision: number): string {
  return `v${Math.floor(revision / 100)}.${revision % 100}`;
}
