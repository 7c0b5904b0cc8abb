import { codeOf } from '../../lib/errors/index.ts';
import { type ChipFacts, type FlashOptions, type FlashPlan, type FlashResult, flash } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { fail } from '../shared/errors.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addChip, withPort } from '../shared/port-job.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type FlashConfig } from './config.ts';
import { macOf, planIn } from './plan-in.ts';
import { failedRecord, recordOf } from './record.ts';

export default function register(RED: Red): void {
  function FlashNode(this: RedNode, saved: FlashConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as FlashConfig;
    onInput<FlashConfig>({
      red: RED,
      node: this,
      config,
      outputs: 2,
      progressOutput: 1,
      verb: 'flash',
      run: async (job, fields) => {
        const force = await fields.words('force');
        const plan = planIn(await fields.value('plan'), force);
        const mac = macOf(await fields.text('mac'));
        const options: FlashOptions = {
          platform: nodePlatform,
          signal: job.signal,
          baudRate: await fields.number('baudRate', { min: 300, max: 20_000_000, blank: 460_800 }),
          attempts: await fields.number('attempts', { min: 1, max: 100, blank: 7 }),
          force,
          resetAfter: config.resetAfter,
          resetBefore: config.entry,
        };
        return await flashUnit(RED, this, config, job, { plan, mac, options });
      },
    });
  }
  RED.nodes.registerType('keyway-flash', FlashNode);
}

interface Unit {
  plan: FlashPlan;
  /** The board that is expected; undefined = any. */
  mac: string | undefined;
  options: FlashOptions;
}

async function flashUnit(RED: Red, node: RedNode, config: FlashConfig, job: Job, unit: Unit): Promise<Outcome> {
  const { plan, mac, options } = unit;
  const { msg } = job;
  let facts: ChipFacts | undefined;
  let port = msg.device?.port ?? '';
  try {
    const result = await withPort(RED, node, config, job, async (lease, target): Promise<FlashResult> => {
      port = target.name;
      return await flash(lease.link, plan, {
        ...options,
        onWaiting: () => job.waiting(RED._('keyway.status.boot')),
        onProgress: (progress) => {
          // The chip starts with what it got: a console on this port is to hear its first words.
          if (progress.phase === 'reset') lease.readAlong();
          job.progress(progress);
        },
        onDetected: (found) => {
          facts = found;
          if (mac !== undefined && found.mac !== null && found.mac !== mac) throw wrongBoard(mac, found.mac, port);
          msg.device = addChip(msg.device, found, port);
          lease.setDevice(msg.device);
        },
      });
    });
    msg.record = recordOf(job, plan, result, port);
    return { topic: 'flash/done', payload: result, status: `ok · ${result.seconds.toFixed(1)} s` };
  } catch (error) {
    msg.record = failedRecord(job, plan, facts, port, codeOf(error));
    throw error;
  }
}

function wrongBoard(expected: string, found: string, port: string): Error {
  return fail('WRONG_BOARD', `The board on ${port} is ${found}; the message speaks of ${expected}.`, {
    hint: 'Put the right board in, or empty the Board field to flash any.',
    detail: { field: 'mac', expected, found },
  });
}
