import { setTimeout as sleep } from 'node:timers/promises';
import { isHandle } from '../../lib/vault/index.ts';
import type { Fault } from '../../lib/virtual/index.ts';
import { chipById, chipByName, deployedPorts } from '../shared/deployed.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { redeemer, withSecrets } from '../shared/secrets.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { VirtualBench } from '../shared/virtual-bench.ts';
import { actions, type BenchConfig, defaults, faults, migrations, newModels } from './config.ts';

/** How long a finger stays on EN. */
const TAP_MS = 50;

type Action = Exclude<(typeof actions)[number], 'burn-hmac-key'>;

export default function register(RED: Red): void {
  function BenchNode(this: RedNode, saved: BenchConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as BenchConfig;
    onInput<BenchConfig>({
      red: RED,
      node: this,
      config,
      verb: 'bench',
      inOrder: true,
      run: async (job, fields) => {
        const action = await fields.choice('action', actions);
        const bench = benchFor(config, job.msg);
        if (action === 'burn-hmac-key') await burn(bench, job, await fields.value('key'));
        else await act(bench, action, fields, job.signal);
        const { socket } = bench;
        const payload = { action, socket: socket.name, mac: socket.chip?.mac ?? null, plugged: socket.isPlugged };
        return { topic: `bench/${action}`, payload, status: RED._(`keyway-bench.done.${action}`) };
      },
    });
  }
  RED.nodes.registerType('keyway-bench', BenchNode);
}

/** The node's virtual chip, or the one behind the port that the message names. @throws NO_CHIP */
function benchFor(config: BenchConfig, msg: Message): VirtualBench {
  const named = msg.device?.port;
  const chip =
    config.chip !== '' ? chipById(config.chip) : typeof named === 'string' ? chipByName(socketOf(named)) : undefined;
  if (chip?.bench instanceof VirtualBench) return chip.bench;
  throw fail(
    'NO_CHIP',
    config.chip === '' ? 'The message names no virtual chip.' : 'The virtual chip is not deployed.',
    {
      hint: 'Choose a virtual chip in the node, or put the name of one into msg.device.port.',
      detail: { field: config.chip === '' ? 'msg.device.port' : 'chip', value: named },
    },
  );
}

/** A port may be named by itself or by the socket it leads to. */
function socketOf(port: string): string {
  const deployed = deployedPorts().find((candidate) => candidate.name === port);
  return (deployed === undefined ? port : deployed.target().address).replace(/^virtual:/, '');
}

async function act(
  bench: VirtualBench,
  action: Action,
  fields: Fields<BenchConfig>,
  signal: AbortSignal,
): Promise<void> {
  const { socket } = bench;
  switch (action) {
    case 'pull':
      socket.pull();
      return;
    case 'plug':
      socket.plug();
      return;
    case 'press-boot':
    case 'release-boot':
      socket.chip?.pressBoot(action === 'press-boot');
      return;
    case 'tap-en':
      socket.chip?.pressEnable(true);
      // Let go even when cancelled: a chip held in reset looks dead.
      await sleep(TAP_MS, undefined, { signal }).finally(() => socket.chip?.pressEnable(false));
      return;
    case 'swap':
      bench.swap(await fields.text('newMac'), await newModel(fields));
      return;
    case 'fault':
      socket.chip?.setFault(await faultOf(fields));
      return;
    case 'clear-faults':
      socket.chip?.clearFaults();
  }
}

/** @throws BAD_FIELD, BAD_CHIP_OPTION, and what is said of handles */
async function burn(bench: VirtualBench, job: Job, handle: unknown): Promise<void> {
  if (!isHandle(handle)) {
    throw fail('BAD_FIELD', 'The field "key" must be a handle of 32 bytes.', {
      hint: 'Let a secret node put the key away, redeemable by keyway-bench.',
      detail: { field: 'key' },
    });
  }
  await withSecrets([handle], redeemer('keyway-bench', job), async ({ bytesOf }) => {
    bench.burnHmacKey(bytesOf(handle));
  });
}

async function faultOf(fields: Fields<BenchConfig>): Promise<Fault> {
  const kind = await fields.choice('fault', faults);
  if (kind === 'noise') return { kind, aboveBaud: await fields.number('aboveBaud', { blank: 0 }) };
  return { kind, at: await fields.number('at', { blank: 0 }) };
}

/** The model of the board that is put in; undefined = like the one that is taken out. @throws BAD_FIELD */
async function newModel(fields: Fields<BenchConfig>): Promise<string | undefined> {
  const model = await fields.choice('newModel', newModels);
  return model === 'same' ? undefined : model;
}
