import type { Authority } from '../../lib/pki/node.ts';
import { fail } from './identity-errors.ts';
import type { OpenRegistry } from './registry.ts';

/** An authority that is ready to issue. */
export interface OpenAuthority extends OpenRegistry {
  readonly authority: Authority;
}

/** A deployed keyway-authority node. */
export interface DeployedAuthority {
  readonly id: string;
  readonly name: string;
  /** Id of the keyway-registry node that it works on. */
  readonly registry: string;
  /** Whether the enrolment service answers for it. */
  readonly enrolment: boolean;
  /** Whether a device that the registry does not know is added when it enrols. */
  readonly enrolmentRegisters: boolean;
  /** Certificate namespaces that the node names. */
  readonly namespaces: readonly string[];
  /** @throws what the registry, the keystore and the authority throw */
  open(): Promise<OpenAuthority>;
  /** The same, with a certificate namespace that can be used. @throws also what was wrong with it at deploy */
  openFor(namespace: string): Promise<OpenAuthority>;
}

const authorities = new Map<string, DeployedAuthority>();

export function deployAuthority(authority: DeployedAuthority): () => void {
  authorities.set(authority.id, authority);
  return () => {
    if (authorities.get(authority.id) === authority) authorities.delete(authority.id);
  };
}

/** The deployed authority of that id. @throws AUTHORITY_NOT_SET */
export function authorityById(id: string): DeployedAuthority {
  const found = authorities.get(id);
  if (found !== undefined) return found;
  throw fail('AUTHORITY_NOT_SET', 'The node names no authority, or one that is not deployed.', {
    hint: 'Open the node, choose its authority and deploy.',
    detail: { field: 'authority' },
  });
}

export function deployedAuthorities(): DeployedAuthority[] {
  return [...authorities.values()];
}
