import { type IdentityField, type IdentityLayoutName, identityLayout, type NvsEntry } from '../../esp/index.ts';
import type { FlashWork } from './nvs-pages.ts';
import type { NvsStore } from './nvs-store.ts';

/**
 * Where a new key and certificate lie together until both entries of the layout hold them: each entry is written whole
 * or not at all, two of them are not. It lies in the NVS namespace of the identity, which flashing replaces whole.
 */
const NEXT = 'next';
const CERTIFICATE = new TextEncoder().encode('-----BEGIN CERTIFICATE-----');

/** A key and its certificate, PEM. */
export interface NewIdentity {
  readonly key: Uint8Array;
  readonly certificate: Uint8Array;
}

/** Writes a new key and certificate. @throws NvsFull, with the old ones still in place */
export function* storeIdentity(store: NvsStore, layout: IdentityLayoutName, identity: NewIdentity): FlashWork {
  const both = Buffer.concat([identity.key, identity.certificate]);
  try {
    yield* store.set(fieldOf(layout, 'certificate').namespace, NEXT, 'blob', both);
  } finally {
    both.fill(0);
  }
  yield* settleIdentity(store, layout);
}

/** Ends what a loss of power interrupted: the new key and certificate go where they belong. */
export function* settleIdentity(store: NvsStore, layout: IdentityLayoutName): FlashWork {
  const { namespace } = fieldOf(layout, 'certificate');
  const next = store.blob(namespace, NEXT);
  if (next === undefined) return;
  const parts = split(next);
  if (parts !== undefined) {
    for (const role of ['key', 'certificate'] as const) {
      const field = fieldOf(layout, role);
      // What lies together counts meanwhile: the old one makes room.
      yield* store.remove(field.namespace, field.key);
      yield* store.set(field.namespace, field.key, field.encoding, closed(field, parts[role]));
    }
  }
  next.fill(0);
  yield* store.remove(namespace, NEXT);
}

/** What NVS holds as the application sees it: with the key and certificate that are on their way to their places. */
export function settledEntries(entries: readonly NvsEntry[], layout: IdentityLayoutName): readonly NvsEntry[] {
  const { namespace } = fieldOf(layout, 'certificate');
  const next = entries.find((entry) => entry.namespace === namespace && entry.key === NEXT)?.value;
  const parts = next instanceof Uint8Array ? split(next) : undefined;
  if (parts === undefined) return entries;
  const fields = (['key', 'certificate'] as const).map((role) => ({ ...fieldOf(layout, role), role }));
  const fresh = fields.map((field): NvsEntry => {
    const { namespace: own, key, encoding, role } = field;
    const bytes = closed(field, parts[role]);
    return { namespace: own, key, encoding, value: encoding === 'blob' ? bytes : new TextDecoder().decode(bytes) };
  });
  const isFresh = (entry: NvsEntry): boolean =>
    fields.some((field) => field.namespace === entry.namespace && field.key === entry.key);
  return [...entries.filter((entry) => !isFresh(entry)), ...fresh];
}

function fieldOf(layout: IdentityLayoutName, role: 'key' | 'certificate'): IdentityField {
  return identityLayout(layout).fields.find((field) => field.role === role) as IdentityField;
}

/** mbedTLS wants the NUL behind a PEM counted in; strings have theirs in any case. */
function closed({ encoding }: IdentityField, pem: Uint8Array): Uint8Array {
  return encoding === 'blob' ? Uint8Array.from([...pem, 0]) : pem;
}

function split(both: Uint8Array): NewIdentity | undefined {
  const at = Buffer.from(both.buffer, both.byteOffset, both.length).indexOf(CERTIFICATE);
  return at > 0 ? { key: both.slice(0, at), certificate: both.slice(at) } : undefined;
}
