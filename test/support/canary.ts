/** Looks for a secret in whatever was seen, in every spelling that a careless line of code would give it. */

/** Every text in a value, however deep: bytes as Latin-1, lists of numbers as the bytes they may be. */
export function textsIn(value: unknown, seen: Set<unknown> = new Set()): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || seen.has(value)) return [];
  seen.add(value);
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('latin1')];
  const items = value instanceof Map || value instanceof Set ? [...value].flat() : ownValues(value);
  const bytes = items.filter((item) => typeof item === 'number');
  const asBytes = bytes.length > 3 ? [Buffer.from(bytes).toString('latin1')] : [];
  return [...Object.keys(value), ...asBytes, ...items.flatMap((item) => textsIn(item, seen))];
}

/** Also what JSON leaves out: the message, stack and cause of an error. */
function ownValues(value: object): unknown[] {
  return Object.getOwnPropertyNames(value).map((name) => Object.getOwnPropertyDescriptor(value, name)?.value);
}

/** The spelling in which a secret, a text or bytes, is in a value, or undefined. */
export function spellingOf(secret: string | Uint8Array, value: unknown): string | undefined {
  const bytes = Buffer.from(secret as Uint8Array);
  // Inside a longer run of base64 the secret stands at one of three places; its first and last group mix with others.
  const shifted = [0, 1, 2].map((pad) => {
    const text = Buffer.concat([Buffer.alloc(pad), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    return text.slice(pad === 0 ? 0 : 4, -2);
  });
  const spellings: Record<string, string[]> = {
    raw: [...(typeof secret === 'string' ? [secret] : []), bytes.toString('latin1')],
    hex: [bytes.toString('hex')],
    base64: shifted.flatMap((text) => [text, text.replaceAll('+', '-').replaceAll('/', '_')]),
    'buffer json': [[...bytes].join(','), [...bytes].join(', ')],
  };
  const texts = textsIn(value);
  for (const [name, forms] of Object.entries(spellings)) {
    for (const text of texts) {
      const searched = name === 'hex' ? text.toLowerCase().replace(/[\s:]/g, '') : text;
      if (forms.some((form) => searched.includes(form))) return name;
    }
  }
  return undefined;
}
