import type { NvsContent, NvsEntry } from '../nvs/types.ts';
import type { CertificateFacts } from './certificate.ts';
import { checkLayout } from './items.ts';
import { type IdentityField, type IdentityLayoutName, type IdentityRole, identityLayout } from './layouts.ts';
import { Malformed } from './pem.ts';
import { readField } from './values.ts';

/** What is wrong with one entry of an identity. */
export interface IdentityFault {
  readonly role: IdentityRole;
  /** NVS namespace and key. */
  readonly namespace: string;
  readonly key: string;
  readonly problem: 'missing' | 'wrong-type' | 'malformed';
  /** Continues "scadable_certs/cert …"; never shows a value. */
  readonly what: string;
}

/** What an NVS partition holds of an identity. The private key is looked at and not given back. */
export interface IdentityReading {
  readonly layout: IdentityLayoutName;
  /** In the order of the layout; none where the firmware finds its identity. */
  readonly faults: readonly IdentityFault[];
  /** Whether an entry of the layout is there at all, good or bad. */
  readonly present: boolean;
  /** The device's own; null where it is missing or malformed. */
  readonly certificate: CertificateFacts | null;
  /** What stands behind it in the same entry. */
  readonly intermediates: readonly CertificateFacts[];
  readonly ca: readonly CertificateFacts[];
  /** Whether a private key is there that has the form of one. Whose it is only cryptography can tell. */
  readonly hasKey: boolean;
  /** Broker, names: whatever the layout holds beside. */
  readonly settings: Readonly<Partial<Record<IdentityRole, string>>>;
  /** Blobs without a closing NUL, as "namespace/key": some parsers on the chip want one. */
  readonly unterminated: readonly string[];
}

interface Found {
  readonly bytes: Uint8Array;
  readonly terminated: boolean;
}

/**
 * Reads an identity as the firmware of that layout does, and says what it misses.
 * @throws BAD_IDENTITY_LAYOUT
 */
export function readIdentity(content: Pick<NvsContent, 'entries'>, name: IdentityLayoutName): IdentityReading {
  const { fields } = identityLayout(checkLayout(name));
  const faults: IdentityFault[] = [];
  const certificates: Partial<Record<IdentityRole, readonly CertificateFacts[]>> = {};
  const settings: Partial<Record<IdentityRole, string>> = {};
  const unterminated: string[] = [];
  let [hasKey, present] = [false, false];
  for (const field of fields) {
    const { role, namespace, key } = field;
    const named = content.entries.filter((entry) => entry.namespace === namespace && entry.key === key);
    present ||= named.length > 0;
    try {
      const found = take(field, named);
      if (found === undefined) continue;
      const facts = readField(field, found.bytes);
      if (!found.terminated) unterminated.push(`${namespace}/${key}`);
      if (role === 'key') hasKey = true;
      else if (facts.text === null) certificates[role] = facts.certificates;
      else settings[role] = facts.text;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      faults.push({ role, namespace, key, problem: problemOf(field, named), what: error.message });
    }
  }
  const [certificate = null, ...intermediates] = certificates.certificate ?? [];
  const ca = certificates.ca ?? [];
  return { layout: name, faults, present, certificate, intermediates, ca, hasKey, settings, unterminated };
}

/**
 * The bytes of one entry of an identity as the firmware gets them, without a closing NUL; undefined where they are
 * missing or of another type. Those of the key are a secret: wipe them.
 * @throws BAD_IDENTITY_LAYOUT
 */
export function identityBytes(
  content: Pick<NvsContent, 'entries'>,
  name: IdentityLayoutName,
  role: IdentityRole,
): Uint8Array | undefined {
  const field = identityLayout(checkLayout(name)).fields.find((one) => one.role === role);
  const entry = content.entries.find(
    ({ namespace, key, encoding }) =>
      namespace === field?.namespace && key === field.key && encoding === field.encoding,
  );
  return entry === undefined ? undefined : bytesOf(entry).bytes.slice();
}

function take(field: IdentityField, named: readonly NvsEntry[]): Found | undefined {
  const entry = named.find(({ encoding }) => encoding === field.encoding);
  if (entry !== undefined) return bytesOf(entry);
  const [other] = named;
  if (other !== undefined) throw new Malformed(`is of type ${other.encoding}, and the chip reads a ${field.encoding}`);
  if (field.optional) return undefined;
  throw new Malformed('is missing');
}

function problemOf({ encoding }: IdentityField, named: readonly NvsEntry[]): IdentityFault['problem'] {
  if (named.length === 0) return 'missing';
  return named.some((entry) => entry.encoding === encoding) ? 'malformed' : 'wrong-type';
}

/** Strings have had their NUL taken off by the parser. */
function bytesOf({ encoding, value }: NvsEntry): Found {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(String(value));
  if (encoding !== 'blob') return { bytes, terminated: true };
  return bytes.at(-1) === 0 ? { bytes: bytes.subarray(0, -1), terminated: true } : { bytes, terminated: false };
}

/** The faults in one line: "scadable_certs/key is missing; scadable_certs/ca is …". */
export function describeFaults(faults: readonly IdentityFault[]): string {
  return faults.map(({ namespace, key, what }) => `${namespace}/${key} ${what}`).join('; ');
}
