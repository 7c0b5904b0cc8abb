import type { SlotPicture, StepState, StepVerb } from '../../lib/osdp/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { provisionerById } from '../shared/provisioner.ts';
import {
  chosenSlot,
  type DoneStep,
  doStep,
  openUsed,
  readSlot,
  resultOf,
  showSlot,
  withProvisioner,
} from '../shared/provisioner-job.ts';
import { addSlot, slotFacts } from '../shared/provisioner-shape.ts';
import { fitting } from '../shared/status.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, operations, type StepConfig } from './config.ts';

/** Steps in these states are what "the next one" means for a verb. */
const MEANT: Readonly<Record<StepVerb, readonly StepState[]>> = {
  try: ['pending'],
  retry: ['failure'],
  skip: ['pending', 'failure'],
  reset: ['failure'],
};
const NOTHING_LEFT = 2;

export default function register(RED: Red): void {
  function StepNode(this: RedNode, saved: StepConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as StepConfig;
    let closing = false;
    // Before the jobs are ended: a step that runs goes on when the flow is deployed again.
    this.on('close', () => {
      closing = true;
    });
    const words = (key: string, values: Record<string, number>): string =>
      RED._(
        `keyway-step.done.${key}`,
        Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)])),
      );

    const perform = async (job: Job, fields: Fields<StepConfig>, verb: StepVerb): Promise<Outcome> =>
      await withProvisioner(RED, this, config, job, async (host, provisioner) => {
        const slot = await chosenSlot(await readSlot(fields), host);
        const picture = await openUsed(host, slot);
        const chosen = await chosenSteps(fields, picture, verb);
        if (chosen.length === 0) {
          const { number: _number, ...counts } = slotFacts(picture.summary);
          addSlot(job.msg, slotFacts(picture.summary));
          return { topic: 'step/none', payload: { slot, ...counts }, output: NOTHING_LEFT, status: words('none', {}) };
        }
        const done: DoneStep[] = [];
        let after = picture.summary.seq;
        for (const [at, index] of chosen.entries()) {
          const act = async (): Promise<number> => {
            await host.verb(slot, index, verb);
            return index;
          };
          const work = { slot, after, at, of: chosen.length, goesOn: () => closing, act };
          const one = await doStep(job, provisioner, host, work);
          after = one.edge.seq;
          done.push(one);
        }
        await showSlot(job, host, slot);
        return { topic: `step/${verb}`, payload: resultOf(done, job), ...ending(done, verb, job) };
      });

    const ending = (done: readonly DoneStep[], verb: StepVerb, job: Job): Pick<Outcome, 'status' | 'bad'> => {
      if (verb === 'skip' || verb === 'reset') return { status: words(verb, { count: done.length }) };
      const [only] = done;
      const failed = done.filter(({ row }) => row.state !== 'success').length;
      if (done.length === 1 && only !== undefined) {
        if (failed > 0) return { status: only.row.outcome || only.row.state, bad: true };
        return { status: words('one', { seconds: Math.round(job.seconds() * 10) / 10 }) };
      }
      const counts = { ok: done.length - failed, total: done.length, failed };
      if (failed === 0) return { status: words('many', counts) };
      return { status: fitting(words('some', counts), words('someLong', counts)), bad: true };
    };

    onInput<StepConfig>({
      red: RED,
      node: this,
      config,
      verb: 'step',
      outputs: 3,
      progressOutput: 1,
      run: async (job, fields): Promise<Outcome> => {
        const verb = await fields.choice('operation', operations);
        if (verb !== 'cancel') return await perform(job, fields, verb);
        const host = await provisionerById(config.provisioner).host(job.signal);
        const slot = await chosenSlot(await readSlot(fields), host);
        const runs = (await openUsed(host, slot)).steps.find(({ state }) => state === 'attempting');
        await host.cancel(slot);
        const payload = { slot, step: runs?.index ?? null };
        return { topic: 'step/cancel', payload, status: words(runs === undefined ? 'idle' : 'cancel', {}) };
      },
    });
  }
  RED.nodes.registerType('keyway-step', StepNode);
}

/** Steps by their numbers. Those that were named are taken as they are: the provisioner refuses what is not legal. */
async function chosenSteps(fields: Fields<StepConfig>, picture: SlotPicture, verb: StepVerb): Promise<number[]> {
  const value = await fields.value('steps');
  if (value === 'next' || value === 'all' || value === undefined) {
    const meant = picture.steps.filter(({ state, queued }) => MEANT[verb].includes(state) && queued !== true);
    const indexes = meant.map(({ index }) => index);
    return value === 'all' ? indexes : indexes.slice(0, 1);
  }
  const list = Array.isArray(value) ? value : [value];
  const numbers = list.map((one) => (typeof one === 'string' && /^\d+$/.test(one.trim()) ? Number(one) : one));
  const legal = numbers.filter((one): one is number => Number.isInteger(one) && one >= 0 && one < picture.steps.length);
  if (legal.length === list.length && list.length > 0 && new Set(legal).size === legal.length) return legal;
  throw fail('BAD_FIELD', `The field "steps" names no steps of the slot; it has ${picture.steps.length}, from 0.`, {
    hint: 'Use next, all, the number of a step, or a list of numbers, each once.',
    detail: { field: 'steps', total: picture.steps.length },
  });
}
