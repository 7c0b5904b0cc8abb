import type { DeviceStatus } from '../device.ts';
import {
  type Edge,
  OUTCOMES,
  type PlanTerms,
  type ProvisionerMode,
  type ReaderIdentity,
  type SlotCounts,
  type SlotId,
  type SlotSummary,
  STAGES,
  STEPS_MOST,
  type StageState,
  type StepDetail,
  type StepPlan,
  type StepState,
  type StepStatus,
  type StepVerb,
} from '../types.ts';
import {
  between,
  type Check,
  closed,
  either,
  flag,
  like,
  list,
  nullOr,
  oneOf,
  open,
  prose,
  text,
  whole,
} from './check.ts';

/** More slots than any device has: a bound for lists alone. */
export const SLOTS_MOST = 64;
const BIG = Number.MAX_SAFE_INTEGER;
/** The longest name that a plan, a host or a device has. */
export const NAME_MOST = 64;

export const name = text(1, NAME_MOST);
/** Of a plan: up to NAME_MOST characters, some of which take two units. The device counts them. */
export const planName = text(0, 2 * NAME_MOST);
export const session = like(/^[0-9a-f]{32}$/, '32 lower-case hex digits');
export const kdf = like(/^[a-z0-9-]{1,32}$/, 'the name of a derivation');
export const time = whole(0, BIG);
/** Which ones there are is for the device to say, under a code of its own; so with addresses and rates. */
export const slotNumber = whole(0, 65_535);
export const slotId: Check<SlotId> = either(oneOf(['live']), (value) => typeof value === 'string', slotNumber);
export const stepIndex = whole(0, 65_535);
export const verb: Check<StepVerb> = oneOf(['try', 'retry', 'skip', 'reset']);
const count = whole(0, BIG);
const baudRate = whole(0, 10_000_000);
const address = whole(0, 255);
const serial = like(/^[0-9A-F]{8}$/, '8 upper-case hex digits');
const place = open<{ address: number; baudRate: number }>({ address, baudRate });

export const stepPlan: Check<StepPlan> = closed<StepPlan>({ address, baudRate, serial }, ['serial']);

export const planTerms: Check<PlanTerms> = closed<PlanTerms>({
  name: planName,
  bus: oneOf(['single', 'multi']),
  factory: closed({ address, baudRate }),
  capabilities: list(text(1, NAME_MOST), 64),
  timeoutMs: whole(0, 86_400_000),
  autoVerify: flag,
  autonomous: flag,
  armingHours: between(0, 8760),
});

const detail: Check<StepDetail> = open<StepDetail>(
  {
    text: prose(2000),
    comsetApplied: nullOr(flag),
    keyed: nullOr(flag),
    keyedBefore: flag,
    foundAt: place,
    nowAt: place,
    nak: open({ code: whole(0, 255), text: prose(200) }),
    frames: count,
    resends: count,
    busies: count,
    garbageBytes: count,
    missing: list(prose(NAME_MOST), 64),
  },
  [
    'comsetApplied',
    'keyed',
    'keyedBefore',
    'foundAt',
    'nowAt',
    'nak',
    'frames',
    'resends',
    'busies',
    'garbageBytes',
    'missing',
  ],
);

const readerIdentity: Check<ReaderIdentity> = open<ReaderIdentity>({
  vendor: like(/^[0-9A-F]{6}$/, '6 upper-case hex digits'),
  model: whole(0, 255),
  version: whole(0, 255),
  serial,
  firmware: prose(32),
});

const stepStates: readonly StepState[] = ['pending', 'attempting', 'success', 'failure', 'skipped'];
const stageStates: readonly StageState[] = ['in-flight', 'reached', 'stalled'];

export const stepStatus: Check<StepStatus> = open<StepStatus>(
  {
    address,
    baudRate,
    serial,
    index: stepIndex,
    state: oneOf(stepStates),
    queued: oneOf([true]),
    attempts: count,
    stage: nullOr(oneOf(STAGES)),
    stageState: nullOr(oneOf(stageStates)),
    outcome: nullOr(oneOf(OUTCOMES)),
    detail: nullOr(detail),
    identity: nullOr(readerIdentity),
    keyVersion: nullOr(whole(0, 255)),
    at: time,
  },
  ['serial', 'queued'],
);

const counts = {
  state: oneOf(['empty', 'staging', 'ready', 'complete'] as const),
  total: whole(0, STEPS_MOST),
  provisioned: whole(0, STEPS_MOST),
  failed: whole(0, STEPS_MOST),
  skipped: whole(0, STEPS_MOST),
};

export const slotSummary: Check<SlotSummary> = open<SlotSummary>({
  ...counts,
  slot: slotId,
  name: nullOr(planName),
  session: nullOr(session),
  createdAt: nullOr(time),
  armedUntil: nullOr(time),
  exported: flag,
  seq: count,
});

export const edge: Check<Edge> = open<Edge>({
  slot: slotId,
  session,
  seq: whole(1, BIG),
  step: stepStatus,
  cause: oneOf(['try', 'retry', 'skip', 'reset', 'quick', 'autonomous', 'attempt', 'cancel', 'power']),
  summary: open<SlotCounts>(counts),
});

const modes: readonly ProvisionerMode[] = ['live', 'offline'];
export const modeList: Check<readonly ProvisionerMode[]> = list(oneOf(modes), modes.length, 1);
export const limits = open<DeviceStatus['limits']>({
  slots: whole(0, SLOTS_MOST),
  steps: whole(0, STEPS_MOST),
  live: whole(0, STEPS_MOST),
});
export const holder = open<{ name: string; since: number }>({ name, since: time });

export const deviceStatus: Check<DeviceStatus> = open<DeviceStatus>(
  {
    name,
    version: text(1, NAME_MOST),
    modes: modeList,
    limits,
    bus: open({ state: oneOf(['open', 'gone', 'idle']), text: prose(500) }),
    store: open({ state: oneOf(['good', 'failing']), text: prose(500) }),
    host: nullOr(holder),
  },
  ['store'],
);
