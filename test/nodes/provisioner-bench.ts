import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import { endProvisioners } from '../../nodes/shared/provisioner-child.ts';
import { type Bench, type FlowNode, type Msg, unload } from './harness.ts';
import { busOf } from './osdp-flow.ts';

/** A user folder for each test, which goes with it and with the provisioners that work in it. */
export function provisionerUserDir(): () => string {
  let userDir = '';
  beforeEach(() => {
    userDir = mkdtempSync(join(tmpdir(), 'kw-'));
    helper.settings({ userDir });
  });
  afterEach(async () => {
    try {
      await unload();
    } finally {
      await endProvisioners();
      helper.settings({});
      rmSync(userDir, { recursive: true, force: true });
    }
  });
  return () => userDir;
}

/** Virtual readers, the port that leads to them, and an embedded provisioner on it. */
export function provisionerOn(
  name: string,
  readers: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
): FlowNode[] {
  const wires = busOf(name, readers).filter(({ id }) => id !== 'bus');
  return [...wires, { id: 'provisioner', type: 'keyway-provisioner', name: `gateway ${name}`, port: 'port', ...more }];
}

/** A palette node of the provisioner, wired to the collectors. */
export function node(type: string, more: Record<string, unknown> = {}): FlowNode {
  // One of the collectors is called so too.
  const short = type === 'keyway-progress' ? 'told' : type.replace('keyway-', '');
  return { id: short, type, provisioner: 'provisioner', wires: [['out'], ['progress'], ['out']], ...more };
}

/** What comes out, or the error that does. */
export async function result(bench: Bench, id: string, msg: Msg): Promise<Msg> {
  const [outs, errors] = [bench.out.messages.length, bench.caught.messages.length];
  bench.send(id, msg);
  const come = await Promise.race([bench.out.many(outs + 1), bench.caught.many(errors + 1)]);
  const last = come.at(-1) as Msg;
  assert.equal(last.error, undefined, `${last.error?.code}: ${last.error?.message}`);
  return last;
}

/** The JSON of a profile. */
export function profile(more: object = {}): object {
  const kind = 'keyway-provisioning-profile';
  return { kind, version: 1, name: 'North wing', count: 2, startAddress: 1, ...more };
}

/** Every text of a message that a flow, a Debug node or a dashboard could see. */
export function shown(bench: Bench): string {
  const { out, progress, statuses, caught, completed } = bench;
  return JSON.stringify([out, progress, statuses, caught, completed].map(({ messages }) => messages));
}
