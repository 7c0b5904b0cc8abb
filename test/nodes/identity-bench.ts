import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import type { Registry } from '../../lib/registry/index.ts';
import { registryById } from '../../nodes/shared/registry.ts';
import { type FlowNode, unload } from './harness.ts';

/** A user folder for each test, which goes with it, whatever becomes of the test. */
export function freshUserDir(): () => string {
  let userDir = '';
  beforeEach(() => {
    userDir = mkdtempSync(join(tmpdir(), 'keyway-identity-'));
    helper.settings({ userDir });
  });
  afterEach(async () => {
    try {
      await unload();
    } finally {
      helper.settings({});
      rmSync(userDir, { recursive: true, force: true });
    }
  });
  return () => userDir;
}

export const NAMESPACE = 'line-1';
export const BROKER = 'broker.example.com';

/** A registry for demonstrations and an authority with one namespace. */
export function demoAuthority(
  authority: Record<string, unknown> = {},
  registry: Record<string, unknown> = {},
): FlowNode[] {
  const row = { name: NAMESPACE, broker: BROKER, validityDays: '', rotateHour: '', graceDays: '' };
  return [
    { id: 'registry', type: 'keyway-registry', demo: true, ...registry },
    { id: 'authority', type: 'keyway-authority', registry: 'registry', namespaces: [row], ...authority },
  ];
}

/** The registry that is deployed, as the nodes see it. */
export async function deployedRegistry(): Promise<Registry> {
  return (await registryById('registry').open()).registry;
}
