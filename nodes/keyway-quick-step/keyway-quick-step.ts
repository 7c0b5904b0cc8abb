import { isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import { checkProfile, checkSteps, type PlanTerms, type StepPlan, termsOf } from '../../lib/osdp/index.ts';
import type { ProvisionerHost } from '../../lib/osdp/node.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { type Provisioner, provisionerById } from '../shared/provisioner.ts';
import { doStep, resultOf, showSlot, withProvisioner } from '../shared/provisioner-job.ts';
import { addSlot, slotFacts } from '../shared/provisioner-shape.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { buses, defaults, operations, type QuickStepConfig } from './config.ts';

export default function register(RED: Red): void {
  function QuickStepNode(this: RedNode, saved: QuickStepConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as QuickStepConfig;
    let closing = false;
    // Before the jobs are ended: a step that runs goes on when the flow is deployed again.
    this.on('close', () => {
      closing = true;
    });

    const quick = async (job: Job, fields: Fields<QuickStepConfig>): Promise<Outcome> => {
      const step = await stepIn(fields);
      const terms = await termsIn(fields);
      return await withProvisioner(RED, this, config, job, async (host, provisioner) => {
        const after = await openQueue(host, provisioner, terms);
        const act = (): Promise<number> => host.quick(step);
        const work = { slot: 'live' as const, after, at: 0, of: 1, goesOn: () => closing, act };
        const done = await doStep(job, provisioner, host, work);
        await showSlot(job, host, 'live');
        const { state, outcome } = done.row;
        const ended = { topic: 'live/step', payload: resultOf([done], job) };
        if (state !== 'success') return { ...ended, status: outcome || state, bad: true };
        const seconds = String(Math.round(job.seconds() * 10) / 10);
        return { ...ended, status: RED._('keyway-quick-step.done.step', { seconds }) };
      });
    };

    onInput<QuickStepConfig>({
      red: RED,
      node: this,
      config,
      verb: 'live',
      outputs: 2,
      progressOutput: 1,
      run: async (job, fields): Promise<Outcome> => {
        const operation = await fields.choice('operation', operations);
        if (operation === 'step') return await quick(job, fields);
        const provisioner = provisionerById(config.provisioner);
        const terms = operation === 'begin' ? await termsIn(fields) : undefined;
        const host = await provisioner.host(job.signal);
        const summary = terms === undefined ? await host.closeLive() : await host.beginLive(terms);
        provisioner.changed('live');
        const facts = slotFacts(summary);
        addSlot(job.msg, facts);
        const count = String(facts.provisioned);
        const status = RED._(`keyway-quick-step.done.${operation}`, { count });
        return { topic: `live/${operation}`, payload: facts, status };
      },
    });
  }
  RED.nodes.registerType('keyway-quick-step', QuickStepNode);
}

/** Its newest edge. Begins the queue where there is none. */
async function openQueue(host: ProvisionerHost, provisioner: Provisioner, terms: PlanTerms): Promise<number> {
  const live = (await host.slots()).find(({ slot }) => slot === 'live');
  if (live !== undefined && live.state !== 'empty') return live.seq;
  try {
    const { seq } = await host.beginLive(terms);
    provisioner.changed('live');
    return seq;
  } catch (error) {
    // Somebody else has begun it in this very moment.
    if (!isKeywayError(error, 'SLOT_OCCUPIED')) throw error;
    return 0;
  }
}

/** @throws BAD_FIELD, BAD_PROFILE_FIELD */
async function stepIn(fields: Fields<QuickStepConfig>): Promise<StepPlan> {
  const address = await fields.number('address');
  const baudRate = await fields.number('baudRate', { blank: 9600 });
  const serial = await fields.text('serial');
  try {
    const [step] = checkSteps([{ address, baudRate, ...(serial === undefined ? {} : { serial }) }]);
    return step as StepPlan;
  } catch (error) {
    throw isKeywayError(error, 'BAD_PROFILE_FIELD') ? ofStep(error) : error;
  }
}

/** There is one step, and no profile that it is of. */
function ofStep({ code, message, hint, detail }: KeywayError): KeywayError {
  const words = message.replace(/"steps\[0\]\.(\w+)" of the profile/, '"$1" of the step');
  const field = String(detail?.field ?? '').replace('steps[0].', '');
  return new KeywayError(code, words, { ...(hint === undefined ? {} : { hint }), detail: { ...detail, field } });
}

/** @throws BAD_FIELD, BAD_PROFILE_FIELD */
async function termsIn(fields: Fields<QuickStepConfig>): Promise<PlanTerms> {
  const { profile } = checkProfile({
    name: (await fields.text('queueName')) ?? 'live',
    count: 1,
    capabilities: await fields.words('capabilities'),
    timeoutMs: await fields.seconds('attempt'),
    autoVerify: await fields.boolean('autoVerify'),
    bus: await fields.choice('bus', buses),
    factory: {
      address: await fields.number('factoryAddress', { blank: 0 }),
      baudRate: await fields.number('factoryBaudRate', { blank: 9600 }),
    },
  });
  return termsOf(profile);
}
