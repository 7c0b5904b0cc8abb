import { expandProfile, formatProfile } from '../../lib/osdp/index.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { importedProfile, planOf } from '../shared/provisioner-plan.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type ProvisioningPlanConfig } from './config.ts';
import { profileFromFields } from './profile.ts';

export default function register(RED: Red): void {
  function ProvisioningPlanNode(this: RedNode, saved: ProvisioningPlanConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as ProvisioningPlanConfig;
    onInput<ProvisioningPlanConfig>({
      red: RED,
      node: this,
      config,
      verb: 'plan',
      inOrder: true,
      run: async (job, fields) => {
        const { profile, warnings } =
          config.source === 'json' ? importedProfile(await fields.value('json')) : await profileFromFields(fields);
        const plan = planOf(profile, expandProfile(profile), warnings);
        job.msg.plan = plan;
        const steps = plan.steps.map(({ address, baudRate, serial }, step) => ({
          step,
          address,
          baud: baudRate,
          serial: serial ?? '',
        }));
        const count = { count: String(steps.length), warnings: String(warnings.length) };
        return {
          topic: 'plan/made',
          payload: { name: profile.name, count: steps.length, warnings, steps, json: formatProfile(profile) },
          status: RED._(`keyway-provisioning-plan.done.${warnings.length === 0 ? 'plain' : 'warned'}`, count),
        };
      },
    });
  }
  RED.nodes.registerType('keyway-provisioning-plan', ProvisioningPlanNode);
}
