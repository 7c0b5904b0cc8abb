import type { Outcome, Stage, StepDetail } from '../types.ts';

/** An attempt is over. Thrown inside the engine only. */
export class StepEnd extends Error {
  readonly outcome: Outcome;
  readonly detail: Partial<StepDetail>;
  /** The stage that failed, where it is not the one that was being done. */
  readonly stage: Stage | undefined;

  constructor(outcome: Outcome, text: string, detail: Omit<Partial<StepDetail>, 'text'> = {}, stage?: Stage) {
    super(text);
    this.outcome = outcome;
    this.detail = detail;
    this.stage = stage;
  }
}

/** What a function of the caller rejected with: no business of the bus. */
export class CallerFailure extends Error {
  constructor(cause: unknown) {
    super('A function of the caller failed.', { cause });
  }
}

/** Why no more is to be sent. */
export interface Halt {
  readonly outcome: 'cancelled' | 'step_timeout';
  readonly text: string;
}

interface Facts {
  readonly bytes?: number;
  readonly frames?: number;
  readonly others?: readonly number[];
  readonly tries?: number;
  readonly address?: number;
  readonly baudRate?: number;
  readonly nak?: number;
  readonly reason?: string;
}

const SECURE = ['SC_LOST', 'SC_FAILED', 'SC_WRONG_KEY', 'SC_REFUSED', 'SC_REQUIRED', 'SC_UNSUPPORTED'];
const PORT = ['PORT_GONE', 'PORT_FAILED', 'PORT_UNREACHABLE', 'PANEL_CLOSED'];

/** What an error of the panel or the port means for the step; undefined for one that is none of these. */
export function endOf(error: unknown, portIsOpen: boolean): StepEnd | undefined {
  if (error instanceof StepEnd) return error;
  const { code = '', message, detail = {} } = error as { code?: string; message: string; detail?: Facts };
  if (PORT.includes(code) || (!portIsOpen && code !== '')) return new StepEnd('port_error', message);
  if (code === 'NO_REPLY') return new StepEnd('no_response', message);
  if (code === 'GARBAGE_ONLY') return garbage(message, detail);
  if (code === 'READER_BUSY') return new StepEnd('busy_exhausted', message);
  if (code === 'KEYSET_IN_CLEAR') return new StepEnd('keyset_failed', message);
  if (SECURE.includes(code)) return new StepEnd('sc_error', message, nakOf(detail));
  return undefined;
}

function garbage(message: string, { others = [], frames = 0, baudRate = 0 }: Facts): StepEnd {
  const [address] = others;
  if (address !== undefined) return new StepEnd('wrong_address', message, { nowAt: { address, baudRate } });
  return new StepEnd(frames === 0 ? 'bus_collision' : 'sc_error', message);
}

/** The reader's refusal, where an error carries one. */
export function nakOf({ nak, reason }: { nak?: number; reason?: string }): Pick<StepDetail, 'nak'> {
  return nak === undefined ? {} : { nak: { code: nak, text: reason ?? '' } };
}
