import type { Migration } from '../shared/migrate.ts';
import type { JobConfig } from '../shared/saved.ts';

export const operations = ['store', 'reveal'] as const;

/** Where a secret that is put away comes from. */
export const sources = ['msg', 'env', 'stored'] as const;

/** How a secret that comes or goes as a text is spelled; a Buffer is taken as it is. */
export const formats = ['text', 'hex', 'base64'] as const;

export const kinds = ['secret', 'wifi-password', 'token', 'api-key', 'private-key', 'nvs-key', 'flash-image'] as const;

export interface SecretConfig extends JobConfig {
  operation: (typeof operations)[number];
  source: (typeof sources)[number];
  /** Name of the environment variable, for the source env. Never the secret itself. */
  variable: string;
  /** The message property that is replaced: value by handle, or handle by value. */
  property: string;
  propertyType: string;
  kind: string;
  format: (typeof formats)[number];
  namespace: string;
  namespaceType: string;
  /** The node type that may use the handle. */
  redeemer: string;
  /** The opt-in for the way back. */
  allowReveal: boolean;
  /** Minutes until the handle expires. */
  lifetime: string;
  lifetimeType: string;
}

export const defaults = {
  name: '',
  operation: 'store',
  source: 'msg',
  variable: '',
  property: 'payload',
  propertyType: 'msg',
  kind: 'secret',
  format: 'text',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  redeemer: 'keyway-secret',
  allowReveal: false,
  lifetime: '60',
  lifetimeType: 'num',
  timeout: '',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<SecretConfig>;

/** Version 1 knew texts alone: the default takes them as it did. */
export const migrations: readonly Migration[] = [(saved) => saved];

/** What names of environment variables look like; one with a reference to another variable is none. */
export const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
