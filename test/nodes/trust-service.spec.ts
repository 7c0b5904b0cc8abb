import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { codeOf, KeywayError } from '../../lib/errors/index.ts';
import { keepPair, type ServicePair } from '../../nodes/shared/trust-certificate.ts';
import { Fold } from '../../nodes/shared/trust-fold.ts';
import { Service } from '../../nodes/shared/trust-service.ts';

/** A service that opens when the test lets it. */
class Rig {
  readonly opened: number[] = [];
  readonly closed: number[] = [];
  readonly states: string[] = [];
  failure: Error | undefined;
  readonly service: Service<number>;

  constructor() {
    let count = 0;
    this.service = new Service<number>(
      'The rig',
      async () => {
        if (this.failure !== undefined) throw this.failure;
        this.opened.push(++count);
        return count;
      },
      async (one) => void this.closed.push(one),
    );
    this.service.watch((state) => this.states.push(state.is === 'failed' ? codeOf(state.error) : state.is));
  }
}

const never = new AbortController().signal;

describe('a service of a node', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('is tried again, less and less often, until it opens', async () => {
    const rig = new Rig();
    rig.failure = new KeywayError('PORT_IN_USE', 'taken');
    rig.service.start();
    await turn();
    await assert.rejects(rig.service.ready(never), { code: 'PORT_IN_USE' });
    for (const [waits, tries] of [
      [999, 1],
      [1, 2],
      [1999, 2],
      [1, 3],
    ] as const) {
      mock.timers.tick(waits);
      await turn();
      assert.equal(rig.states.filter((state) => state === 'PORT_IN_USE').length, tries);
    }
    rig.failure = undefined;
    mock.timers.tick(4000);
    await turn();
    assert.deepEqual([rig.states.at(-1), await rig.service.ready(never)], ['listening', 1]);
  });

  it('can be waited for, and given up on', async () => {
    const rig = new Rig();
    const waits = rig.service.ready(never);
    const gone = new AbortController();
    const leaves = rig.service.ready(gone.signal);
    gone.abort(new Error('enough'));
    await assert.rejects(leaves, /enough/);
    await assert.rejects(rig.service.ready(gone.signal), /enough/);
    rig.service.start();
    assert.equal(await waits, 1);
  });

  it('is opened anew where what it stood on is gone, and closed once', async () => {
    const rig = new Rig();
    rig.service.restart();
    rig.service.start();
    await turn();
    rig.service.restart();
    await turn();
    assert.deepEqual([rig.opened, rig.closed], [[1, 2], [1]]);
    await rig.service.close();
    rig.service.restart();
    await turn();
    assert.deepEqual(
      [rig.opened, rig.closed],
      [
        [1, 2],
        [1, 2],
      ],
    );
    await assert.rejects(rig.service.ready(never), { code: 'SERVICE_CLOSED' });
    assert.deepEqual(rig.states, ['starting', 'listening', 'starting', 'listening', 'SERVICE_CLOSED']);
  });

  it('is not tried again once it is closed', async () => {
    const rig = new Rig();
    rig.failure = new Error('no');
    rig.service.start();
    await turn();
    await rig.service.close();
    rig.failure = undefined;
    mock.timers.tick(60_000);
    await turn();
    assert.deepEqual(rig.opened, []);
  });
});

describe('the certificate of a service', () => {
  it('gets a successor when it is due, also after a try that failed, and its key is overwritten', async () => {
    const pair = (renewAt: number): ServicePair => ({
      ...{ key: Buffer.from('a key'), chain: String(renewAt), notAfter: renewAt + 50, renewAt },
    });
    let time = 0;
    const [asked, used, told]: [number[], string[], unknown[]] = [[], [], []];
    const keys: Buffer[] = [];
    let inUse = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      inUse = resolve;
    });
    let waited = (): void => undefined;
    const looked = new Promise<void>((resolve) => {
      waited = resolve;
    });
    let looks = 0;
    const kept = keepPair(
      pair(100),
      async () => {
        asked.push(time);
        if (asked.length === 1) throw new Error('The registry is away.');
        const next = pair(200);
        keys.push(next.key);
        return next;
      },
      (next) => {
        assert.equal(next.key.toString(), 'a key');
        used.push(next.chain);
        inUse();
      },
      (error) => told.push(error),
      {
        lookMs: 1,
        now: () => {
          if (++looks === 5) waited();
          return time;
        },
      },
    );
    try {
      await looked;
      assert.deepEqual([asked, kept.notAfter], [[], 150]);
      time = 101;
      await done;
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([asked, used, told.length, kept.notAfter], [[101, 101], ['200'], 1, 250]);
      assert.ok(keys.every((key) => key.every((byte) => byte === 0)));
    } finally {
      kept.stop();
    }
  });
});

describe('refusals that repeat', () => {
  it('are told once in a while, with their count', () => {
    let now = 0;
    const fold = new Fold(() => now);
    assert.deepEqual([fold.take('a'), fold.take('a'), fold.take('b'), fold.take('a')], [0, undefined, 0, undefined]);
    now = 9_999;
    assert.equal(fold.take('a'), undefined);
    now = 10_000;
    assert.deepEqual([fold.take('a'), fold.take('b'), fold.take('a')], [3, 0, undefined]);
  });

  it('are forgotten when there are too many of them', () => {
    const fold = new Fold(() => 0);
    fold.take('first');
    for (let i = 0; i < 1000; i++) fold.take(`other ${i}`);
    assert.equal(fold.take('first'), 0);
  });
});
