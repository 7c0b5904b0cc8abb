import { normaliseMac } from '../../lib/pki/index.ts';
import type { AuditEntry, Registry } from '../../lib/registry/index.ts';

/** The registry gives at most so many at once. */
const PAGE = 1000;
/** So many entries are looked through for one device. */
const MOST_SEARCHED = 100_000;

interface Asked {
  readonly namespace: string | undefined;
  /** Undefined: all of the namespace. */
  readonly mac: string | undefined;
  readonly limit: number;
  readonly signal: AbortSignal;
}

/** What the audit log says of a device, its certificates and its connections, newest first. @throws BAD_MAC */
export async function historyOf(registry: Registry, asked: Asked): Promise<Record<string, unknown>[]> {
  const { namespace, limit, signal } = asked;
  const mac = asked.mac === undefined ? undefined : normaliseMac(asked.mac);
  const concerns = mac === undefined ? () => true : await concerning(registry, namespace, mac);
  const found: AuditEntry[] = [];
  let searched = 0;
  let after: string | null = null;
  do {
    signal.throwIfAborted();
    const filter = namespace === undefined ? {} : { namespace };
    const page = await registry.auditLog(filter, { limit: PAGE, ...(after === null ? {} : { after }) });
    found.push(...page.items.filter(concerns));
    searched += page.items.length;
    after = page.next;
  } while (after !== null && found.length < limit && searched < MOST_SEARCHED);
  return found.slice(0, limit).map(shownEntry);
}

/** An entry is about a device by its id, its MAC, or a certificate that it holds or held. */
async function concerning(registry: Registry, namespace: string | undefined, mac: string) {
  const known = new Set<unknown>([mac]);
  if (namespace !== undefined) {
    const device = await registry.device({ namespace, mac });
    if (device !== undefined) known.add(device.id);
    for (const { serial } of await registry.certificatesOf(namespace, mac)) known.add(serial);
  }
  return ({ subject, detail }: AuditEntry): boolean =>
    known.has(subject) || known.has(detail.mac) || known.has(detail.device) || known.has(detail.serial);
}

function shownEntry({ at, ...entry }: AuditEntry): Record<string, unknown> {
  return { time: new Date(at).toISOString(), ...entry };
}
