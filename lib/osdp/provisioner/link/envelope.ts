import { isKeywayError, KeywayError } from '../../../errors/index.ts';
import type { DeviceStatus } from '../device.ts';
import type { Edge } from '../types.ts';
import { type Check, facts, flag, like, nullOr, open, prose, whole, wrong } from './check.ts';
import { fail } from './errors.ts';
import { isRequestType, type ParamsOf, REQUESTS, type RequestType } from './messages.ts';
import { deviceStatus, edge } from './shapes.ts';

/** The greatest number of a request. They may begin again at 1. */
export const ID_MOST = 0x7fff_ffff;
const DETAIL_DEPTH = 4;
const TYPE_SHOWN = 40;

/** What an error becomes on the link. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** A request, as the device reads it. */
export type Request = {
  [T in RequestType]: { readonly type: T; readonly id: number; readonly params: ParamsOf<T> };
}[RequestType];

/** What a device sends. */
export type FromDevice =
  | { readonly type: 'answer'; readonly id: number; readonly more: boolean; readonly result: unknown }
  | { readonly type: 'refusal'; readonly id: number | null; readonly error: WireError }
  | { readonly type: 'edge'; readonly edge: Edge; readonly backfill: boolean }
  | { readonly type: 'status'; readonly status: DeviceStatus }
  | { readonly type: 'bye'; readonly error: WireError };

const id = whole(1, ID_MOST);

/** The number of a request that may be malformed otherwise; null when it has none. */
export function idOf(message: Readonly<Record<string, unknown>>): number | null {
  const given = Object.hasOwn(message, 'id') ? message.id : undefined;
  return Number.isInteger(given) && (given as number) >= 1 && (given as number) <= ID_MOST ? (given as number) : null;
}

/** @throws BAD_MESSAGE, UNKNOWN_MESSAGE */
export function parseRequest(message: Readonly<Record<string, unknown>>, hasSecret: boolean): Request {
  const { type, id: number, ...rest } = message;
  if (typeof type !== 'string') throw wrong('type', type, 'the type of a message');
  if (!isRequestType(type)) {
    const shown = type.slice(0, TYPE_SHOWN);
    throw fail('UNKNOWN_MESSAGE', `A message "${shown}" is not known here.`, {
      hint: 'The host may be of a later version: update the provisioner.',
      detail: { field: 'type', value: shown, known: Object.keys(REQUESTS) },
    });
  }
  const terms: { readonly params: Check<unknown>; readonly secret?: string } = REQUESTS[type];
  if (hasSecret !== (terms.secret === 'request')) throw wrong('secret', hasSecret ? 'given' : undefined, 'the other');
  return { type, id: id(number, 'id'), params: terms.params(rest, '') } as Request;
}

const wireError: Check<WireError> = open<WireError>(
  {
    code: like(/^[A-Z][A-Z0-9_]{1,63}$/, 'a code'),
    message: prose(2000),
    hint: prose(2000),
    detail: (value, at) => {
      const read = facts(DETAIL_DEPTH)(value, at);
      if (typeof read !== 'object' || read === null || Array.isArray(read)) throw wrong(at, value, 'an object');
      return read as Readonly<Record<string, unknown>>;
    },
  },
  ['hint', 'detail'],
);

const FROM_DEVICE = {
  answer: open<{ id: number; more: boolean; result: unknown }>({ id, more: flag, result: (value) => value }),
  refusal: open<{ id: number | null; error: WireError }>({ id: nullOr(id), error: wireError }),
  edge: open<{ edge: Edge; backfill: boolean }>({ edge, backfill: flag }),
  status: open<{ status: DeviceStatus }>({ status: deviceStatus }),
  bye: open<{ error: WireError }>({ error: wireError }),
} as const;

/** @returns undefined for a type that is not known: a later device may have more to tell. @throws BAD_MESSAGE */
export function parseFromDevice(message: Readonly<Record<string, unknown>>): FromDevice | undefined {
  const { type } = message;
  if (typeof type !== 'string') throw wrong('type', type, 'the type of a message');
  if (!Object.hasOwn(FROM_DEVICE, type)) return undefined;
  const check: Check<object> = FROM_DEVICE[type as keyof typeof FROM_DEVICE];
  return { type, ...check(message, '') } as FromDevice;
}

const clip = (value: string): string => value.replace(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, ' ').slice(0, 1000) || '?';

/** An error for the other side. What is none of ours is not told: it may name paths. */
export function toWire(error: unknown): WireError {
  if (!isKeywayError(error)) {
    return { code: 'PROVISIONER_FAILED', message: 'The provisioner failed at this.', hint: 'Look into its log.' };
  }
  const detail = error.detail === undefined ? undefined : plainDetail(error.detail);
  return {
    code: error.code,
    message: clip(error.message),
    ...(error.hint === undefined ? {} : { hint: clip(error.hint) }),
    ...(detail === undefined ? {} : { detail }),
  };
}

/** Left out when it is too deep or too long for a frame. */
function plainDetail(detail: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = JSON.stringify(detail);
    if (text.length > 16_384) return undefined;
    return facts(DETAIL_DEPTH)(JSON.parse(text), 'detail') as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** The error that the other side told of, under its own code. */
export function fromWire({ code, message, hint, detail }: WireError): KeywayError {
  return new KeywayError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(detail === undefined ? {} : { detail }),
  });
}
