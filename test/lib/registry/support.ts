import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKeywayError, type KeywayError } from '../../../lib/errors/index.ts';
import {
  type CertificateRecord,
  openSqliteRegistry,
  type Registry,
  type RegistryEvent,
  type Sealer,
  type SqliteRegistryOptions,
} from '../../../lib/registry/index.ts';

export const T0 = Date.UTC(2026, 0, 1);
export const NAMESPACE = 'plant';
export const MAC = 'a0b1c2d3e4f5';

/** A clock that stands until it is moved. */
export class FakeClock {
  time = T0;
  now(): number {
    return this.time;
  }
}

/** As strict as a keystore: another purpose, other data or another key do not open. */
export function sealer(key: Uint8Array): Sealer {
  return {
    seal: (purpose, bytes, aad) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.concat([Buffer.from(purpose), aad]));
      const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    unseal: (purpose, bytes, aad) => {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28)).setAAD(Buffer.concat([Buffer.from(purpose), aad]));
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
    },
  };
}

export const KEY = createHash('sha256').update('a key for tests').digest();

/** A folder and the registries that are opened in it; `done` closes and removes all of it. */
export class Place {
  readonly clock = new FakeClock();
  readonly folder = mkdtempSync(join(tmpdir(), 'keyway-registry-'));
  readonly #open = new Set<Registry>();

  path(name = 'registry.db'): string {
    return join(this.folder, name);
  }

  async open(options: Partial<SqliteRegistryOptions> = {}): Promise<Registry> {
    const keystore = sealer(KEY);
    const registry = await openSqliteRegistry({ path: this.path(), keystore, clock: this.clock, ...options });
    this.#open.add(registry);
    return registry;
  }

  /** With a namespace in it. */
  async filled(options: Partial<SqliteRegistryOptions> = {}): Promise<Registry> {
    const registry = await this.open(options);
    await registry.putNamespace({ name: NAMESPACE, settings: {} });
    return registry;
  }

  async done(): Promise<void> {
    await Promise.all([...this.#open].map((registry) => registry.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** For assert.rejects: an error of ours with that code, and what else must hold. */
export function code(expected: string, detail: Record<string, unknown> = {}) {
  return (error: unknown): true => {
    assert.ok(isKeywayError(error), `no error of ours: ${error}`);
    assert.equal(error.code, expected, error.message);
    for (const [key, value] of Object.entries(detail)) assert.deepEqual(error.detail?.[key], value, key);
    return true;
  };
}

export async function failure(promise: Promise<unknown>): Promise<KeywayError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isKeywayError(error), `no error of ours: ${error}`);
  return error;
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function serialOf(number: number): string {
  return number.toString(16).padStart(32, '0');
}

export function certificate(number: number, fields: Partial<CertificateRecord> = {}): CertificateRecord {
  return {
    serial: serialOf(number),
    namespace: NAMESPACE,
    device: MAC,
    kind: 'device',
    state: 'pending',
    notBefore: T0,
    notAfter: T0 + 7 * 86_400_000,
    der: Uint8Array.of(0x30, number & 0xff),
    publicKeyHash: hash(`key ${number}`),
    ...fields,
  };
}

/** What a registry tells, as it comes. */
export function heard(registry: Registry): RegistryEvent[] {
  const events: RegistryEvent[] = [];
  registry.subscribe((event) => events.push(event));
  return events;
}
