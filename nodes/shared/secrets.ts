import { describeHandle, type Lease, lease } from '../../lib/vault/index.ts';
import type { Job } from './jobs.ts';

/** Who redeems handles, and what for. */
export interface Redeemer {
  /** The type of the node. */
  readonly nodeType: string;
  readonly job: string;
  /** Certificate namespace that the secrets belong to. */
  readonly namespace?: string | undefined;
}

/** A node that redeems for a job: the certificate namespace is that of the unit. */
export function redeemer(nodeType: string, { id, msg }: Job): Redeemer {
  const namespace = msg.device?.namespace;
  return { nodeType, job: id, ...(typeof namespace === 'string' && namespace !== '' ? { namespace } : {}) };
}

/** Secrets on loan to one job. */
export interface Secrets {
  /** What kinds of secrets there are, for the audit log. */
  readonly kinds: readonly string[];
  /** The bytes of a handle that was asked for; zeros once the job has ended. */
  bytesOf(handle: string): Uint8Array;
}

/**
 * Leases the handles, each once, for as long as `use` runs. When it succeeds they are used up and wiped, unless they
 * are `returned`; when it fails they may be redeemed again. A handle of any kind is taken: what it may be used for is
 * in its list of node types.
 * @throws HANDLE_UNKNOWN, HANDLE_USED, HANDLE_EXPIRED, HANDLE_IN_USE, HANDLE_NOT_FOR_YOU
 */
export async function withSecrets<T>(
  handles: readonly string[],
  redeemer: Redeemer,
  use: (secrets: Secrets) => Promise<T>,
  { returned = false }: { returned?: boolean } = {},
): Promise<T> {
  const { nodeType, job, namespace } = redeemer;
  const held = new Map<string, Lease>();
  const kinds = new Set<string>();
  try {
    for (const handle of handles) {
      if (held.has(handle)) continue;
      const { kind } = describeHandle(handle);
      held.set(handle, lease(handle, { nodeType, kind, job, ...(namespace === undefined ? {} : { namespace }) }));
      kinds.add(kind);
    }
    const bytesOf = (handle: string): Uint8Array => held.get(handle)?.bytes ?? new Uint8Array();
    const result = await use({ kinds: [...kinds], bytesOf });
    if (!returned) for (const one of held.values()) one.commit();
    return result;
  } finally {
    for (const one of held.values()) one.abort();
  }
}
