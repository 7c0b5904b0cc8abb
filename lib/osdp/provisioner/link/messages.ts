import type { DeviceStatus } from '../device.ts';
import {
  type PlanTerms,
  type SlotId,
  type SlotSummary,
  STEPS_MOST,
  type StepPlan,
  type StepStatus,
  type StepVerb,
} from '../types.ts';
import { type Check, type Checked, closed, flag, like, list, nullOr, oneOf, open, text, whole } from './check.ts';
import {
  deviceStatus,
  holder,
  kdf,
  limits,
  modeList,
  name,
  planTerms,
  SLOTS_MOST,
  session,
  slotId,
  slotNumber,
  slotSummary,
  stepIndex,
  stepPlan,
  stepStatus,
  verb,
} from './shapes.ts';

/** The name of the protocol, in its hello. */
export const PROTOCOL = 'keyway-provisioner';
/** The versions that we speak, the best first. */
export const VERSIONS: readonly number[] = [1];

/** Up to where a host has the edges of a slot. */
export interface Cursor {
  readonly slot: SlotId;
  readonly session: string;
  readonly seq: number;
}

/** What a device says when it is greeted. To a host that it does not know, `host` is null. */
export interface Hello {
  readonly protocol: typeof PROTOCOL;
  readonly version: number;
  readonly role: 'provisioner';
  readonly name: string;
  readonly software: string;
  readonly modes: DeviceStatus['modes'];
  readonly limits: DeviceStatus['limits'];
  /** Whether it knows this host. */
  readonly paired: boolean;
  /** Whether a pairing code is open. */
  readonly pairing: boolean;
  readonly host: DeviceStatus['host'];
  /** How often a host that has nothing else to say pings, ms; after three times as long it counts as gone. */
  readonly keepaliveMs: number;
}

const proof = like(/^[0-9a-f]{64}$/, '64 lower-case hex digits');
const cursor: Check<Cursor> = closed<Cursor>({ slot: slotId, session, seq: whole(0, Number.MAX_SAFE_INTEGER) });
type Nothing = Record<never, never>;
const nothing: Check<Nothing> = closed<Nothing>({});
const none: Check<Nothing> = open<Nothing>({});

interface Terms<P, R> {
  readonly params: Check<P>;
  readonly result: Check<R>;
  /** Which side's frame carries a seed. */
  readonly secret?: 'request' | 'answer';
  /** Changes something: a host whose link broke cannot know whether it was done. */
  readonly changes?: true;
}

const terms = <P, R>(one: Terms<P, R>): Terms<P, R> => one;
const summaryOnly = open<{ summary: SlotSummary }>({ summary: slotSummary });
const slotOnly = closed<{ slot: SlotId }>({ slot: slotId });
const numberOnly = closed<{ slot: number }>({ slot: slotNumber });

/** Every request of a host: what it takes, and what it is answered with. */
export const REQUESTS = {
  hello: terms({
    params: closed<{ protocol: typeof PROTOCOL; versions: readonly number[]; role: 'host'; name: string }>({
      protocol: oneOf([PROTOCOL]),
      versions: list(whole(1, 65_535), 16, 1),
      role: oneOf(['host']),
      name,
    }),
    result: open<Hello>({
      protocol: oneOf([PROTOCOL]),
      version: whole(1, 65_535),
      role: oneOf(['provisioner']),
      name,
      software: text(1, 64),
      modes: modeList,
      limits,
      paired: flag,
      pairing: flag,
      host: nullOr(holder),
      keepaliveMs: whole(10, 600_000),
    }),
  }),
  ping: terms({ params: nothing, result: none }),
  pair: terms({
    params: closed<{ proof: string }>({ proof }),
    result: open<{ proof: string }>({ proof }),
    changes: true,
  }),
  attach: terms({
    params: closed<{ instance: string; takeover: boolean; after: readonly Cursor[] }>({
      instance: session,
      takeover: flag,
      after: list(cursor, SLOTS_MOST + 1),
    }),
    result: open<{ status: DeviceStatus; slots: readonly SlotSummary[] }>({
      status: deviceStatus,
      slots: list(slotSummary, SLOTS_MOST + 1),
    }),
  }),
  slots: terms({
    params: nothing,
    result: open<{ slots: readonly SlotSummary[] }>({ slots: list(slotSummary, SLOTS_MOST + 1) }),
  }),
  begin: terms({
    params: closed<{ slot: number; terms: PlanTerms; session: string; kdf: string }>({
      slot: slotNumber,
      terms: planTerms,
      session,
      kdf,
    }),
    result: none,
    secret: 'request',
    changes: true,
  }),
  steps: terms({
    params: closed<{ slot: number; steps: readonly StepPlan[] }>({
      slot: slotNumber,
      steps: list(stepPlan, STEPS_MOST, 1),
    }),
    result: none,
    changes: true,
  }),
  seal: terms({ params: numberOnly, result: summaryOnly, changes: true }),
  abandon: terms({ params: numberOnly, result: none, changes: true }),
  open: terms({
    params: slotOnly,
    result: open<{ summary: SlotSummary; terms: PlanTerms | null; from: number; steps: readonly StepStatus[] }>({
      summary: slotSummary,
      terms: nullOr(planTerms),
      from: whole(0, STEPS_MOST),
      steps: list(stepStatus, STEPS_MOST),
    }),
  }),
  remove: terms({
    params: closed<{ slot: SlotId; session: string | null }>({ slot: slotId, session: nullOr(session) }),
    result: none,
    changes: true,
  }),
  verb: terms({
    params: closed<{ slot: SlotId; step: number; verb: StepVerb }>({ slot: slotId, step: stepIndex, verb }),
    result: none,
    changes: true,
  }),
  cancel: terms({ params: slotOnly, result: none, changes: true }),
  beginLive: terms({
    params: closed<{ terms: PlanTerms; session: string; kdf: string }>({ terms: planTerms, session, kdf }),
    result: summaryOnly,
    secret: 'request',
    changes: true,
  }),
  quick: terms({
    params: closed<{ step: StepPlan }>({ step: stepPlan }),
    result: open<{ index: number }>({ index: stepIndex }),
    changes: true,
  }),
  closeLive: terms({ params: nothing, result: summaryOnly, changes: true }),
  seed: terms({
    params: slotOnly,
    result: open<{ slot: SlotId; session: string; kdf: string }>({ slot: slotId, session, kdf }),
    secret: 'answer',
  }),
  exported: terms({
    params: closed<{ slot: SlotId; session: string }>({ slot: slotId, session }),
    result: none,
    changes: true,
  }),
  /** Answered when it arrived; it is durable a little later, which does no harm: a host knows what it has. */
  ack: terms({ params: cursor, result: none }),
} as const;

export type RequestType = keyof typeof REQUESTS;
export type ParamsOf<T extends RequestType> = Checked<(typeof REQUESTS)[T]['params']>;
export type ResultOf<T extends RequestType> = Checked<(typeof REQUESTS)[T]['result']>;

/** Which requests a host may make before it is attached. */
export const BEFORE_ATTACH: readonly RequestType[] = ['hello', 'ping', 'pair', 'attach'];

export const isRequestType = (type: unknown): type is RequestType =>
  typeof type === 'string' && Object.hasOwn(REQUESTS, type);
