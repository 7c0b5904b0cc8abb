import { describePlan, planFlash } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type FlashPlanConfig } from './config.ts';
import { imagesFrom } from './sources.ts';

export default function register(RED: Red): void {
  function FlashPlanNode(this: RedNode, saved: FlashPlanConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as FlashPlanConfig;
    onInput<FlashPlanConfig>({
      red: RED,
      node: this,
      config,
      verb: 'plan',
      inOrder: true,
      run: async (job, fields) => {
        const chip = await fields.text('chip');
        const flashSize = await fields.number('flashSize', { blank: 0 });
        const dryRun = await fields.boolean('dryRun');
        const force = await fields.words('force');
        const images = await imagesFrom(config, fields, chip);
        job.signal.throwIfAborted();
        const plan = await planFlash(images, {
          platform: nodePlatform,
          mode: config.mode,
          force,
          ...(chip === undefined ? {} : { chip }),
          ...(flashSize === 0 ? {} : { flashSize }),
        });
        const described = describePlan(plan);
        job.msg.plan = dryRun ? described : plan;
        const status = `${plan.steps.length} · ${Math.ceil(plan.bytes / 1000)} kB`;
        return { topic: dryRun ? 'plan/dry-run' : 'plan/made', payload: described, status };
      },
    });
  }
  RED.nodes.registerType('keyway-flash-plan', FlashPlanNode);
}
