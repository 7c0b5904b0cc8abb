import fc from 'fast-check';
import type { DeviceStatus } from '../../../../../lib/osdp/provisioner/device.ts';
import {
  type Edge,
  OUTCOMES,
  type PlanTerms,
  type SlotCounts,
  type SlotSummary,
  STAGES,
  type StepDetail,
  type StepPlan,
  type StepStatus,
} from '../../../../../lib/osdp/provisioner/types.ts';

/** Messages as the two sides send them. */
const hex = (digits: string, length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...digits), minLength: length, maxLength: length });
const orNull = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(one, { nil: null });
const count = fc.nat({ max: 1_000_000 });
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });
const name = fc.string({ unit: fc.constantFrom(...'abc ÄÖ漢🚪-_.'), minLength: 1, maxLength: 20 });

export const session = hex('0123456789abcdef', 32);
export const slotId = fc.oneof(fc.constant('live' as const), fc.integer({ min: 1, max: 64 }));
export const slotNumber = fc.integer({ min: 1, max: 64 });
const stepIndex = fc.nat({ max: 125 });
const place = fc.record({ address: fc.nat({ max: 127 }), baudRate: fc.constantFrom(9600, 115_200) });

export const stepPlan: fc.Arbitrary<StepPlan> = fc.record(
  { address: fc.nat({ max: 126 }), baudRate: fc.constantFrom(9600, 230_400), serial: hex('0123456789ABCDEF', 8) },
  { requiredKeys: ['address', 'baudRate'] },
);

export const terms: fc.Arbitrary<PlanTerms> = fc.record({
  name,
  bus: fc.constantFrom('single', 'multi'),
  factory: place,
  capabilities: fc.array(fc.constantFrom('led', 'buzzer', 'aes-128'), { maxLength: 4 }),
  timeoutMs: fc.nat({ max: 600_000 }),
  autoVerify: fc.boolean(),
  autonomous: fc.boolean(),
  armingHours: fc.constantFrom(0.5, 8, 168),
});

const detail: fc.Arbitrary<StepDetail> = fc.record(
  {
    text: name,
    comsetApplied: orNull(fc.boolean()),
    keyed: orNull(fc.boolean()),
    keyedBefore: fc.boolean(),
    foundAt: place,
    nowAt: place,
    nak: fc.record({ code: fc.nat({ max: 255 }), text: name }),
    frames: count,
    resends: count,
    busies: count,
    garbageBytes: count,
    missing: fc.array(name, { maxLength: 3 }),
  },
  { requiredKeys: ['text'] },
);

export const stepStatus: fc.Arbitrary<StepStatus> = fc.record(
  {
    address: fc.nat({ max: 126 }),
    baudRate: fc.constantFrom(9600, 38_400),
    serial: hex('0123456789ABCDEF', 8),
    index: stepIndex,
    state: fc.constantFrom('pending', 'attempting', 'success', 'failure', 'skipped'),
    queued: fc.constant(true as const),
    attempts: count,
    stage: orNull(fc.constantFrom(...STAGES)),
    stageState: orNull(fc.constantFrom('in-flight', 'reached', 'stalled')),
    outcome: orNull(fc.constantFrom(...OUTCOMES)),
    detail: orNull(detail),
    identity: orNull(
      fc.record({
        vendor: hex('0123456789ABCDEF', 6),
        model: fc.nat({ max: 255 }),
        version: fc.nat({ max: 255 }),
        serial: hex('0123456789ABCDEF', 8),
        firmware: fc.constantFrom('1.0.3', '255.255.255'),
      }),
    ),
    keyVersion: orNull(fc.nat({ max: 255 })),
    at: time,
  },
  {
    requiredKeys: [
      ...(['address', 'baudRate', 'index', 'state', 'attempts', 'stage', 'stageState'] as const),
      ...(['outcome', 'detail', 'identity', 'keyVersion', 'at'] as const),
    ],
  },
);

const counts: fc.Arbitrary<SlotCounts> = fc.record({
  state: fc.constantFrom('empty', 'staging', 'ready', 'complete'),
  total: fc.nat({ max: 126 }),
  provisioned: fc.nat({ max: 126 }),
  failed: fc.nat({ max: 126 }),
  skipped: fc.nat({ max: 126 }),
});

export const summary: fc.Arbitrary<SlotSummary> = fc
  .tuple(
    counts,
    fc.record({
      slot: slotId,
      name: orNull(name),
      session: orNull(session),
      createdAt: orNull(time),
      armedUntil: orNull(time),
      exported: fc.boolean(),
      seq: count,
    }),
  )
  .map(([some, rest]) => ({ ...some, ...rest }));

export const edge: fc.Arbitrary<Edge> = fc.record({
  slot: slotId,
  session,
  seq: fc.integer({ min: 1, max: 1_000_000 }),
  step: stepStatus,
  cause: fc.constantFrom('try', 'retry', 'skip', 'reset', 'quick', 'autonomous', 'attempt', 'cancel', 'power'),
  summary: counts,
});

export const status: fc.Arbitrary<DeviceStatus> = fc.record(
  {
    name,
    version: fc.constant('1.2.3'),
    modes: fc.constantFrom(['live'], ['offline'], ['live', 'offline']),
    limits: fc.record({ slots: fc.nat({ max: 64 }), steps: fc.nat({ max: 126 }), live: fc.nat({ max: 126 }) }),
    bus: fc.record({ state: fc.constantFrom('open', 'gone', 'idle'), text: name }),
    store: fc.record({ state: fc.constantFrom('good', 'failing'), text: name }),
    host: orNull(fc.record({ name, since: time })),
  },
  { requiredKeys: ['name', 'version', 'modes', 'limits', 'bus', 'host'] },
) as fc.Arbitrary<DeviceStatus>;

const cursor = fc.record({ slot: slotId, session, seq: count });
const kdf = fc.constant('sp800108-cmac-v1');

/** Each request with parameters that are right; `secret` says whether it carries a seed. */
export const request: fc.Arbitrary<{ type: string; params: object; secret: boolean }> = fc.oneof(
  ...(
    [
      [
        'hello',
        { protocol: fc.constant('keyway-provisioner'), versions: fc.constant([1, 2]), role: fc.constant('host'), name },
      ],
      ['ping', {}],
      ['pair', { proof: hex('0123456789abcdef', 64) }],
      ['attach', { instance: session, takeover: fc.boolean(), after: fc.array(cursor, { maxLength: 4 }) }],
      ['slots', {}],
      ['begin', { slot: slotNumber, terms, session, kdf }],
      ['steps', { slot: slotNumber, steps: fc.array(stepPlan, { minLength: 1, maxLength: 8 }) }],
      ['seal', { slot: slotNumber }],
      ['abandon', { slot: slotNumber }],
      ['open', { slot: slotId }],
      ['remove', { slot: slotId, session: orNull(session) }],
      ['verb', { slot: slotId, step: stepIndex, verb: fc.constantFrom('try', 'retry', 'skip', 'reset') }],
      ['cancel', { slot: slotId }],
      ['beginLive', { terms, session, kdf }],
      ['quick', { step: stepPlan }],
      ['closeLive', {}],
      ['seed', { slot: slotId }],
      ['exported', { slot: slotId, session }],
      ['ack', { slot: slotId, session, seq: count }],
    ] as [string, Record<string, fc.Arbitrary<unknown>>][]
  ).map(([type, params]) =>
    fc.record({
      type: fc.constant(type),
      params: fc.record(params),
      secret: fc.constant(type === 'begin' || type === 'beginLive'),
    }),
  ),
);

const id = fc.integer({ min: 1, max: 0x7fffffff });
const error = fc.record(
  {
    code: fc.constantFrom('SLOT_EMPTY', 'HOST_BUSY'),
    message: name,
    hint: name,
    detail: fc.dictionary(fc.constantFrom('field', 'value', 'host'), fc.oneof(name, count, fc.array(count))),
  },
  { requiredKeys: ['code', 'message'] },
);

/** What a device sends. */
export const fromDevice: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.record({ type: fc.constant('answer'), id, more: fc.boolean(), result: fc.record({ summary }) }),
  fc.record({ type: fc.constant('refusal'), id: orNull(id), error }),
  fc.record({ type: fc.constant('edge'), edge, backfill: fc.boolean() }),
  fc.record({ type: fc.constant('status'), status }),
  fc.record({ type: fc.constant('bye'), error }),
) as fc.Arbitrary<Record<string, unknown>>;

/** A value of JSON that is nearly another one: a field changed, taken out or put in, at any depth. */
export function mutated(value: unknown, next: (most: number) => number): unknown {
  const strange = [
    null,
    -1,
    1.5,
    1e300,
    '',
    '\u0000',
    'x'.repeat(300),
    true,
    [],
    {},
    [[]],
    Number.MAX_SAFE_INTEGER,
    'live',
  ];
  if (typeof value !== 'object' || value === null || next(8) === 0) return strange[next(strange.length)];
  if (Array.isArray(value)) {
    if (value.length === 0 || next(4) === 0) return Array(next(400)).fill(value[0] ?? 1);
    const at = next(value.length);
    return value.map((one, i) => (i === at ? mutated(one, next) : one));
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || next(6) === 0)
    return { ...value, [['__proto__', 'extra', 'type', 'id'][next(4)] as string]: 1 };
  const at = next(entries.length);
  if (next(5) === 0) return Object.fromEntries(entries.filter((_, i) => i !== at));
  return Object.fromEntries(entries.map(([key, one], i) => [key, i === at ? mutated(one, next) : one]));
}
