import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { KeywayError } from '../../lib/errors/index.ts';
import { type Job, type Outcome, onInput } from '../../nodes/shared/jobs.ts';
import { migrate } from '../../nodes/shared/migrate.ts';
import type { JobConfig, Red, RedNode } from '../../nodes/shared/types.ts';
import { Bench, type FlowNode, stopFlow, unload } from './harness.ts';

interface TestConfig extends JobConfig {
  word: string;
  wordType: string;
}

const result: Outcome = { topic: 'test/done', payload: 'made' };

/** A node that does what the test says. */
function nodeThat(run: (job: Job, word: string | undefined) => Promise<Outcome | null>, inOrder = true) {
  return (RED: Red): void => {
    RED.nodes.registerType('test-job', function (this: RedNode, saved: TestConfig) {
      RED.nodes.createNode(this, saved);
      const config = migrate(saved, { timeout: '', timeoutType: 'num' }) as TestConfig;
      const red = Object.create(RED, { _: { value: (key: string) => key.split('.').at(-1) } }) as Red;
      onInput<TestConfig>({
        red,
        node: this,
        config,
        verb: 'test',
        inOrder,
        run: async (job, fields) => await run(job, await fields.text('word')),
      });
    });
  };
}

const node = (fields: object = {}): FlowNode[] => [{ id: 'job', type: 'test-job', wires: [['out']], ...fields }];

/** A gate that jobs wait at until the test opens it, or they are cancelled. */
class Gate {
  readonly arrived: string[] = [];
  #open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  open(): void {
    this.#open();
  }

  async pass(job: Job): Promise<void> {
    this.arrived.push(job.id);
    await new Promise<void>((resolve, reject) => {
      void this.#opened.then(resolve);
      job.signal.addEventListener('abort', () => reject(job.signal.reason));
    });
  }
}

describe('the input wrapper', () => {
  afterEach(unload);

  it('sends the received message on and calls done once', async () => {
    const bench = await Bench.load(node(), [nodeThat(async () => result)]);
    bench.send('job', { payload: 1, kept: 'mine', job: 'unit 7' });
    const msg = await bench.out.next();
    assert.deepEqual([msg.topic, msg.payload, msg.kept, msg.job], ['test/done', 'made', 'mine', 'unit 7']);
    bench.send('job', { payload: 2 });
    await bench.completed.many(2);
    assert.equal(bench.completed.messages.length, 2);
    assert.match(bench.out.messages[1]?.job, /^[0-9a-f]{8,}$/);
    assert.deepEqual(bench.caught.messages, []);
  });

  it('hands every kind of failure to Catch with a code, and to nothing else', async () => {
    const failures: Record<string, () => unknown> = {
      ours: () => new KeywayError('PORT_GONE', 'The cable was pulled.'),
      plain: () => new Error('something'),
      text: () => 'something',
      nothing: () => undefined,
    };
    const run = async (_job: Job, word: string | undefined): Promise<Outcome> => {
      if (word === 'errno') await readFile('/there/is/no/such/file');
      throw failures[word ?? '']?.();
    };
    const bench = await Bench.load(node({ word: 'payload', wordType: 'msg' }), [nodeThat(run)]);
    const expected = { ours: 'PORT_GONE', plain: 'INTERNAL', text: 'INTERNAL', nothing: 'INTERNAL', errno: 'ENOENT' };
    for (const [word, code] of Object.entries(expected)) {
      assert.equal(await bench.failure('job', { payload: word }), code, word);
      await bench.status('job', (status) => status.text === code && status.fill === 'red');
    }
    assert.deepEqual([bench.out.messages, bench.completed.messages], [[], []]);
    assert.equal(bench.caught.messages.length, 5);
  });

  it('keeps the order, also when one that queues is cancelled', async () => {
    const gate = new Gate();
    const run = async (job: Job): Promise<Outcome> => {
      await gate.pass(job);
      return result;
    };
    const bench = await Bench.load(node(), [nodeThat(run)]);
    for (const job of ['a', 'b', 'c']) bench.send('job', { job });
    bench.send('job', { cancel: true, job: 'b' });
    const caught = await bench.caught.next();
    assert.deepEqual([caught.job, caught.error.code], ['b', 'CANCELLED']);
    assert.deepEqual(gate.arrived, ['a']);
    gate.open();
    const done = await bench.out.many(2);
    assert.deepEqual(
      done.map((msg) => msg.job),
      ['a', 'c'],
    );
  });

  it('cancels all without a job, and reads the timeout from where its field says', async () => {
    const gate = new Gate();
    const run = async (job: Job): Promise<Outcome> => {
      await gate.pass(job);
      return result;
    };
    const bench = await Bench.load(node({ timeout: 'limit', timeoutType: 'msg' }), [nodeThat(run)]);
    for (const job of ['a', 'b']) bench.send('job', { job });
    bench.send('job', { cancel: true });
    await bench.caught.many(2, (msg) => msg.error.code === 'CANCELLED');
    assert.equal(await bench.failure('job', { limit: 0.05 }), 'TIMEOUT');
    assert.equal(await bench.failure('job', { limit: 'soon' }), 'BAD_FIELD');
  });

  it('says how far a partial operation came', async () => {
    const run = async (job: Job): Promise<Outcome> => {
      await new Promise((resolve) => job.signal.addEventListener('abort', resolve));
      throw new KeywayError('CANCELLED', 'Half of it is written.', { detail: { done: 50 } });
    };
    const bench = await Bench.load(node(), [nodeThat(run)]);
    bench.send('job', {});
    await bench.status('job', (status) => status.fill === 'blue');
    bench.send('job', { cancel: true });
    const caught = await bench.caught.next();
    assert.match(caught.error.message, /Half of it is written/);
  });

  it('ends what runs when the flow is deployed again', async () => {
    const gate = new Gate();
    let ended: unknown;
    const run = async (job: Job): Promise<Outcome> => {
      await gate.pass(job).catch((error: unknown) => {
        ended = error;
        throw error;
      });
      return result;
    };
    const bench = await Bench.load(node(), [nodeThat(run, false)]);
    bench.send('job', {});
    await bench.status('job', (status) => status.fill === 'blue');
    await stopFlow();
    assert.equal((ended as KeywayError).code, 'CANCELLED');
    assert.deepEqual(bench.out.messages, []);
  });
});
