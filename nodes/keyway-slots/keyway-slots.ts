import {
  expandProfile,
  type PlanTerms,
  type SlotPicture,
  type StepPlan,
  slotTable,
  termsOf,
} from '../../lib/osdp/index.ts';
import type { ProvisionerHost } from '../../lib/osdp/node.ts';
import { fail as failField } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { type Provisioner, provisionerById } from '../shared/provisioner.ts';
import { fail } from '../shared/provisioner-errors.ts';
import { chosenSlot, readSlot } from '../shared/provisioner-job.ts';
import { importedProfile, readPlan } from '../shared/provisioner-plan.ts';
import { addSlot, slotFacts, stepFacts } from '../shared/provisioner-shape.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, operations, type SlotsConfig } from './config.ts';

const SESSION = /^[0-9a-f]{32}$/;

/** What an operation comes to: its payload, and the words of the status. */
interface Done {
  readonly payload: unknown;
  readonly words: Record<string, string>;
}

export default function register(RED: Red): void {
  function SlotsNode(this: RedNode, saved: SlotsConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as SlotsConfig;
    onInput<SlotsConfig>({
      red: RED,
      node: this,
      config,
      verb: 'slots',
      inOrder: true,
      run: async (job, fields): Promise<Outcome> => {
        const provisioner = provisionerById(config.provisioner);
        const operation = await fields.choice('operation', operations);
        const { payload, words } = await perform(operation, { config, fields, job, provisioner });
        const key = words.slot === 'live' ? `live.${operation}` : operation;
        return { topic: `slots/${operation}`, payload, status: RED._(`keyway-slots.done.${key}`, words) };
      },
    });
  }
  RED.nodes.registerType('keyway-slots', SlotsNode);
}

interface Asked {
  readonly config: SlotsConfig;
  readonly fields: Fields<SlotsConfig>;
  readonly job: Job;
  readonly provisioner: Provisioner;
}

async function perform(operation: (typeof operations)[number], asked: Asked): Promise<Done> {
  const { fields, job, provisioner, config } = asked;
  switch (operation) {
    case 'list': {
      const summaries = await (await provisioner.host(job.signal)).slots();
      const used = summaries.filter(({ state }) => state !== 'empty').length;
      return {
        payload: config.table ? slotTable(summaries) : summaries.map(slotFacts),
        words: { used: String(used), count: String(summaries.length) },
      };
    }
    case 'create':
      return await create(asked, readPlan(await fields.value('plan')));
    case 'import': {
      const { profile } = importedProfile(await fields.value('json'));
      return await create(asked, { terms: termsOf(profile), steps: expandProfile(profile) });
    }
    case 'open': {
      const host = await provisioner.host(job.signal);
      const picture = await host.open(await chosenSlot(await readSlot(fields), host));
      addSlot(job.msg, slotFacts(picture.summary));
      const { slot, state } = picture.summary;
      return { payload: shownPicture(picture, config.table), words: { slot: String(slot), state } };
    }
    case 'delete':
      return await remove(asked);
    case 'leave':
      await provisioner.leave();
      return { payload: { provisioner: provisioner.name, attached: false }, words: {} };
  }
}

async function create({ fields, job, provisioner, config }: Asked, plan: Plan): Promise<Done> {
  const asked = await readSlot(fields);
  if (asked === 'live') {
    throw failField('BAD_FIELD', 'The field "slot" is "live"; a plan is written into a numbered slot.', {
      hint: 'Leave it blank for the first empty one, or use a quick step node.',
      detail: { field: 'slot' },
    });
  }
  const host = await provisioner.host(job.signal);
  const slot = asked ?? (await emptySlot(host));
  const summary = await host.create(slot, plan.terms, plan.steps);
  provisioner.changed(slot);
  const picture = await host.open(slot);
  addSlot(job.msg, slotFacts(summary));
  return {
    payload: shownPicture(picture, config.table),
    words: { slot: String(slot), count: String(plan.steps.length) },
  };
}

interface Plan {
  readonly terms: PlanTerms;
  readonly steps: readonly StepPlan[];
}

async function remove({ fields, job, provisioner }: Asked): Promise<Done> {
  const named = await readSlot(fields);
  // Nothing is deleted by a guess.
  if (named === undefined) {
    throw failField('BAD_FIELD', 'The field "slot" is blank: say which slot is to be deleted.', {
      hint: 'Give its number, or live.',
      detail: { field: 'slot' },
    });
  }
  const session = await sessionIn(fields);
  const host = await provisioner.host(job.signal);
  await host.remove(named, session);
  provisioner.changed(named, true);
  const summary = (await host.slots()).find(({ slot }) => slot === named);
  if (summary !== undefined) addSlot(job.msg, slotFacts(summary));
  return { payload: { slot: named, session: session ?? '' }, words: { slot: String(named) } };
}

/** Null where none is named. @throws BAD_FIELD */
async function sessionIn(fields: Fields<SlotsConfig>): Promise<string | null> {
  const text = (await fields.text('session'))?.trim().toLowerCase() ?? '';
  if (text === '') return null;
  if (SESSION.test(text)) return text;
  throw failField(
    'BAD_FIELD',
    `The field "session" must be 32 hex digits; it is ${JSON.stringify(text.slice(0, 40))}.`,
    {
      hint: 'Take it from msg.slot.session, or from the list of slots.',
      detail: { field: 'session' },
    },
  );
}

/** @throws NO_FREE_SLOT */
async function emptySlot(host: ProvisionerHost): Promise<number> {
  const summaries = await host.slots();
  const numbered = summaries.filter(({ slot }) => slot !== 'live');
  for (const { slot, state } of numbered) if (state === 'empty' && slot !== 'live') return slot;
  // One that has none says itself that it works live only.
  if (numbered.length === 0) return 1;
  throw fail('NO_FREE_SLOT', `All ${numbered.length} slots hold a plan.`, {
    hint: 'Export and delete one that is complete.',
  });
}

function shownPicture(picture: SlotPicture, table: boolean): unknown {
  if (table) return slotTable(picture);
  const { summary, terms, steps } = picture;
  return { ...slotFacts(summary), terms, steps: steps.map(stepFacts) };
}
