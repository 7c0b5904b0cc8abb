import type { Capability } from '../../codec/index.ts';

interface Expected {
  /** Function code of PDCAP (Annex B). */
  readonly code: number;
  /** Whether bit 0 of the compliance level says that it is there; else any level but 0 does. */
  readonly bit?: true;
}

const TABLE = {
  contact: { code: 1 },
  output: { code: 2 },
  card: { code: 3 },
  led: { code: 4 },
  audible: { code: 5 },
  text: { code: 6 },
  time: { code: 7 },
  crc: { code: 8, bit: true },
  'secure-channel': { code: 9, bit: true },
  'smart-card': { code: 12 },
  biometrics: { code: 14 },
  'pin-entry': { code: 15 },
} as const satisfies Record<string, Expected>;

/** The words by which a provisioning profile names what a reader must be able to do. */
export type ExpectedCapability = keyof typeof TABLE;

/** All of them, in the order of their function codes (Annex B). */
export const EXPECTED_CAPABILITIES: readonly ExpectedCapability[] = Object.freeze(
  Object.keys(TABLE) as ExpectedCapability[],
);

export function isExpectedCapability(word: unknown): word is ExpectedCapability {
  return typeof word === 'string' && Object.hasOwn(TABLE, word);
}

/**
 * Which of the expected ones a reader's PDCAP does not show.
 * @param expected words of EXPECTED_CAPABILITIES; a word that is none is missing always.
 * @param capabilities what the reader said; undefined = it gave no PDCAP.
 */
export function missingCapabilities(
  expected: readonly string[],
  capabilities: readonly Capability[] | undefined,
): string[] {
  return expected.filter((word) => {
    if (!isExpectedCapability(word)) return true;
    const wanted: Expected = TABLE[word];
    const found = capabilities?.find((one) => one.function === wanted.code);
    return found === undefined || (wanted.bit ? (found.compliance & 1) === 0 : found.compliance === 0);
  });
}
