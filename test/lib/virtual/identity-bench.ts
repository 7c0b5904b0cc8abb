import assert from 'node:assert/strict';
import {
  type DemoIdentity,
  demoImageSet,
  flash,
  type NvsRecipe,
  type PlanOptions,
  planFlash,
} from '../../../lib/esp/index.ts';
import { nodePlatform } from '../../../lib/esp/node.ts';
import { type Link, openLink, waitForDevice } from '../../../lib/link/index.ts';
import { VirtualChip, type VirtualChipOptions, VirtualSocket } from '../../../lib/virtual/index.ts';
import { spellingOf } from '../../support/canary.ts';

const timing = {
  resetHoldMs: 10,
  bootHoldMs: [20],
  syncMs: 40,
  syncsPerAttempt: 2,
  baudSettleMs: 1,
  settleMs: 300,
  watchdogMs: 60,
};
/** A virtual chip that is flashed, and tells what it finds. */
export interface IdentityBench {
  readonly chip: VirtualChip;
  /** Flashes, and gives what the app printed after. */
  run(recipe: NvsRecipe, app: DemoIdentity, more?: Partial<PlanOptions>, table?: Uint8Array): Promise<string[]>;
}

/**
 * A chip in a socket, to be flashed with an identity.
 * @param open what is to be called when the test is over, last one first
 * @param canaries texts that must stand in no result and no log
 */
export function identityBench(
  open: (() => unknown)[],
  secrets: (handle: string) => Uint8Array,
  canaries: readonly string[],
  options: Partial<VirtualChipOptions> = {},
): IdentityBench {
  const chip = new VirtualChip({ model: 'esp32c3', mac: '7c:df:a1:00:00:01', ...options });
  const socket = new VirtualSocket({ name: 'identity-session' });
  open.push(() => chip.powerOff());
  open.push(() => socket.close());
  socket.insert(chip);
  const links: Link[] = [];
  const hangUp = async (): Promise<void> => {
    for (const link of links.splice(0)) await link.close();
  };
  open.push(hangUp);
  const target = {
    open: async (again: { readonly address: string } | null) => {
      const { address } = await waitForDevice(again ?? { address: `virtual:${socket.name}` }, { timeoutMs: 5000 });
      const opened = await openLink(address, { owner: 'test' });
      links.push(opened);
      return opened;
    },
  };
  const run: IdentityBench['run'] = async (recipe, app, more = {}, table) => {
    const demo = demoImageSet(chip.model.name, 'factory', { size: 30_000, identity: app });
    const regions = demo.regions.map((region) =>
      region.kind === 'partition-table' && table !== undefined ? { ...region, data: table } : region,
    );
    const set = { ...demo, regions };
    const plan = await planFlash(set, {
      mode: 'provisioning',
      platform: nodePlatform,
      force: ['DEMO_IMAGE'],
      nvs: [{ partition: 'nvs', recipe }],
      ...more,
    });
    let lines: string[] = [];
    const said = Promise.withResolvers<void>();
    const listener = (line: string): void => {
      if (line.includes('Calling app_main()')) lines = [];
      else lines.push(line.replace(/ \(\d+\)/, ''));
      // The last that the app says, well or not.
      if (/Wi-Fi credentials|NVS cannot be read/.test(line)) said.resolve();
    };
    chip.on('log', listener);
    const result = await flash(target, plan, { platform: nodePlatform, timing, secrets });
    await said.promise;
    chip.off('log', listener);
    await hangUp();
    for (const secret of canaries) {
      assert.equal(spellingOf(secret, [result, lines]), undefined);
    }
    return lines;
  };
  return { chip, run };
}
