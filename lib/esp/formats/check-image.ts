import { isKeywayError } from '../../errors/index.ts';
import { chipByName } from '../chips.ts';
import { type EspImage, parseImage, type Sha256 } from './image.ts';

/** One thing that was checked. */
export interface ImageFinding {
  readonly code:
    | 'BAD_IMAGE'
    | 'BAD_CHECKSUM'
    | 'BAD_HASH'
    | 'NO_HASH'
    | 'UNKNOWN_CHIP_ID'
    | 'WRONG_CHIP'
    | 'WRONG_REVISION'
    | 'NO_DESCRIPTOR'
    | 'DEMO_IMAGE';
  /** An error means that the chip would not boot it; a warning is worth knowing. */
  readonly level: 'error' | 'warning';
  readonly message: string;
}

/** What is to be said of an image, all together. */
export interface ImageVerdict {
  /** No error among the findings. */
  readonly ok: boolean;
  readonly findings: readonly ImageFinding[];
  /** Null when its structure is broken. */
  readonly image: EspImage | null;
}

/** What to check an image against. */
export interface CheckImageOptions {
  /** The chip it is for, by name. */
  readonly chip?: string;
  /** That chip's revision, major × 100 + minor. */
  readonly revision?: number;
  /** How the SHA-256 is computed; as in ParseImageOptions. */
  readonly hash?: Sha256;
}

const revisionText = (revision: number): string => `v${Math.floor(revision / 100)}.${revision % 100}`;

/** Everything that can be said about an image without a chip at hand. Never throws for what the bytes are. */
export function checkImage(bytes: Uint8Array, options: CheckImageOptions = {}): ImageVerdict {
  let image: EspImage;
  try {
    image = parseImage(bytes, { hash: options.hash ?? true });
  } catch (error) {
    if (!isKeywayError(error, 'BAD_IMAGE')) throw error;
    return { ok: false, findings: [{ code: 'BAD_IMAGE', level: 'error', message: error.message }], image: null };
  }
  const findings: ImageFinding[] = [...integrity(image), ...fitness(image, options)];
  if (image.kind === 'unknown') {
    findings.push({
      code: 'NO_DESCRIPTOR',
      level: 'warning',
      message: 'The image says neither its name nor its version.',
    });
  }
  if (image.demo) {
    findings.push({
      code: 'DEMO_IMAGE',
      level: 'warning',
      message: 'This is a demo image: it boots on the virtual bench alone.',
    });
  }
  return { ok: findings.every(({ level }) => level !== 'error'), findings, image };
}

function* integrity({ checksum, hash }: EspImage): Generator<ImageFinding> {
  if (!checksum.valid) {
    const message = `The checksum is 0x${checksum.stored.toString(16)}, the segments have 0x${checksum.computed.toString(16)}.`;
    yield { code: 'BAD_CHECKSUM', level: 'error', message };
  }
  if (hash === null) {
    yield { code: 'NO_HASH', level: 'warning', message: 'No SHA-256 is appended: damage may go unnoticed.' };
  } else if (hash.valid === false) {
    const message = `The appended SHA-256 is ${hash.stored}, the image has ${hash.computed}.`;
    yield { code: 'BAD_HASH', level: 'error', message };
  }
}

function* fitness(image: EspImage, options: CheckImageOptions): Generator<ImageFinding> {
  const { chip, chipId, minRevision, maxRevision } = image;
  if (chip === null) {
    yield { code: 'UNKNOWN_CHIP_ID', level: 'warning', message: `No known chip has the image's chip id ${chipId}.` };
  }
  const wanted = options.chip === undefined ? undefined : chipByName(options.chip);
  if (options.chip !== undefined && wanted?.imageChipId !== chipId) {
    const message = `The image is for ${chip ?? `chip id ${chipId}`}, not for ${wanted?.name ?? options.chip}.`;
    yield { code: 'WRONG_CHIP', level: 'error', message };
  }
  const { revision } = options;
  if (revision !== undefined && (revision < minRevision || revision > maxRevision)) {
    const range = `${revisionText(minRevision)} to ${revisionText(maxRevision)}`;
    const message = `The image is for revisions ${range}, the chip has ${revisionText(revision)}.`;
    yield { code: 'WRONG_REVISION', level: 'error', message };
  }
}
