import { deriveScbk, KDF } from '../../secure/index.ts';
import { fail as failSlot } from '../errors.ts';
import type { SlotId, SlotPicture, SlotSeed, StepStatus } from '../types.ts';
import { SecretWriter } from './bytes.ts';
import { fail } from './errors.ts';

export const EXPORT_FORMATS = Object.freeze(['csv', 'json'] as const);
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const EXPORT_KIND = 'osprio-provisioned-scbks';
export const EXPORT_VERSION = 1;

/** The keys of a slot. Holds secrets: who has it overwrites `bytes`. */
export interface ScbkExport {
  readonly bytes: Buffer;
  /** How many readers are in it. */
  readonly count: number;
  readonly format: ExportFormat;
  readonly session: string;
}

/** A step whose reader holds a key. */
type Keyed = StepStatus & { readonly keyVersion: number };

/**
 * The keys of all readers that a complete slot provisioned, in the order of its steps; failed and skipped ones are left
 * out. CSV: `pd_address,baudrate,scbk`, lines ending in LF. JSON: `kind`, `version`, `session_id` and `scbks` with
 * `pdAddress`, `baudrate`, `scbkHex`. A key is 32 upper-case hex digits. Neither holds the seed.
 *
 * @param seed is read only; who holds it overwrites it.
 * @throws SLOT_NOT_COMPLETE, SESSION_MISMATCH, KDF_UNKNOWN, BAD_EXPORT
 */
export function exportScbks(picture: SlotPicture, seed: SlotSeed, format: ExportFormat): ScbkExport {
  if (!EXPORT_FORMATS.includes(format)) {
    throw fail('BAD_EXPORT', `${JSON.stringify(String(format).slice(0, 20))} is no format of an export.`, {
      hint: `Use ${EXPORT_FORMATS.join(' or ')}.`,
      detail: { field: 'format' },
    });
  }
  const keyed = keyedSteps(picture);
  const session = checkSeed(picture, seed);
  const sessionId = Buffer.from(session, 'hex');
  const out = new SecretWriter();
  const each = (write: (step: Keyed, key: Buffer, at: number) => void): void => {
    for (const [at, step] of keyed.entries()) {
      const { address, keyVersion } = step;
      const { key } = deriveScbk({ seed: seed.seed, sessionId, address, keyVersion });
      try {
        write(step, key, at);
      } finally {
        key.fill(0);
      }
    }
  };
  try {
    if (format === 'csv') {
      out.text('pd_address,baudrate,scbk\n');
      each((step, key) => out.text(`${step.address},${step.baudRate},`).hex(key).text('\n'));
    } else {
      out.text(`{\n  "kind": "${EXPORT_KIND}",\n  "version": ${EXPORT_VERSION},\n  "session_id": "${session}",\n`);
      out.text('  "scbks": [');
      each((step, key, at) => {
        out.text(
          `${at === 0 ? '' : ','}\n    { "pdAddress": ${step.address}, "baudrate": ${step.baudRate}, "scbkHex": "`,
        );
        out.hex(key).text('" }');
      });
      out.text(keyed.length === 0 ? ']\n}\n' : '\n  ]\n}\n');
    }
    return { bytes: out.take(), count: keyed.length, format, session };
  } finally {
    out.wipe();
  }
}

/**
 * Whether the keys of a slot may be exported now: to be asked before its seed is read back.
 * @throws SLOT_NOT_COMPLETE, BAD_EXPORT
 */
export function checkExportable(picture: SlotPicture): void {
  keyedSteps(picture);
}

/** @throws SLOT_NOT_COMPLETE; BAD_EXPORT for a reader of whom it is not known which key it holds */
function keyedSteps({ summary, steps }: SlotPicture): Keyed[] {
  const { slot } = summary;
  const left = steps.filter(({ state }) => state === 'pending' || state === 'attempting').length;
  // A live queue is complete once it is closed, failed steps or not; a slot is not while one has failed.
  const failed = slot === 'live' ? 0 : steps.filter(({ state }) => state === 'failure').length;
  if (summary.state !== 'complete' || left + failed > 0) {
    const said = `${left} of its ${steps.length} steps are still to be done, ${summary.failed} have failed`;
    throw failSlot('SLOT_NOT_COMPLETE', `${nameOf(slot)} is ${summary.state}: ${said}.`, {
      hint: slot === 'live' ? 'Close the live queue first.' : 'Try, retry or skip what is left; then export.',
      detail: { slot, state: summary.state, left, failed: summary.failed },
    });
  }
  const done = steps.filter(({ state }) => state === 'success');
  const keyless = done.find(({ keyVersion }) => keyVersion === null);
  if (keyless === undefined) return done as Keyed[];
  throw fail('BAD_EXPORT', `The step ${keyless.index} ended well, but not with a key of this slot.`, {
    hint: 'Reset the step and try it again.',
    detail: { field: 'keyVersion', step: keyless.index },
  });
}

/** The session id. @throws SESSION_MISMATCH, KDF_UNKNOWN, BAD_EXPORT */
function checkSeed({ summary }: SlotPicture, seed: SlotSeed): string {
  const { slot, session } = summary;
  const name = nameOf(slot);
  if (session === null || seed.session !== session || seed.slot !== slot) {
    throw failSlot('SESSION_MISMATCH', `${name} has another session than the seed that was read.`, {
      hint: 'It was deleted and created again meanwhile: open it once more.',
      detail: { slot, session },
    });
  }
  if (seed.kdf !== KDF) {
    throw fail('KDF_UNKNOWN', `${name} derives its keys by ${JSON.stringify(String(seed.kdf).slice(0, 40))}.`, {
      hint: `This release knows ${KDF}: update Keyway.`,
      detail: { slot, kdf: String(seed.kdf).slice(0, 40) },
    });
  }
  if (!/^[0-9a-f]{32}$/.test(session)) {
    throw fail('BAD_EXPORT', `${name} has no proper session id.`, { detail: { field: 'session', slot } });
  }
  return session;
}

function nameOf(slot: SlotId): string {
  return slot === 'live' ? 'The live queue' : `Slot ${slot}`;
}
