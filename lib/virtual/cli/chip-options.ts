import { type ApplicationOptions, checkApplication } from '../app/options.ts';
import { CHIP_MODELS } from '../chip/models/index.ts';
import type { Connection, SecurityOptions, VirtualChipOptions } from '../chip/options.ts';
import { checkOptions } from '../chip/setup.ts';
import { fail } from '../errors.ts';
import type { LineMode } from '../line/line.ts';

export const CHIP_USAGE = `  --model MODEL         ${CHIP_MODELS.join(', ')}
  --mac MAC             base MAC address, like 60:55:f9:00:00:01
  --revision VERSION    wafer revision, like v3.1
  --package NUMBER      package version, as burnt into its efuse field
  --crystal MHZ         40 (default), or 26 on esp32
  --psram SIZE          PSRAM in the package, like 8MB (esp32s3)
  --embedded-flash      the flash lies inside the package, and the efuses say so
  --flash-size SIZE     1MB, 2MB, 4MB (default), 8MB or 16MB
  --connection KIND     uart (default) or usb-jtag (not esp32)
  --line paced|free     true line speed (default), or as fast as it goes
  --flash-timing        erasing and programming take as long as on a real flash
  --broker URL          an app with an identity goes on: it connects there, like mqtts://127.0.0.1:8883
  --est URL             and renews there, like https://127.0.0.1:8443

  --secure-boot VERSION        v1 (esp32) or v2
  --signing-digest HEX         SHA-256 of a public key that may sign, for v2; up to three
  --flash-crypt-count NUMBER   flash encryption counter, 0 to 7 (esp32: 127); an odd number of bits set means encrypted
  --encryption-key FILE        flash encryption key: 32 bytes, or 64 on esp32s3
  --hmac-key FILE              key of the HMAC engine, which NVS encryption can use: 32 bytes (not esp32)
  --manual-encrypt-disabled    release mode: loaders cannot write encrypted
  --secure-download            secure download mode (not esp32)
`;

export const CHIP_OPTIONS = {
  model: { type: 'string' },
  mac: { type: 'string' },
  revision: { type: 'string' },
  package: { type: 'string' },
  crystal: { type: 'string' },
  psram: { type: 'string' },
  'embedded-flash': { type: 'boolean' },
  'flash-size': { type: 'string' },
  connection: { type: 'string' },
  line: { type: 'string' },
  'flash-timing': { type: 'boolean' },
  broker: { type: 'string' },
  est: { type: 'string' },
  'secure-boot': { type: 'string' },
  'signing-digest': { type: 'string', multiple: true },
  'flash-crypt-count': { type: 'string' },
  'encryption-key': { type: 'string' },
  'hmac-key': { type: 'string' },
  'manual-encrypt-disabled': { type: 'boolean' },
  'secure-download': { type: 'boolean' },
} as const;

/** What the command line says of the chip. */
export type ChipArguments = Omit<VirtualChipOptions, 'flash' | 'clock' | 'strapDelayMs'> & { readonly line: LineMode };

/** As `parseArgs` of node:util reads CHIP_OPTIONS. */
export interface ChipValues {
  readonly [name: string]: string | boolean | string[] | undefined;
}

/** @throws BAD_ARGUMENT, BAD_MAC, BAD_CHIP_MODEL, BAD_CHIP_OPTION */
export function parseChip(values: ChipValues): ChipArguments {
  const security = parseSecurity(values);
  const chip: ChipArguments = {
    model: need('model', values),
    mac: need('mac', values),
    line: parseChoice('line', values, ['paced', 'free']) ?? 'paced',
    flashTiming: values['flash-timing'] === true,
    ...given('revision', parseRevision(values)),
    ...given('package', parseNumber('package', values)),
    ...given('crystal', parseNumber('crystal', values)),
    ...given('psram', parseSize('psram', values)),
    ...given('flashSize', parseSize('flash-size', values)),
    ...given('connection', parseChoice<Connection>('connection', values, ['uart', 'usb-jtag'])),
    ...given('application', parseApplication(values)),
    ...(values['embedded-flash'] === true ? { embeddedFlash: true } : {}),
    ...(Object.keys(security).length === 0 ? {} : { security }),
  };
  checkOptions(chip);
  if (chip.application !== undefined) checkApplication(chip.application);
  return chip;
}

function parseApplication(values: ChipValues): ApplicationOptions | undefined {
  const [broker, est] = [text('broker', values), text('est', values)];
  return broker === undefined && est === undefined ? undefined : { ...given('broker', broker), ...given('est', est) };
}

function parseSecurity(values: ChipValues): Partial<SecurityOptions> {
  const digests = values['signing-digest'];
  return {
    ...given('secureBoot', parseChoice<'v1' | 'v2'>('secure-boot', values, ['v1', 'v2'])),
    ...given('flashCryptCount', parseNumber('flash-crypt-count', values)),
    ...(Array.isArray(digests) ? { signingDigests: digests.map(parseDigest) } : {}),
    ...(values['manual-encrypt-disabled'] === true ? { manualEncryptDisabled: true } : {}),
    ...(values['secure-download'] === true ? { secureDownload: true } : {}),
  };
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}

function text(name: string, values: ChipValues): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value.trim() : undefined;
}

function need(name: string, values: ChipValues): string {
  const value = text(name, values);
  if (value === undefined) throw bad(name, null, `Give --${name}.`);
  return value;
}

function parseChoice<const T extends string>(name: string, values: ChipValues, choices: readonly T[]): T | undefined {
  const value = text(name, values);
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw bad(name, value, `Use ${choices.join(' or ')}.`);
  return found;
}

function parseNumber(name: string, values: ChipValues): number | undefined {
  const value = text(name, values);
  if (value === undefined) return undefined;
  if (!/^(?:\d+|0x[0-9a-f]+)$/i.test(value)) throw bad(name, value, 'Write a number.');
  return Number(value);
}

function parseSize(name: string, values: ChipValues): number | undefined {
  const value = text(name, values);
  if (value === undefined) return undefined;
  const match = /^(\d+)\s*MB?$/i.exec(value);
  if (match?.[1] === undefined) throw bad(name, value, 'Write it like 4MB.');
  return Number(match[1]) * 0x100000;
}

function parseRevision(values: ChipValues): { major: number; minor: number } | undefined {
  const value = text('revision', values);
  if (value === undefined) return undefined;
  const match = /^v?(\d)\.(\d{1,2})$/i.exec(value);
  if (match === null) throw bad('revision', value, 'Write it like v3.1.');
  return { major: Number(match[1]), minor: Number(match[2]) };
}

function parseDigest(value: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(value)) throw bad('signing-digest', value, 'Write 64 hex digits.');
  return Uint8Array.from(value.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

/** What an option cannot be. */
export function bad(field: string, value: string | null, hint: string): Error {
  const what = value === null ? `--${field} is missing.` : `--${field} cannot be "${value}".`;
  return fail('BAD_ARGUMENT', what, { hint, detail: { field, value } });
}
