import { featuresOf } from '../../codec/index.ts';
import { missingCapabilities } from '../profile/capabilities.ts';
import { type Attempt, isSame, spell } from './attempt.ts';
import { StepEnd } from './end.ts';
import { name } from './locate.ts';
import { openAny, openOwn } from './secure.ts';

/** How often the last questions are asked when the session breaks meanwhile. */
const TRIES = 3;

/** The end of locate: who the reader is and what it can do. Nothing has been written to it yet. */
export async function examine(a: Attempt): Promise<void> {
  a.identity = (await a.identify()) ?? null;
  const { serial } = a.run.plan;
  if (serial !== undefined && a.identity === null) {
    // Some say it under a session only.
    await openAny(a);
    a.identity = (await a.identify()) ?? null;
    a.peer.restart();
  }
  checkSerial(a);
  a.capabilities = await a.askCapabilities();
  if (a.capabilities === undefined) return;
  if (!featuresOf(a.capabilities).secureChannel) {
    throw new StepEnd(
      'sc_unsupported',
      `The reader at ${spell(a.place ?? a.target)} says that it has no secure channel.`,
    );
  }
  checkCapabilities(a);
}

function checkSerial(a: Attempt): void {
  const { serial } = a.run.plan;
  if (serial === undefined || a.identity?.serial === serial) return;
  const said = a.identity === null ? 'does not say its serial number' : `has serial number ${a.identity.serial}`;
  throw new StepEnd('wrong_serial', `The reader ${said}; the step is for ${serial}.`);
}

function checkCapabilities(a: Attempt): void {
  const missing = missingCapabilities(a.run.terms.capabilities, a.capabilities);
  if (missing.length === 0) return;
  throw new StepEnd('capability_mismatch', `The reader does not offer what is expected: ${missing.join(', ')}.`, {
    missing,
  });
}

/** auto-verify: under its new key the reader is asked once more who it is and what it can do. */
export async function verify(a: Attempt): Promise<void> {
  const { autoVerify, capabilities } = a.run.terms;
  const asksId = autoVerify || a.run.plan.serial !== undefined;
  if (!asksId && capabilities.length === 0) return;
  a.enter('auto-verify');
  for (let tries = 1; ; tries++) {
    try {
      if (!a.peer.hasSession) await openOwn(a, true);
      if (asksId) await checkIdentity(a);
      if (capabilities.length > 0) {
        a.capabilities = await a.askCapabilities();
        checkCapabilities(a);
      }
      if (autoVerify) await a.poll();
      break;
    } catch (error) {
      const { code } = error as { code?: string };
      if (tries === TRIES || (code !== 'SC_LOST' && code !== 'NO_REPLY')) throw error;
    }
  }
  a.reach('auto-verify');
}

async function checkIdentity(a: Attempt): Promise<void> {
  const now = await a.identify();
  const before = a.identity;
  if (now === undefined) {
    if (a.run.plan.serial === undefined) return;
    throw new StepEnd('verify_mismatch', 'Under its new key the reader does not say who it is.');
  }
  if (before !== null && (now.serial !== before.serial || now.vendor !== before.vendor)) {
    throw new StepEnd(
      'verify_mismatch',
      `The reader was ${name(before)} when it was found and is ${name(now)} now: it was swapped meanwhile.`,
    );
  }
  a.identity = now;
  checkSerial(a);
  if (a.place !== undefined && !isSame(a.place, a.target)) {
    throw new StepEnd('verify_mismatch', `The reader answers at ${spell(a.place)}, not at ${spell(a.target)}.`);
  }
}
