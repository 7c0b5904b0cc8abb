import { describePlan, type PartitionTable, planFlash } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { fail } from '../shared/errors.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type FlashPlanConfig, migrations } from './config.ts';
import { nvsFrom } from './nvs.ts';
import { imagesFrom } from './sources.ts';

export default function register(RED: Red): void {
  function FlashPlanNode(this: RedNode, saved: FlashPlanConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as FlashPlanConfig;
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
        const keep = await fields.words('keep');
        const table = tableOf(await fields.value('table'));
        const nvs = await nvsFrom(config, fields);
        const images = await imagesFrom(config, fields, chip);
        job.signal.throwIfAborted();
        const plan = await planFlash(images, {
          platform: nodePlatform,
          // The bootstrap firmware is what a chip starts until it has been set up.
          mode: config.source === 'bootstrap' ? 'provisioning' : config.mode,
          encryption: config.encryption,
          rewrite: !config.skip,
          force,
          keep,
          nvs,
          ...(table === undefined ? {} : { table }),
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

/** The table that a field holds; what is in it is checked by the plan. @throws BAD_FIELD */
function tableOf(value: unknown): PartitionTable | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (Array.isArray(value)) return value as PartitionTable;
  throw fail('BAD_FIELD', 'The field "table" must hold a list of partitions.', {
    hint: 'Point it at what a chip node found: msg.device.partitions.',
    detail: { field: 'table' },
  });
}
