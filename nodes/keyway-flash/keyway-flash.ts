import { codeOf } from '../../lib/errors/index.ts';
import {
  type ChipFacts,
  type FlashOptions,
  type FlashPlan,
  type FlashResult,
  flash,
  GUARDS,
  type ImageCache,
} from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { failedRecord, recordOf } from '../../lib/record/index.ts';
import { audit } from '../shared/audit.ts';
import type { Fields } from '../shared/evaluate.ts';
import { settlementOf } from '../shared/identity-pending.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addChip, type PortOnDemand, withPortTarget } from '../shared/port-job.ts';
import { byNode } from '../shared/registry.ts';
import { type Secrets, withSecrets } from '../shared/secrets.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { imageCacheOf } from './cache.ts';
import { defaults, type FlashConfig, migrations } from './config.ts';
import { macOf, planIn } from './plan-in.ts';
import { handlesOf, refuseInClear, splitForce } from './secrets.ts';
import { boardOf, Settling } from './settling.ts';
import { unitFacts } from './unit.ts';

const TYPE = 'keyway-flash';

export default function register(RED: Red): void {
  const cache = imageCacheOf(RED);
  function FlashNode(this: RedNode, saved: FlashConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as FlashConfig;
    onInput<FlashConfig>({
      red: RED,
      node: this,
      config,
      outputs: 2,
      progressOutput: 1,
      verb: 'flash',
      run: async (job, fields) => {
        const unit = await unitOf(config, job, fields, config.cache ? cache : undefined);
        return await flashUnit(RED, this, config, job, unit);
      },
    });
  }
  RED.nodes.registerType('keyway-flash', FlashNode);
}

/** What is to be done to one board. */
interface Unit {
  readonly plan: FlashPlan;
  readonly handles: readonly string[];
  /** Certificate namespace of the secrets. */
  readonly namespace: string | undefined;
  /** Whether secrets may cross a network in clear. */
  readonly inClear: boolean;
  readonly patienceMs: number;
  readonly options: FlashOptions;
}

async function unitOf(
  config: FlashConfig,
  job: Job,
  fields: Fields<FlashConfig>,
  cache: ImageCache | undefined,
): Promise<Unit> {
  const { force: words, inClear } = splitForce(await fields.words('force'));
  const given = planIn(await fields.value('plan'), words);
  const handles = handlesOf(given);
  const identity = settlementOf(handles)?.identity.mac;
  // An identity belongs to one board: nothing overrides that.
  const guards = (codes: readonly string[]): string[] =>
    codes.filter((code) => identity === undefined || code !== 'WRONG_BOARD');
  const force = guards(words);
  const plan = { ...given, force: guards(given.force ?? []) };
  const mac = boardOf(macOf(await fields.text('mac')), identity);
  const flashSize = await fields.number('flashSize', { blank: 0 });
  return {
    plan,
    handles,
    namespace: await fields.text('namespace'),
    inClear,
    patienceMs: await fields.seconds('patience'),
    options: {
      platform: nodePlatform,
      signal: job.signal,
      baudRate: await fields.number('baudRate', { min: 300, max: 20_000_000, blank: 460_800 }),
      attempts: await fields.number('attempts', { min: 1, max: 100, blank: 7 }),
      force,
      skip: config.skip,
      stepDown: config.stepDown,
      resetAfter: config.resetAfter,
      resetBefore: config.entry,
      ...(cache === undefined ? {} : { cache }),
      ...(mac === undefined ? {} : { mac }),
      ...(flashSize === 0 ? {} : { flashSize }),
    },
  };
}

async function flashUnit(RED: Red, node: RedNode, config: FlashConfig, job: Job, unit: Unit): Promise<Outcome> {
  const { plan, handles, namespace, patienceMs } = unit;
  const { msg } = job;
  const found: Found = { facts: undefined, port: msg.device?.port ?? '', resumed: 0 };
  const settling = await Settling.of(handles, job, byNode(node));
  try {
    const result = await withPortTarget(
      RED,
      node,
      config,
      job,
      async (port) => {
        found.port = port.target.name;
        return await withSecrets(handles, { nodeType: TYPE, job: job.id, namespace }, async (secrets) => {
          const flashed = await flashPort(RED, job, unit, { port, secrets, found, settling });
          // While its key is on loan still: where the registry cannot be told, all of it can be done again.
          await settling?.verified(flashed.chip.mac);
          writeDown(RED, node, { job, unit, port, secrets, flashed });
          return flashed;
        });
      },
      patienceMs,
    );
    msg.record = recordOf(unitFacts(job, found.port), plan, result);
    return { topic: 'flash/done', payload: result, status: `ok · ${result.seconds.toFixed(1)} s` };
  } catch (error) {
    const { facts: chip, port, resumed } = found;
    const code = codeOf(error);
    if (/^HANDLE_|^SECRET_/.test(code)) audit(RED, node, 'secret.denied', { job: job.id, port, code });
    const failure = { code, seconds: job.seconds(), chip, resumed };
    msg.record = failedRecord(unitFacts(job, port), plan, failure);
    await settling?.failed(code).catch((trouble: unknown) => node.warn(String(trouble)));
    throw error;
  } finally {
    settling?.release();
  }
}

interface Done {
  readonly job: Job;
  readonly unit: Unit;
  readonly port: PortOnDemand;
  readonly secrets: Secrets;
  readonly flashed: FlashResult;
}

/** What is delicate goes to the audit log: secrets that went onto a chip, and guards that were overridden. */
function writeDown(RED: Red, node: RedNode, { job, unit, port, secrets, flashed }: Done): void {
  const { chip, notes } = flashed;
  const facts = { job: job.id, port: port.target.name, chip: chip.name, mac: chip.mac ?? 'unknown' };
  const forced = notes.filter(({ code }) => GUARDS.some((guard) => guard === code)).map(({ code }) => code);
  if (forced.length > 0) audit(RED, node, 'guard.forced', { ...facts, codes: [...new Set(forced)].join(' ') });
  if (unit.handles.length === 0) return;
  const inClear = port.lease?.link.info.isLocal === false;
  const kinds = secrets.kinds.join(' ');
  audit(RED, node, 'secret.flashed', { ...facts, kinds, secrets: unit.handles.length, inClear });
}

/** What is known of the unit so far. */
interface Found {
  facts: ChipFacts | undefined;
  port: string;
  resumed: number;
}

/** What a job works with. */
interface AtWork {
  readonly port: PortOnDemand;
  readonly secrets: Secrets;
  readonly found: Found;
  readonly settling: Settling | undefined;
}

async function flashPort(
  RED: Red,
  job: Job,
  unit: Unit,
  { port, secrets, found, settling }: AtWork,
): Promise<FlashResult> {
  const { plan, options, patienceMs } = unit;
  const target = {
    open: async (...lost: Parameters<PortOnDemand['open']>) => {
      const link = await port.open(...lost);
      refuseInClear(link.info, unit.handles, unit.inClear);
      return link;
    },
  };
  return await flash(target, plan, {
    ...options,
    secrets: secrets.bytesOf,
    resume: {
      attempts: patienceMs === 0 ? 0 : 5,
      patienceMs,
      onLost: () => job.waiting(RED._('keyway.status.board')),
      onFound: () => {
        found.resumed++;
      },
    },
    onWaiting: () => job.waiting(RED._('keyway.status.boot')),
    onProgress: (progress) => {
      // The chip starts with what it got: a console on this port is to hear its first words.
      if (progress.phase === 'reset') port.lease?.readAlong();
      if (progress.phase === 'erase' || progress.phase === 'write') settling?.begin();
      job.progress(progress);
    },
    onDetected: (facts) => {
      found.facts = facts;
      job.msg.device = addChip(job.msg.device, facts, found.port);
      port.lease?.setDevice(job.msg.device);
    },
  });
}
