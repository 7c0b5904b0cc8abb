import { isKeywayError } from '../../errors/index.ts';
import {
  demoIdentity,
  demoMessage,
  type EspImage,
  type Partition,
  type PartitionTable,
  parseImage,
} from '../../esp/index.ts';
import { nodeSha256 } from '../../esp/node.ts';
import type { ChipContext } from '../chip/context.ts';
import { countBits } from '../chip/encryption.ts';
import { word } from '../chip/protocol.ts';
import { hasOneCore } from './cores.ts';
import { lookForIdentity } from './identity.ts';
import { type BootEnd, type BootScript, hex } from './script.ts';
import type { SecureBoot } from './secure-boot.ts';

/** Reading and hashing an app takes the bootloader about this long a megabyte, in ms. */
const MS_PER_MEGABYTE = 220;
/** An RSA signature takes it this long. */
const VERIFY_MS = 5;
const HEADER = 32;
/** Checksum, SHA-256, padding and a sector of signatures. */
const AFTER_SEGMENTS = 3 * 0x1000;

/**
 * Looks at the app in a partition as the bootloader does: magic, chip, revision, segments, checksum, SHA-256,
 * and under secure boot the signature. Under flash encryption it sees what the chip decrypts.
 *
 * @returns the way to start it; null when it cannot be booted, the reason being printed.
 */
export function loadApp(
  context: ChipContext,
  table: PartitionTable,
  partition: Partition,
  script: BootScript,
): ((script: BootScript) => BootEnd) | null {
  const { encryption, model, revision, secureBoot } = context;
  const refuse = (tag: string, message: string): null => {
    script.log('E', tag, message);
    return null;
  };
  if (encryption.view(partition.offset, HEADER)[0] !== 0xe9) {
    return refuse('esp_image', `image at ${hex(partition.offset)} has invalid magic byte (nothing flashed here?)`);
  }
  const bytes = encryption.view(partition.offset, Math.min(partition.size, extent(context, partition)));
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
  if (secureBoot.version !== false && !verify(secureBoot, bytes, image, script)) return null;
  script.log('I', 'boot', `Loaded app from partition at offset ${hex(partition.offset)}`);
  return (next) => startApp(context, table, image, bytes, next);
}

/**
 * How far the bootloader reads: to the end of the segments, and what may follow them. Decrypting all of a large
 * partition would keep the bench's processor busy for longer than it takes the chip.
 */
function extent({ encryption }: ChipContext, { offset, size }: Partition): number {
  const count = encryption.view(offset, HEADER)[1] ?? 0;
  let end = 24;
  for (let i = 0; i < count && end < size; i++) end += 8 + word(encryption.view(offset + end, 8), 4);
  return end + AFTER_SEGMENTS;
}

function verify(secureBoot: SecureBoot, bytes: Uint8Array, image: EspImage, script: BootScript): boolean {
  script.log('I', 'esp_image', 'Verifying image signature...');
  if (secureBoot.version === 'v2') script.log('I', 'secure_boot_v2', 'Verifying with RSA-PSS...');
  script.wait(VERIFY_MS);
  const { valid, lines } = secureBoot.checkApp(bytes, image);
  if (valid) {
    if (secureBoot.version === 'v2') script.log('I', 'secure_boot_v2', 'Signature verified successfully!');
    return true;
  }
  if (secureBoot.version === 'v2') {
    for (const line of lines) script.rom(line);
    script.log('E', 'secure_boot_v2', 'Secure Boot V2 verification failed.');
  } else for (const line of lines) script.log('E', 'secure_boot_v1', line);
  script.log('E', 'esp_image', 'Secure boot signature verification failed');
  script.log('I', 'esp_image', 'Calculating simple hash to check for corruption...');
  script.log('W', 'esp_image', 'image valid, signature bad');
  return false;
}

/** What the bootloader says of the chip's protection once it has an app. */
function sayProtection({ secureBoot, encryption, model, security }: ChipContext, script: BootScript): void {
  if (secureBoot.version !== false) {
    const tag = `secure_boot_${secureBoot.version}`;
    script.log('I', tag, `enabling secure boot ${secureBoot.version}...`);
    script.log('I', tag, `secure boot ${secureBoot.version} is already enabled, continuing..`);
  }
  if (!encryption.isOn) return;
  const left = (countBits(model.flashCryptMax) - countBits(security.flashCryptCount)) >> 1;
  script.log('I', 'boot', 'Checking flash encryption...');
  script.log('I', 'flash_encrypt', `flash encryption is enabled (${left} plaintext flashes left)`);
}

function startApp(
  context: ChipContext,
  table: PartitionTable,
  { app }: EspImage,
  bytes: Uint8Array,
  script: BootScript,
): BootEnd {
  sayProtection(context, script);
  script.log('I', 'boot', 'Disabling RNG early entropy source...');
  script.wait(20);
  script.log('I', 'cpu_start', hasOneCore(context.model) ? 'Unicore app' : 'Multicore app');
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
  const identity = demoIdentity(bytes);
  if (identity !== null && lookForIdentity(context, table, identity, script)) script.starts = { table, identity };
  return 'running';
}

function version(revision: number): string {
  return `v${Math.floor(revision / 100)}.${revision % 100}`;
}
