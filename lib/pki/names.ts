import { fail } from './errors.ts';

/** Longest name of a certificate namespace: with `:` and a MAC it fills a common name (64). */
const NAMESPACE = /^[A-Za-z0-9._-]{1,51}$/;
/** Holds the root, the intermediates and our own services; no device can be in it. */
export const AUTHORITY_NAMESPACE = 'keyway';

const SPELLINGS = [
  /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i,
  /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/i,
  /^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}$/i,
  /^[0-9a-f]{12}$/i,
];

/**
 * A MAC as 12 lower-case hex digits. Taken are aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff, aabbccddeeff, each
 * in upper or lower case.
 * @throws BAD_MAC
 */
export function normaliseMac(mac: string): string {
  const text = typeof mac === 'string' && mac.length <= 17 ? mac : '';
  if (!SPELLINGS.some((spelling) => spelling.test(text))) {
    throw fail('BAD_MAC', `${quoted(mac)} is no MAC.`, {
      hint: 'Write it as aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff or aabbccddeeff.',
      detail: { field: 'mac', value: clipped(mac) },
    });
  }
  return text.replace(/[:.-]/g, '').toLowerCase();
}

/**
 * The name of a certificate namespace, as it is: `[A-Za-z0-9._-]{1,51}`, and not "." or "..", which paths give another
 * meaning.
 * @throws BAD_NAMESPACE
 */
export function namespaceName(name: string): string {
  if (typeof name !== 'string' || !NAMESPACE.test(name) || /^\.{1,2}$/.test(name) || name === AUTHORITY_NAMESPACE) {
    throw fail('BAD_NAMESPACE', `${quoted(name)} is no name for a certificate namespace.`, {
      hint:
        name === AUTHORITY_NAMESPACE
          ? 'That name is kept for the authority itself; choose another.'
          : 'Use 1 to 51 of the letters A-Z a-z, digits, dot, underscore and dash.',
      detail: { field: 'namespace', value: clipped(name) },
    });
  }
  return name;
}

/** The common name of a device's certificate: `<namespace>:<mac>`, at most 64 characters. */
export function deviceCommonName(namespace: string, mac: string): string {
  return `${namespaceName(namespace)}:${normaliseMac(mac)}`;
}

const LABEL = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;

/**
 * A DNS name in ASCII, at most 253 characters, lower-case; a first label `*` where `wildcard` says so.
 * @throws BAD_NAME
 */
export function hostName(name: string, options: { readonly wildcard?: boolean } = {}): string {
  const text = typeof name === 'string' && name.length <= 253 ? name.toLowerCase() : '';
  const labels = text.split('.');
  const from = options.wildcard === true && labels.length > 2 && labels[0] === '*' ? 1 : 0;
  const allDigits = /^\d+$/.test(labels.at(-1) ?? '');
  if (allDigits || !labels.slice(from).every((label) => LABEL.test(label))) {
    throw fail('BAD_NAME', `${quoted(name)} is no host name.`, {
      hint: 'Give a DNS name of letters, digits and dashes, such as broker.example.com.',
      detail: { field: 'name', value: clipped(name) },
    });
  }
  return text;
}

/** What a caller gave, short enough for a message. */
export function clipped(value: unknown): string {
  const text = typeof value === 'string' ? value : value === null ? 'null' : typeof value;
  return text.length > 64 ? `${text.slice(0, 64)}…` : text;
}

export function quoted(value: unknown): string {
  return JSON.stringify(clipped(value));
}
