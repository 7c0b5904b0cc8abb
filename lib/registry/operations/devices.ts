import { fail } from '../errors.ts';
import { ATTRIBUTE_BYTES } from '../limits.ts';
import { listDevices } from '../sql/lists.ts';
import { SQL } from '../sql/statements.ts';
import { mayBecome, TRANSITIONS } from '../states.ts';
import type { Device, DeviceChange, DeviceFilter, DeviceKey, DeviceState, JsonObject } from '../types.ts';
import { ConstraintBroken, number, one, type Row, type Scope, step, text, Undone, type Work } from '../work.ts';
import { audited } from './audit.ts';
import { deviceOf } from './rows.ts';

/** What is checked already: see check.ts. */
export interface DeviceDraft {
  readonly id: string;
  readonly namespace: string;
  readonly mac: string | null;
  readonly serial: string | null;
  readonly name: string | null;
  readonly profile: string | null;
  readonly labels: readonly string[];
  readonly attributes: JsonObject;
  readonly reason: string | null;
}

/** Puts a device in, without a word to anybody. */
export function* insertDevice(scope: Scope, draft: DeviceDraft): Work<Device> {
  yield* namespaceExists(draft.namespace);
  yield* profileExists(draft.namespace, draft.profile);
  const { id, namespace, mac, serial, name, profile, labels, attributes, reason } = draft;
  const { now } = scope;
  const state = 'registered';
  const made = yield* one(
    ...([SQL.addDevice, id, namespace, mac, serial, name, profile] as const),
    ...([JSON.stringify(labels), JSON.stringify(attributes), state, reason, now, now, now] as const),
  );
  if (made === undefined) throw yield* taken(draft);
  for (const label of labels) yield step(SQL.addLabel, label, id);
  return { ...draft, state, stateAt: now, createdAt: now, changedAt: now };
}

export function* addDevice(scope: Scope, draft: DeviceDraft): Work<Device> {
  const device = yield* insertDevice(scope, draft);
  yield* audited(scope, { action: 'device.added', namespace: device.namespace, subject: device.id });
  scope.emit({ topic: 'device.added', namespace: device.namespace, subject: device.id, device });
  return device;
}

/** What a line of an import came to. */
export interface LineProblem {
  readonly line: number;
  readonly code: string;
  readonly message: string;
  readonly field?: string;
}

/**
 * Puts all of them in, or none: a dry run does the same and takes it back, so that it tells the truth. Problems of
 * single lines come back; they undo everything unless bad lines are to be left out.
 */
export function* importDevices(
  scope: Scope,
  {
    rows,
    dryRun,
    skipBad,
  }: { rows: readonly { line: number; device: DeviceDraft }[]; dryRun: boolean; skipBad: boolean },
): Work<{ added: number; problems: LineProblem[] }> {
  const problems: LineProblem[] = [];
  const counts = new Map<string, number>();
  for (const { line, device } of rows) {
    try {
      yield* insertDevice(scope, device);
      counts.set(device.namespace, (counts.get(device.namespace) ?? 0) + 1);
    } catch (error) {
      problems.push(problemOf(line, error));
    }
  }
  const result = { added: rows.length - problems.length, problems };
  if (dryRun || (problems.length > 0 && !skipBad)) throw new Undone(result);
  for (const [namespace, count] of counts) {
    yield* audited(scope, { action: 'devices.imported', namespace, detail: { count } });
    scope.emit({ topic: 'devices.imported', namespace, subject: null, detail: { count } });
  }
  return result;
}

/** A refusal of ours; anything else ends the import. */
function problemOf(line: number, error: unknown): LineProblem {
  if (!(error instanceof Error) || error.name !== 'KeywayError') throw error;
  const { code, message, detail } = error as Error & { code: string; detail?: { field?: string } };
  return { line, code, message, ...(detail?.field === undefined ? {} : { field: detail.field }) };
}

export function* findDevice(_scope: Scope, key: DeviceKey): Work<Device | undefined> {
  const row = yield* lookUp(key);
  return row && deviceOf(row);
}

function lookUp(key: DeviceKey): Work<Row | undefined> {
  if ('id' in key) return one(SQL.device, key.id);
  if ('mac' in key) return one(SQL.deviceByMac, key.namespace, key.mac);
  if ('name' in key) return one(SQL.deviceByName, key.namespace, key.name);
  return one(SQL.deviceBySerial, key.namespace, key.serial);
}

export function* devices(
  _scope: Scope,
  { filter, after, limit }: { filter: DeviceFilter; after: string | undefined; limit: number },
): Work<{ items: Device[]; more: boolean }> {
  const rows: readonly Row[] = yield listDevices(filter, after, limit + 1);
  return { items: rows.slice(0, limit).map(deviceOf), more: rows.length > limit };
}

export function* countDevices(_scope: Scope, namespace: string | null): Work<Record<DeviceState, number>> {
  const rows: readonly Row[] = yield namespace === null ? step(SQL.countDevices) : step(SQL.countDevicesOf, namespace);
  const counts = Object.fromEntries(Object.keys(TRANSITIONS).map((state) => [state, 0])) as Record<DeviceState, number>;
  for (const row of rows) counts[text(row, 'state') as DeviceState] = number(row, 'count');
  return counts;
}

export function* updateDevice(scope: Scope, { id, change }: { id: string; change: DeviceChange }): Work<Device> {
  const before = yield* required(id);
  const { labels, attributes, ...fields } = change;
  const after: Device = {
    ...before,
    ...fields,
    labels: labels ?? before.labels,
    attributes: attributes === undefined ? before.attributes : laidOver(before.attributes, attributes),
    changedAt: scope.now,
  };
  if (after.mac === null && after.name === null && after.serial === null) {
    throw fail('BAD_DEVICE', `The device ${id} would have neither MAC, name nor serial number left.`, {
      hint: 'Leave it one of them.',
      detail: { field: 'mac' },
    });
  }
  if (Buffer.byteLength(JSON.stringify(after.attributes)) > ATTRIBUTE_BYTES) {
    throw fail('BAD_DEVICE', `The attributes of the device ${id} would be too large together.`, {
      hint: `Take some away: at most ${ATTRIBUTE_BYTES} bytes of JSON can be kept.`,
      detail: { field: 'attributes' },
    });
  }
  yield* profileExists(after.namespace, after.profile);
  const columns = [after.mac, after.serial, after.name, after.profile];
  const texts = [JSON.stringify(after.labels), JSON.stringify(after.attributes)];
  try {
    yield { sql: SQL.changeDevice, values: [...columns, ...texts, scope.now, id], guarded: true };
  } catch (error) {
    if (error instanceof ConstraintBroken) throw yield* taken(after, id);
    throw error;
  }
  if (labels !== undefined) {
    yield step(SQL.clearLabels, id);
    for (const label of labels) yield step(SQL.addLabel, label, id);
  }
  const changed = Object.keys(change).filter((field) => change[field as keyof DeviceChange] !== undefined);
  yield* audited(scope, {
    action: 'device.changed',
    namespace: after.namespace,
    subject: id,
    detail: { fields: changed },
  });
  scope.emit({ topic: 'device.changed', namespace: after.namespace, subject: id, device: after });
  return after;
}

/** A connection that comes and goes would drown the audit log: these two are events alone. */
const COMES_AND_GOES = new Set<DeviceState>(['online', 'offline']);

export function* setDeviceState(
  scope: Scope,
  {
    id,
    to,
    reason,
    from,
  }: { id: string; to: DeviceState; reason: string | null; from: readonly DeviceState[] | undefined },
): Work<Device> {
  const before = yield* required(id);
  if (from !== undefined && !from.includes(before.state)) {
    throw fail('DEVICE_STATE', `The device ${id} is ${before.state}, not ${from.join(' or ')}.`, {
      hint: 'Somebody was faster: look at the device again.',
      detail: { field: 'state', state: before.state, to },
    });
  }
  if (before.state === to && to !== 'flashing') return before;
  if (!mayBecome(before.state, to)) {
    throw fail('DEVICE_STATE', `The device ${id} is ${before.state} and cannot become ${to}.`, {
      hint: `From here it can become ${TRANSITIONS[before.state].join(', ')}.`,
      detail: { field: 'state', state: before.state, to },
    });
  }
  const row = yield* one(SQL.setState, to, reason, scope.now, scope.now, id, before.state);
  if (row === undefined) {
    throw fail('DEVICE_STATE', `The device ${id} changed meanwhile.`, {
      hint: 'Look at the device again.',
      detail: { field: 'state', to },
    });
  }
  const device = deviceOf(row);
  if (!COMES_AND_GOES.has(to) || !COMES_AND_GOES.has(before.state)) {
    yield* audited(scope, {
      action: 'device.state',
      namespace: device.namespace,
      subject: id,
      detail: { from: before.state, to, reason },
    });
  }
  const ended = (state: DeviceState) => state === 'revoked' || state === 'retired';
  if (to === 'revoked' || to === 'retired') scope.revoke({ k: 'device', id, state: to, at: scope.now, until: null });
  else if (ended(before.state)) scope.revoke({ k: 'device', id, state: 'back', at: scope.now, until: null });
  scope.emit({ topic: 'device.state', namespace: device.namespace, subject: id, device, from: before.state });
  return device;
}

export function* removeDevice(scope: Scope, id: string): Work<void> {
  const before = yield* required(id);
  const row = yield* one(SQL.removeDevice, id);
  if (row === undefined) {
    throw fail('DEVICE_IN_USE', `The device ${id} is ${before.state} and is not removed.`, {
      hint: 'Retire it first.',
      detail: { field: 'id', value: id, state: before.state },
    });
  }
  yield* audited(scope, { action: 'device.removed', namespace: before.namespace, subject: id });
  scope.revoke({ k: 'device', id, state: 'removed', at: scope.now, until: null });
  scope.emit({ topic: 'device.removed', namespace: before.namespace, subject: id, device: before });
}

function* required(id: string): Work<Device> {
  const row = yield* one(SQL.device, id);
  if (row !== undefined) return deviceOf(row);
  throw fail('DEVICE_UNKNOWN', `There is no device "${id}".`, {
    hint: 'List the devices, or add it first.',
    detail: { field: 'id', value: id },
  });
}

export function* deviceExists(id: string): Work<void> {
  yield* required(id);
}

export function* namespaceExists(name: string): Work<void> {
  if ((yield* one(SQL.namespace, name)) !== undefined) return;
  throw fail('NAMESPACE_UNKNOWN', `There is no certificate namespace "${name}".`, {
    hint: 'Add the namespace first, or correct its name: upper and lower case differ.',
    detail: { field: 'namespace', value: name },
  });
}

export function* profileExists(namespace: string, name: string | null): Work<void> {
  if (name === null || (yield* one(SQL.profile, namespace, name)) !== undefined) return;
  throw fail('PROFILE_UNKNOWN', `The namespace "${namespace}" has no device profile "${name}".`, {
    hint: 'Add the profile first, or correct its name.',
    detail: { field: 'profile', value: name },
  });
}

/** Which of its keys another device has. The database has refused the row: this only finds the words. */
function* taken(device: DeviceDraft | Device, self?: string): Work<Error> {
  const { id, namespace, mac, serial, name } = device;
  const keys: [field: string, value: string | null, key: DeviceKey][] = [
    ['mac', mac, { namespace, mac: mac ?? '' }],
    ['name', name, { namespace, name: name ?? '' }],
    ['serial', serial, { namespace, serial: serial ?? '' }],
    ['id', self === undefined ? id : null, { id }],
  ];
  for (const [field, value, key] of keys) {
    if (value === null) continue;
    const other = yield* lookUp(key);
    if (other === undefined || text(other, 'id') === self) continue;
    const where = field === 'id' ? '' : ` of the namespace "${namespace}"`;
    return fail('DEVICE_EXISTS', `Another device${where} has the ${WORDS[field] ?? field} "${value}".`, {
      hint: 'Use that device, or correct the value. One that is retired can be taken back, or removed.',
      detail: { field, value, device: text(other, 'id'), state: text(other, 'state') },
    });
  }
  return fail('DEVICE_EXISTS', `The device ${id} collides with another one.`, { detail: { field: 'id', value: id } });
}

const WORDS: Readonly<Record<string, string>> = { mac: 'MAC', serial: 'serial number' };

function laidOver(before: JsonObject, change: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value !== null));
}
