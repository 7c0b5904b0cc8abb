import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { KeywayError } from '../../lib/errors/index.ts';
import { holderOf, plugMemoryPort } from '../../lib/link/index.ts';
import { deployPort } from '../../nodes/shared/deployed.ts';
import { nodeErrors } from '../../nodes/shared/errors.ts';
import { type Job, onInput } from '../../nodes/shared/jobs.ts';
import { withPort } from '../../nodes/shared/port-job.ts';
import type { Message, PortConfig, Red, RedNode } from '../../nodes/shared/types.ts';
import { HandTiming } from './hand-timing.ts';

const result = { topic: 'test/done', payload: 'made' };
const progress = { phase: 'write', done: 1, total: 9, unit: 'B', rate: null, secondsLeft: null } as const;
const red = {
  _: (key: string) => key.split('.').at(-1) ?? '',
  util: { generateId: () => 'made-here' },
} as unknown as Red;

/** A node that does what the test says, on a clock that the test moves, with what it tells of itself. */
class Rig {
  readonly timing = new HandTiming();
  readonly node = new EventEmitter();
  readonly sent: unknown[] = [];
  readonly ends: unknown[] = [];
  readonly statuses: { fill?: string; shape?: string; text?: string }[] = [];
  readonly warnings: string[] = [];
  closed = false;
  /** What done() throws, as a hook of Node-RED's may. */
  doneThrows: Error | undefined;

  constructor(run: (job: Job) => Promise<typeof result | null>, config: Partial<PortConfig> = {}) {
    Object.assign(this.node, {
      id: 'rig',
      type: 'keyway-rig',
      name: '',
      status: (status: object) => this.statuses.push(status),
      warn: (text: string) => this.warnings.push(text),
    });
    onInput<PortConfig>({
      red,
      node: this.node as unknown as RedNode,
      config: { timeout: '', timeoutType: 'num', ...config } as PortConfig,
      outputs: 2,
      progressOutput: 1,
      verb: 'rig',
      timing: this.timing,
      run,
    });
  }

  input(msg: object): void {
    const done = (error?: Error): void => {
      this.ends.push(error === undefined ? 'ok' : ((error as KeywayError).code ?? error));
      if (this.doneThrows !== undefined) throw this.doneThrows;
    };
    this.node.emit('input', msg as Message, (out: unknown) => this.sent.push(out), done);
  }

  close(): void {
    this.node.emit('close', false, () => {
      this.closed = true;
    });
  }

  get last(): string {
    const { fill = '', shape = '', text = '' } = this.statuses.at(-1) ?? {};
    return `${fill} ${shape} ${text}`.trim();
  }
}

/** Lets everything happen that waits for no clock. */
async function settle(): Promise<void> {
  for (let n = 0; n < 10; n++) await turn();
}

describe('the contract of a node', () => {
  it('calls done once, also when done itself throws', async () => {
    const rig = new Rig(async () => result);
    rig.doneThrows = new Error('a hook failed');
    rig.input({});
    await settle();
    assert.deepEqual([rig.ends, rig.last], [['ok'], 'green dot ok']);
    assert.match(rig.warnings.join(), /a hook failed/);
    const failing = new Rig(async () => Promise.reject(new KeywayError('PORT_GONE', 'gone')));
    failing.doneThrows = new Error('a hook failed');
    failing.input({});
    await settle();
    assert.deepEqual([failing.ends, failing.last], [['PORT_GONE'], 'red dot PORT_GONE']);
  });

  it('closes within 5 s of a job that refuses to end, takes its port from it, and lets it say nothing more', async () => {
    const unplug = plugMemoryPort({ name: 'stubborn', attach: () => undefined });
    const undeploy = deployPort({
      id: 'p',
      name: 'p',
      target: () => ({ address: 'virtual:stubborn', name: 'p', baudRate: 115200 }),
    });
    const config = { port: 'p', whenBusy: 'queue' } as PortConfig;
    let end = (): void => undefined;
    let late: Promise<void> | undefined;
    const rig: Rig = new Rig(
      (job) =>
        withPort(red, rig.node as unknown as RedNode, config, job, async ({ link }) => {
          await new Promise<void>((resolve) => {
            end = resolve;
          });
          late = link.write(new Uint8Array(1));
          late.catch(() => undefined);
          job.progress(progress);
          return result;
        }),
      config,
    );
    rig.input({ job: 'unit 7' });
    await settle();
    assert.notEqual(holderOf('virtual:stubborn'), undefined);
    rig.close();
    await settle();
    rig.timing.move(3900);
    await settle();
    assert.equal(rig.closed, false);
    rig.timing.move(1099);
    await settle();
    assert.equal(rig.closed, true);
    assert.equal(holderOf('virtual:stubborn'), undefined);
    const before = rig.statuses.length;
    end();
    await settle();
    await assert.rejects(late as Promise<void>, { code: 'PORT_GONE' });
    assert.deepEqual([rig.sent, rig.statuses.length - before], [[], 0]);
    undeploy();
    unplug();
  });

  it('closes after 5 s even when giving the port back hangs', async () => {
    const rig = new Rig(async (job) => {
      job.lastResort(() => new Promise(() => undefined));
      return await new Promise(() => undefined);
    });
    rig.input({});
    await settle();
    rig.close();
    rig.timing.move(4000);
    await settle();
    assert.equal(rig.closed, false);
    rig.timing.move(1000);
    await settle();
    assert.equal(rig.closed, true);
  });

  it('closes at once when its jobs obey', async () => {
    const rig = new Rig(
      (job) => new Promise((_resolve, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
    );
    rig.input({});
    await settle();
    rig.close();
    await settle();
    assert.deepEqual([rig.closed, rig.ends], [true, ['CANCELLED']]);
  });

  it('tells progress with its job at most four times a second, on the second output alone', async () => {
    let job: Job | undefined;
    let end: (outcome: typeof result) => void = () => undefined;
    const rig = new Rig((given) => {
      job = given;
      return new Promise((resolve) => {
        end = resolve;
      });
    });
    rig.input({ device: { mac: 'm' } });
    await settle();
    for (let n = 0; n < 100; n++) {
      job?.progress({ ...progress, done: n });
      rig.timing.move(10);
    }
    assert.ok(rig.sent.length >= 4 && rig.sent.length <= 5, `${rig.sent.length}`);
    for (const [first, note] of rig.sent as [null, Message][]) {
      assert.equal(first, null);
      assert.deepEqual([note.topic, note.job, note.device], ['rig/progress', 'made-here', { mac: 'm' }]);
    }
    end(result);
    await settle();
    const [answer, none] = rig.sent.at(-1) as [Message, null];
    assert.deepEqual([answer.payload, answer.job, none, rig.ends], ['made', 'made-here', null, ['ok']]);
    const told = rig.sent.length;
    job?.progress(progress);
    rig.timing.move(1000);
    assert.equal(rig.sent.length, told, 'progress after the end');
  });

  it('has a status under 20 characters on every path, and a final one at the end', async () => {
    const ends: ((code: string) => void)[] = [];
    const rig = new Rig(
      () =>
        new Promise((_resolve, reject) => ends.push((code) => reject(new KeywayError(code, 'It could not go well.')))),
    );
    for (const code of [
      ...Object.keys(nodeErrors),
      'REVISION_UNSUPPORTED',
      'A_CODE_OF_A_LENGTH_THAT_NOBODY_HAS_SEEN',
    ]) {
      rig.input({});
      rig.input({});
      await settle();
      assert.equal(rig.last, 'blue ring jobs');
      for (const end of ends.splice(0)) end(code);
      await settle();
      assert.match(rig.last, /^red dot [A-Z_]+…?$/);
    }
    assert.ok(rig.statuses.every(({ text = '' }) => text.length < 20));
  });
});
