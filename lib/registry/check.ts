import { randomBytes } from 'node:crypto';
import { fail, type RegistryCode } from './errors.ts';
import { ATTRIBUTE_BYTES } from './limits.ts';
import type { DeviceDraft } from './operations/devices.ts';
import { DEVICE_STATES } from './states.ts';
import type {
  AuditInput,
  By,
  CertificateRecord,
  DeviceChange,
  DeviceFilter,
  DeviceState,
  JsonObject,
  NewCode,
  NewDevice,
  NewToken,
  PageRequest,
} from './types.ts';

/** What comes in is checked here, before anything is written; operations rely on it. */
const ID = /^[A-Za-z0-9._:-]{1,64}$/;
const NAMESPACE = /^[A-Za-z0-9._-]{1,51}$/;
const MAC = /^[0-9a-f]{12}$/;
const SERIAL = /^[0-9a-f]{32}$/;
const HASH = /^[0-9a-f]{64}$/;
const WORD = /^[a-z0-9.-]{1,64}$/;
/** Controls, and what turns the direction of a text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;
const UNSAFE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

const NAME_BYTES = 128;
const LABELS = 32;
const LABEL_CHARACTERS = 64;
const SETTINGS_BYTES = 64 << 10;
const DEPTH = 8;
const SEALED_BYTES = 1 << 20;
const DER_BYTES = 64 << 10;

function refuse(code: RegistryCode, field: string, what: string, hint: string, value?: unknown): never {
  throw fail(code, `${what}.`, { hint, detail: { field, ...(typeof value === 'string' && { value: short(value) }) } });
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : value === null ? 'null' : typeof value;
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}

function quoted(value: unknown): string {
  return JSON.stringify(short(value));
}

let lastTime = 0;
let lastCount = 0;

/**
 * A UUID of version 7 (RFC 9562 §5.7, §6.2 method 1: a counter in rand_a). New ones sort behind old ones, which keeps
 * lists in order and indexes compact.
 */
export function newId(now: number): string {
  const time = Math.min(Math.max(0, Math.floor(now)), 2 ** 48 - 1);
  if (time > lastTime || time < lastTime - 1000) [lastTime, lastCount] = [time, 0];
  else if (++lastCount > 0xfff) [lastTime, lastCount] = [lastTime + 1, 0];
  const bytes = randomBytes(16);
  bytes.writeUIntBE(lastTime, 0, 6);
  bytes.writeUInt16BE(0x7000 | lastCount, 6);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function checkId(id: unknown, field = 'id', code: RegistryCode = 'BAD_DEVICE'): string {
  if (typeof id === 'string' && ID.test(id)) return id;
  refuse(code, field, `${quoted(id)} is no id`, 'Use 1 to 64 letters, digits, dots, dashes, underscores, colons.', id);
}

export function checkNamespace(name: unknown): string {
  if (typeof name === 'string' && NAMESPACE.test(name) && name !== '.' && name !== '..') return name;
  const hint = 'Use 1 to 51 of the letters A-Z a-z, digits, dot, underscore and dash.';
  refuse('BAD_NAMESPACE', 'namespace', `${quoted(name)} is no name of a certificate namespace`, hint, name);
}

export function checkMac(mac: unknown, code: RegistryCode = 'BAD_DEVICE'): string {
  if (typeof mac === 'string' && MAC.test(mac)) return mac;
  refuse(
    code,
    'mac',
    `${quoted(mac)} is no MAC`,
    'The registry takes 12 lower-case hex digits, such as a0b1c2d3e4f5.',
    mac,
  );
}

/** A name, serial number or label: what people read. */
export function checkText(text: unknown, field: string, code: RegistryCode, limit = NAME_BYTES): string {
  const right = typeof text === 'string' && text !== '' && text.trim() === text && text.normalize('NFC') === text;
  if (right && text.isWellFormed() && Buffer.byteLength(text) <= limit && !UNSEEN.test(text)) return text;
  const hint = `Use 1 to ${limit} bytes of text without control characters or blanks at the ends, composed (NFC).`;
  refuse(code, field, `The ${field} ${quoted(text)} cannot be kept`, hint, text);
}

function orNull<T, R>(value: T | null | undefined, check: (value: T) => R): R | null {
  return value === null || value === undefined ? null : check(value);
}

function checkLabels(labels: unknown): string[] {
  if (!Array.isArray(labels) || labels.length > LABELS) {
    refuse('BAD_DEVICE', 'labels', 'The labels are no list, or too many', `Give a list of at most ${LABELS} texts.`);
  }
  return [...new Set(labels.map((label) => checkText(label, 'labels', 'BAD_DEVICE', LABEL_CHARACTERS)))].sort();
}

/** JSON of bounded depth and size, without keys that reach into objects. */
export function checkJson(value: unknown, field: string, code: RegistryCode, limit: number): JsonObject {
  const hint = `Give an object of JSON: at most ${limit} bytes, at most ${DEPTH} levels deep.`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(code, field, `The ${field} are no object`, hint);
  }
  if (!isJson(value, DEPTH)) refuse(code, field, `The ${field} hold what is no JSON, or are too deep`, hint);
  if (Buffer.byteLength(JSON.stringify(value)) > limit) refuse(code, field, `The ${field} are too large`, hint);
  return value as JsonObject;
}

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth - 1));
  const plain = Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null;
  return plain && Object.entries(value).every(([key, item]) => !UNSAFE_KEYS.has(key) && isJson(item, depth - 1));
}

export function checkDevice(device: NewDevice, now: number): DeviceDraft {
  if (typeof device !== 'object' || device === null) {
    refuse(
      'BAD_DEVICE',
      'device',
      'The device is no object',
      'Give an object with a namespace and a mac, name or serial.',
    );
  }
  const namespace = checkNamespace(device.namespace);
  const draft = checkUnplaced(device, now);
  return { ...draft, namespace };
}

/** A device whose namespace comes from elsewhere: from the code that it redeems. */
export function checkUnplaced(device: Omit<NewDevice, 'namespace'>, now: number): Omit<DeviceDraft, 'namespace'> {
  const draft = {
    id: device.id === undefined ? newId(now) : checkId(device.id),
    ...checkKeys(device),
    labels: checkLabels(device.labels ?? []),
    attributes: checkJson(device.attributes ?? {}, 'attributes', 'BAD_DEVICE', ATTRIBUTE_BYTES),
    reason: orNull(device.reason, (reason) => checkText(reason, 'reason', 'BAD_DEVICE', 256)),
  };
  if (draft.mac === null && draft.name === null && draft.serial === null) {
    refuse('BAD_DEVICE', 'mac', 'The device has neither MAC, name nor serial number', 'Give it one of them.');
  }
  return draft;
}

function checkKeys(device: DeviceChange) {
  return {
    mac: orNull(device.mac, checkMac),
    serial: orNull(device.serial, (serial) => checkText(serial, 'serial', 'BAD_DEVICE')),
    name: orNull(device.name, (name) => checkText(name, 'name', 'BAD_DEVICE')),
    profile: orNull(device.profile, (profile) => checkText(profile, 'profile', 'BAD_DEVICE')),
  };
}

/** Only what is given. */
export function checkChange(change: DeviceChange): DeviceChange {
  const keys = Object.entries(checkKeys(change)).filter(([key]) => change[key as keyof DeviceChange] !== undefined);
  return {
    ...Object.fromEntries(keys),
    ...(change.labels === undefined ? {} : { labels: checkLabels(change.labels) }),
    ...(change.attributes === undefined
      ? {}
      : { attributes: checkJson(change.attributes, 'attributes', 'BAD_DEVICE', ATTRIBUTE_BYTES) }),
  };
}

export function checkState(state: unknown): DeviceState {
  if (DEVICE_STATES.includes(state as DeviceState)) return state as DeviceState;
  refuse(
    'DEVICE_STATE',
    'state',
    `${quoted(state)} is no state of a device`,
    `Use ${DEVICE_STATES.join(', ')}.`,
    state,
  );
}

export function checkReason(reason: string | null | undefined): string | null {
  return orNull(reason, (text) => checkText(text, 'reason', 'BAD_DEVICE', 256));
}

export function checkCertificate(record: CertificateRecord): CertificateRecord {
  const hint = 'See the declaration of CertificateRecord.';
  const wrong = (field: keyof CertificateRecord): never =>
    refuse('BAD_CERTIFICATE', field, `The certificate’s ${field} is out of its range`, hint);
  if (!SERIAL.test(record.serial)) wrong('serial');
  if (!NAMESPACE.test(record.namespace)) wrong('namespace');
  if (record.device !== null && !MAC.test(record.device)) wrong('device');
  if (!['device', 'intermediate', 'root', 'service'].includes(record.kind)) wrong('kind');
  if (!['pending', 'live', 'superseded', 'revoked'].includes(record.state)) wrong('state');
  if (!isTime(record.notBefore)) wrong('notBefore');
  if (!isTime(record.notAfter)) wrong('notAfter');
  if (!isBytes(record.der, DER_BYTES)) wrong('der');
  if (!HASH.test(record.publicKeyHash)) wrong('publicKeyHash');
  if (record.reason !== undefined && !isReason(record.reason)) wrong('reason');
  if (record.revokedAt !== undefined && !isTime(record.revokedAt)) wrong('revokedAt');
  return record;
}

export function checkSerial(serial: unknown): string {
  if (typeof serial === 'string' && SERIAL.test(serial)) return serial;
  refuse(
    'BAD_CERTIFICATE',
    'serial',
    `${quoted(serial)} is no serial number`,
    'It is 32 lower-case hex digits.',
    serial,
  );
}

/** CRLReason of RFC 5280 §5.3.1: 7 is not used. */
function isReason(reason: number): boolean {
  return Number.isInteger(reason) && reason >= 0 && reason <= 10 && reason !== 7;
}

export function checkRevocation(reason: number, at: number): void {
  if (isReason(reason) && isTime(at)) return;
  refuse(
    'BAD_CERTIFICATE',
    'reason',
    'The revocation’s reason or time is out of its range',
    'Reasons are 0 to 10, not 7.',
  );
}

export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isBytes(value: unknown, limit: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length > 0 && value.length <= limit;
}

export function checkTime(value: unknown, field: string, code: RegistryCode): number {
  if (isTime(value)) return value;
  refuse(code, field, `The ${field} is no time`, 'Give whole milliseconds since 1970.');
}

/** Hashes are never shown: who has one may be on the way to the secret. */
export function checkHash(hash: unknown, code: RegistryCode): string {
  if (typeof hash === 'string' && HASH.test(hash)) return hash;
  refuse(code, 'hash', 'The hash is none', 'Give SHA-256 as 64 lower-case hex digits.');
}

export function checkSealed(sealed: unknown): Uint8Array {
  if (isBytes(sealed, SEALED_BYTES)) return sealed;
  refuse('BAD_TOKEN', 'sealed', 'The sealed bytes are none, or too many', `Give 1 to ${SEALED_BYTES} bytes.`);
}

export function checkKind(kind: unknown, code: RegistryCode = 'BAD_TOKEN'): string {
  if (typeof kind === 'string' && WORD.test(kind)) return kind;
  refuse(code, 'kind', `${quoted(kind)} is no kind`, 'Use 1 to 64 lower-case letters, digits, dots and dashes.', kind);
}

export function checkPrefix(prefix: unknown, code: RegistryCode): string {
  if (typeof prefix === 'string' && prefix.length <= 12 && !UNSEEN.test(prefix)) return prefix;
  refuse(code, 'prefix', 'The prefix is too long', 'Keep at most 12 characters of it.');
}

export function checkToken(token: NewToken): void {
  checkKind(token.kind);
  checkHash(token.hash, 'BAD_TOKEN');
  checkPrefix(token.prefix ?? '', 'BAD_TOKEN');
  checkNamespace(token.namespace);
  if (token.expiresAt !== undefined && token.expiresAt !== null) checkTime(token.expiresAt, 'expiresAt', 'BAD_TOKEN');
  if (!Array.isArray(token.scopes ?? []) || (token.scopes ?? []).length > 32) {
    refuse('BAD_TOKEN', 'scopes', 'The scopes are no list, or too many', 'Give a list of at most 32 words.');
  }
  for (const scope of token.scopes ?? []) checkText(scope, 'scopes', 'BAD_TOKEN', 64);
}

export function checkCode(code: NewCode): void {
  checkHash(code.hash, 'BAD_CODE');
  checkNamespace(code.namespace);
  checkPrefix(code.prefix ?? '', 'BAD_CODE');
  if (code.mac !== undefined && code.mac !== null) checkMac(code.mac, 'BAD_CODE');
  checkTime(code.expiresAt, 'expiresAt', 'BAD_CODE');
  const uses = code.maxUses ?? 1;
  if (!Number.isInteger(uses) || uses < 1 || uses > 1_000_000) {
    refuse('BAD_CODE', 'maxUses', 'The code’s number of uses is out of its range', 'Give 1 to 1,000,000.');
  }
}

export function checkSettings(settings: unknown, code: RegistryCode): JsonObject {
  return checkJson(settings, 'settings', code, SETTINGS_BYTES);
}

export function checkKeyName(name: unknown): string {
  if (typeof name === 'string' && /^[\x21-\x7e]{1,100}$/.test(name)) return name;
  refuse('BAD_TOKEN', 'name', `${quoted(name)} is no name of a key record`, 'Use 1 to 100 characters of ASCII.', name);
}

export function checkAudit(entry: AuditInput): AuditInput {
  if (typeof entry.action !== 'string' || !WORD.test(entry.action)) {
    refuse('BAD_AUDIT', 'action', `${quoted(entry.action)} is no action`, 'Use a word such as flash.forced.');
  }
  if (entry.namespace !== undefined && entry.namespace !== null) checkNamespace(entry.namespace);
  if (entry.subject !== undefined && entry.subject !== null) checkText(entry.subject, 'subject', 'BAD_AUDIT', 256);
  if (!['ok', 'denied', 'failed'].includes(entry.outcome ?? 'ok')) {
    refuse('BAD_AUDIT', 'outcome', `${quoted(entry.outcome)} is no outcome`, 'Use ok, denied or failed.');
  }
  checkJson(entry.detail ?? {}, 'detail', 'BAD_AUDIT', 4096);
  return entry;
}

export function checkBy(by: By): By {
  if (by.actor !== undefined) checkText(by.actor, 'actor', 'BAD_AUDIT');
  if (by.source !== undefined) checkText(by.source, 'source', 'BAD_AUDIT');
  return by;
}

export function checkDeviceFilter(filter: DeviceFilter): DeviceFilter {
  for (const state of filter.states ?? []) checkState(state);
  if (filter.search !== undefined && (typeof filter.search !== 'string' || filter.search.length > NAME_BYTES)) {
    refuse('BAD_PAGE', 'search', 'The text to search for is too long', `Search for at most ${NAME_BYTES} characters.`);
  }
  return filter;
}

export function refuseCursor(): never {
  refuse('BAD_PAGE', 'after', 'The cursor is none', 'Give "next" of the page before.');
}

/** How many, and after which. */
export function checkPage(page: PageRequest): { limit: number; after: string | undefined } {
  const limit = page.limit ?? 100;
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    refuse('BAD_PAGE', 'limit', `A page of ${limit} cannot be had`, 'Ask for 1 to 1000 at once.');
  }
  if (page.after !== undefined && (typeof page.after !== 'string' || page.after.length > 200)) {
    refuseCursor();
  }
  return { limit, after: page.after };
}
