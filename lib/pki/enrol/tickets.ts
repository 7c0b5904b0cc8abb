import { hash, randomBytes } from 'node:crypto';
import { fail } from '../errors.ts';
import { namespaceName, normaliseMac } from '../names.ts';
import type { AuthorityStore, TokenRecord } from '../store.ts';

/** What a namespace token may be for. */
export type TokenScope = 'mint' | 'replace';

/** The device that a ticket is for. */
export interface TicketFor {
  readonly namespace: string;
  readonly mac: string;
}

/** How long a ticket lives, in ms. */
export const TICKET_MS = 300_000;
/** How long the flashing after it may take until the device is said to hold its certificate. */
export const CONFIRM_MS = 3_600_000;

/** Mints; mints in the place of a live certificate; says that a certificate has arrived; mints for a whole namespace. */
const KINDS = { ticket: 'kwt_', replace: 'kwr_', confirm: 'kwc_', token: 'kwn_' } as const;
export type SecretKind = keyof typeof KINDS;
const SECRET = /^(kwt_|kwr_|kwc_|kwn_)[A-Za-z0-9_-]{43}$/;

/** 256 random bits, behind four characters that say what they are for. */
export const newSecret = (kind: SecretKind): string => `${KINDS[kind]}${randomBytes(32).toString('base64url')}`;

/** What a secret is for; undefined when it is none. */
export function secretKind(text: string): SecretKind | undefined {
  const prefix = SECRET.exec(text)?.[1];
  return (Object.keys(KINDS) as SecretKind[]).find((kind) => KINDS[kind] === prefix);
}

/** Under what a ticket is kept: only for this device, and, for a confirmation, only for this certificate. */
export function ticketHash(ticket: string, namespace: string, mac: string, serial = ''): string {
  return hash('sha256', `${ticket}\n${namespace}\n${mac}\n${serial}`, 'hex');
}

export const tokenHash = (token: string): string => hash('sha256', token, 'hex');

/**
 * A ticket for one certificate of one device, good once and for five minutes.
 * @param options.replace whether it may take the place of a live certificate
 * @param now from Authority.time, which refuses while the clock is behind
 * @throws BAD_MAC, BAD_NAMESPACE
 */
export async function createTicket(
  store: AuthorityStore,
  device: TicketFor,
  now: number,
  options: { readonly replace?: boolean } = {},
): Promise<{ readonly ticket: string; readonly expiresAt: number }> {
  const [namespace, mac] = [namespaceName(device.namespace), normaliseMac(device.mac)];
  const ticket = newSecret(options.replace === true ? 'replace' : 'ticket');
  const expiresAt = now + TICKET_MS;
  await store.putTicket(ticketHash(ticket, namespace, mac), { namespace, device: mac, expiresAt });
  return { ticket, expiresAt };
}

/** What a new namespace token may do, and until when. */
export interface TokenTerms {
  readonly namespace: string;
  /** Default: mint. */
  readonly scopes?: readonly TokenScope[];
  /** Milliseconds since 1970; null for no end, which is the default. */
  readonly expiresAt?: number | null;
}

/**
 * A token that mints in one namespace. It is shown this once; the store has its hash. Revoke it by the record's id.
 * @throws BAD_NAMESPACE, ENROL_BAD_REQUEST
 */
export async function createToken(
  store: AuthorityStore,
  terms: TokenTerms,
): Promise<{ readonly token: string; readonly record: TokenRecord }> {
  const scopes = terms.scopes ?? ['mint'];
  if (scopes.length === 0 || !scopes.every((scope) => scope === 'mint' || scope === 'replace')) {
    throw fail('ENROL_BAD_REQUEST', 'The scopes of the token are none.', {
      hint: 'Give "mint", and "replace" when it may replace live certificates.',
      detail: { field: 'scopes' },
    });
  }
  const token = newSecret('token');
  const record = await store.addToken({
    kind: 'namespace',
    hash: tokenHash(token),
    prefix: token.slice(0, 8),
    namespace: namespaceName(terms.namespace),
    scopes,
    expiresAt: terms.expiresAt ?? null,
  });
  return { token, record };
}
