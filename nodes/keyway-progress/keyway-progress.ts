import { codeOf } from '../../lib/errors/index.ts';
import { type Edge, type SlotId, slotTable } from '../../lib/osdp/index.ts';
import { fail } from '../shared/errors.ts';
import { migrate } from '../shared/migrate.ts';
import { Throttle } from '../shared/progress.ts';
import { type Provisioner, provisionerById } from '../shared/provisioner.ts';
import { edgeFacts, slotFacts, stepFacts } from '../shared/provisioner-shape.ts';
import { fitting, StatusLine } from '../shared/status.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type ProgressConfig } from './config.ts';

export default function register(RED: Red): void {
  function ProgressNode(this: RedNode, saved: ProgressConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as ProgressConfig;
    const status = new StatusLine(this);
    const text = (key: string, values: Record<string, string> = {}): string =>
      RED._(`keyway-progress.status.${key}`, values);
    let end = (): void => undefined;
    let closed = false;
    let reported = '';

    const trouble = (error: unknown): void => {
      const code = codeOf(error);
      if (code === 'LINK_LOST' || code === 'LINK_UNREACHABLE') status.set('grey', 'ring', text('gone'));
      else status.set('red', 'dot', code);
      if (code === reported) return;
      reported = code;
      this.error(error, {});
    };
    const counts = ({ summary, slot }: Edge): void => {
      const { provisioned, failed, total } = summary;
      const shown = slot === 'live' ? provisioned + failed : total;
      const words = { provisioned: String(provisioned), total: String(shown), failed: String(failed) };
      const shortest = failed > 0 ? fitting(text('failed', words), text('failedLong', words)) : text('counts', words);
      const open = summary.state !== 'complete';
      status.set(failed > 0 ? 'yellow' : open ? 'blue' : 'green', open ? 'ring' : 'dot', shortest);
    };

    const start = (): void => {
      const provisioner = provisionerById(config.provisioner);
      const wanted = slotsIn(config.slots);
      const heard = (slot: SlotId): boolean => wanted.length === 0 || wanted.includes(slot);
      const tables = config.kind === 'steps' || config.kind === 'slots';
      let last: SlotId | undefined;
      const table = new Throttle<SlotId | undefined>((slot) => {
        tableOf(provisioner, config.kind, slot, heard).then(
          (msg) => void (msg === undefined || closed || this.send(msg)),
          // Why the provisioner cannot be asked is told as its news.
          () => undefined,
        );
      });
      const stop = provisioner.listen({
        onEdge: (edge, backfill) => {
          if (!heard(edge.slot)) return;
          last = edge.slot;
          counts(edge);
          if (tables) table.push(edge.slot);
          else if (config.kind === 'edges' || isOutcome(edge)) this.send(messageOf(edge, backfill));
        },
        onChange: () => tables && table.push(last),
        onNews: ({ state, problem }) => {
          if (problem !== null) trouble(problem);
          else if (state === 'closed') status.set('grey', 'ring', text('gone'));
          else if (state === 'attached') {
            reported = '';
            status.set('green', 'dot', text('idle'));
            if (tables) table.push(last);
          }
        },
      });
      end = () => {
        stop();
        table.stop();
      };
      provisioner.connect();
      if (provisioner.news.state === 'attached') {
        status.set('green', 'dot', text('idle'));
        if (tables) table.push(undefined);
      }
    };

    status.set('grey', 'ring', text('opening'));
    // Once the flow is up: a Catch or Status node that is made later would miss what is said before.
    const atStart = (): void => {
      try {
        start();
      } catch (error) {
        status.set('red', 'dot', codeOf(error));
        this.error(error, {});
      }
    };
    RED.events.once('flows:started', atStart);
    this.on('close', () => {
      closed = true;
      RED.events.off('flows:started', atStart);
      status.mute();
      end();
    });
  }
  RED.nodes.registerType('keyway-progress', ProgressNode);
}

/** An attempt has ended, or somebody decided about the step. */
function isOutcome({ step, cause }: Edge): boolean {
  return step.queued !== true && step.state !== 'attempting' && step.outcome !== null && cause !== 'reset';
}

function messageOf(edge: Edge, backfill: boolean): Message {
  const { slot, session, summary, step } = edge;
  return {
    topic: `step/${step.queued === true ? 'queued' : step.state}`,
    payload: edgeFacts(edge),
    slot: {
      number: slot,
      session,
      ...summary,
      left: summary.total - summary.provisioned - summary.failed - summary.skipped,
    },
    step: stepFacts(step),
    backfill,
  } as unknown as Message;
}

/** Undefined where there is no slot to be shown. */
async function tableOf(
  provisioner: Provisioner,
  kind: ProgressConfig['kind'],
  slot: SlotId | undefined,
  heard: (slot: SlotId) => boolean,
): Promise<Message | undefined> {
  const host = await provisioner.host();
  const summaries = (await host.slots()).filter((one) => heard(one.slot));
  if (kind === 'slots') return { topic: 'slots', payload: slotTable(summaries) } as Message;
  const used = summaries.filter(({ state }) => state !== 'empty');
  const chosen = used.find((one) => one.slot === slot) ?? used[0];
  // A slot that was deleted leaves an empty table behind.
  if (chosen === undefined) return { topic: 'steps', payload: [] } as unknown as Message;
  const picture = await host.open(chosen.slot);
  const facts = slotFacts(picture.summary);
  return { topic: 'steps', payload: slotTable(picture), slot: facts } as unknown as Message;
}

/** @throws BAD_FIELD */
function slotsIn(text: string): SlotId[] {
  const words = text.split(/[\s,;]+/).filter((word) => word !== '');
  return words.map((word) => {
    if (word === 'live') return 'live';
    if (/^[1-9]\d?$/.test(word)) return Number(word);
    throw fail('BAD_FIELD', `The field "slots" names ${JSON.stringify(word.slice(0, 20))}, which is no slot.`, {
      hint: 'Use numbers from 1, and live, with commas between.',
      detail: { field: 'slots' },
    });
  });
}
