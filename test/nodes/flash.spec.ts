import assert from 'node:assert/strict';
import { holderOf } from '../../lib/link/index.ts';
import { findSocket, type VirtualChip } from '../../lib/virtual/index.ts';
import { Bench, chipAndPort, type FlowNode, type Msg, stopFlow, unload } from './harness.ts';

/** plan → flash on one port; `done` collects first outputs, `progress` the second ones. */
function line(name: string, flash: Record<string, unknown> = {}, plan: Record<string, unknown> = {}): FlowNode[] {
  return [
    ...chipAndPort(name),
    { id: 'plan', type: 'keyway-flash-plan', source: 'demo', wires: [['flash']], ...plan },
    { id: 'flash', type: 'keyway-flash', port: `port-${name}`, wires: [['out'], ['progress']], ...flash },
  ];
}

function chipOf(name: string): VirtualChip {
  const chip = findSocket(name)?.chip;
  assert.ok(chip);
  return chip;
}

/** Makes the line stand still in the middle of the write, so that the job can be caught at it. */
async function stalled(bench: Bench, name: string): Promise<void> {
  chipOf(name).setFault({ kind: 'stall', at: 30_000 });
  bench.send('plan', { payload: 1, job: 'stuck' });
  await bench.progress.next((msg) => msg.payload.phase === 'write');
}

const isRed = (code: string) => (status: Msg) => status.fill === 'red' && status.text === code;

describe('keyway-flash', () => {
  afterEach(unload);

  it('flashes a plan, verifies it, adds the chip to the unit and writes a record', async () => {
    const bench = await Bench.load(line('flash-good'));
    bench.send('plan', { payload: 1, kept: 'mine', device: { serial: 'A7' } });
    const msg = await bench.out.next();
    const chip = chipOf('flash-good');
    assert.equal(msg.topic, 'flash/done');
    assert.equal(msg.kept, 'mine');
    assert.deepEqual(msg.device, {
      serial: 'A7',
      port: 'port flash-good',
      chip: 'ESP32-C3',
      mac: chip.mac,
      revision: msg.payload.chip.revision,
      flashSize: 4 << 20,
    });
    assert.ok(msg.payload.steps.every((step: Msg) => step.verified && step.data === undefined));
    assert.equal(msg.payload.restarted, true);
    const { record } = msg;
    assert.deepEqual(
      [record.result, record.code, record.mac, record.job, record.port],
      ['ok', null, chip.mac, msg.job, 'port flash-good'],
    );
    assert.match(record.images, /bootloader@0x0:[0-9a-f]{64}/);
    for (const value of Object.values(record)) assert.ok(typeof value !== 'object' || value === null, 'a flat record');
    for (const step of msg.plan.steps as Msg[]) {
      if (step.action === 'write') {
        assert.deepEqual(
          Buffer.from(chip.flash.subarray(step.offset, step.offset + step.size)),
          Buffer.from(step.data),
        );
      }
    }
    await bench.status('flash', (status) => status.fill === 'green' && /^ok · \d/.test(status.text));
    await bench.completed.next();
    assert.deepEqual(bench.caught.messages, []);
  });

  it('tells progress on the second output, at most four a second, with the job', async () => {
    const bench = await Bench.load(line('flash-progress'));
    bench.send('plan', { payload: 1, job: 'unit 7' });
    const done = await bench.out.next();
    assert.equal(done.job, 'unit 7');
    const told = bench.progress.messages;
    assert.ok(told.length >= 1);
    assert.ok(told.length <= 2 + 4 * done.payload.seconds, `${told.length} in ${done.payload.seconds} s`);
    for (const { topic, job, payload } of told) {
      assert.deepEqual([topic, job], ['flash/progress', 'unit 7']);
      assert.deepEqual(
        ['phase', 'done', 'total', 'unit', 'rate', 'secondsLeft'].filter((key) => !(key in payload)),
        [],
      );
    }
  });

  it('leaves alone what is right already, unless the plan or the node says otherwise', async () => {
    const bench = await Bench.load([
      ...line('flash-skip', { version: 2 }),
      { id: 'all', type: 'keyway-flash-plan', source: 'demo', skip: false, wires: [['flash']] },
      {
        id: 'never',
        type: 'keyway-flash',
        version: 2,
        port: 'port-flash-skip',
        skip: false,
        wires: [['out'], ['progress']],
      },
    ]);
    const outcomes = async (turn: number): Promise<string[]> => {
      const msg = (await bench.out.many(turn))[turn - 1];
      const writes: Msg[] = msg?.payload.steps.filter((step: Msg) => step.action === 'write');
      return [...new Set(writes.map((step) => String(step.outcome)))];
    };
    bench.send('plan', {});
    assert.deepEqual(await outcomes(1), ['written']);
    bench.send('plan', {});
    assert.deepEqual(await outcomes(2), ['skipped']);
    bench.send('all', {});
    assert.deepEqual(await outcomes(3), ['written']);
    const [first] = bench.out.messages;
    bench.send('never', { plan: first?.plan });
    assert.deepEqual(await outcomes(4), ['written']);
  });

  it('needs a plan with bytes', async () => {
    const bench = await Bench.load(line('flash-plan', {}, { dryRun: 'true' }));
    assert.equal(await bench.failure('flash', { payload: 1 }), 'NO_PLAN');
    assert.equal(await bench.failure('plan', { payload: 1 }), 'PLAN_WITHOUT_BYTES');
    const erase = { action: 'erase', kind: 'erase', name: 'e', offset: 0, size: 4096 };
    const plans = {
      NO_PLAN: [null],
      EMPTY_PLAN: [],
      BAD_OFFSET: [{ ...erase, offset: -4096 }],
      BAD_SIZE: [{ ...erase, size: 1 }],
      PLAN_WITHOUT_BYTES: [{ ...erase, kind: 'data', action: 'write', data: [1, 2] }],
    };
    for (const [code, steps] of Object.entries(plans)) {
      assert.equal(await bench.failure('flash', { plan: { name: 'p', keeps: [], notes: [], force: [], steps } }), code);
    }
    assert.ok(
      bench.statuses.messages.every(({ status }) => status.text !== 'connecting'),
      'a port was opened',
    );
    assert.equal(holderOf('virtual:flash-plan'), undefined);
  });

  it('works on a port that is deployed, or on the deployed one that the message names', async () => {
    const bench = await Bench.load(line('flash-port', { port: '' }));
    assert.equal(await bench.failure('plan', { payload: 1 }), 'PORT_NOT_SET');
    assert.equal(await bench.failure('plan', { device: { port: '/dev/ttyUSB9' } }), 'PORT_NOT_ALLOWED');
    for (const port of ['port flash-port', 'virtual:flash-port', 'flash-port']) {
      const before = bench.out.messages.length;
      bench.send('plan', { device: { port } });
      await bench.out.many(before + 1);
    }
  });

  it('refuses another board before a byte is written, and says so in the record', async () => {
    const bench = await Bench.load(line('flash-board'));
    const code = await bench.failure('plan', { device: { mac: '02:00:00:00:00:01' } });
    assert.equal(code, 'WRONG_BOARD');
    const [caught] = bench.caught.messages;
    // Catch is given the message alone: it also says what to do.
    assert.match(String(caught?.error.message), /\. [A-Z][^.]+\.$/);
    assert.deepEqual([caught?.record.result, caught?.record.code], ['failed', 'WRONG_BOARD']);
    assert.equal(caught?.record.mac, chipOf('flash-board').mac);
    assert.ok(chipOf('flash-board').flash.every((byte) => byte === 0xff));
    assert.equal(await bench.failure('plan', { device: { mac: 'bench' } }), 'BAD_FIELD');
  });

  it('refuses a field of the wrong kind', async () => {
    const bench = await Bench.load(line('flash-field', { baudRate: 'fast', baudRateType: 'msg' }));
    assert.equal(await bench.failure('plan', { fast: 'very' }), 'BAD_FIELD');
    assert.equal(await bench.failure('plan', { fast: 10 }), 'BAD_FIELD');
  });

  it('queues a second message for the same port', async () => {
    const bench = await Bench.load(line('flash-queue'));
    bench.send('plan', { payload: 1, job: 'first' });
    bench.send('plan', { payload: 1, job: 'second' });
    const both = await bench.out.many(2);
    assert.deepEqual(
      both.map((msg) => msg.job),
      ['first', 'second'],
    );
  });

  it('or refuses it with BUSY', async () => {
    const bench = await Bench.load(line('flash-busy', { whenBusy: 'refuse' }));
    await stalled(bench, 'flash-busy');
    assert.equal(await bench.failure('plan', { payload: 1, job: 'other' }), 'BUSY');
    bench.send('flash', { cancel: true });
    await bench.caught.next((msg) => msg.error.code === 'CANCELLED');
  });

  it('is cancelled by a message, for one job, and can start again', async () => {
    const bench = await Bench.load(line('flash-cancel'));
    await stalled(bench, 'flash-cancel');
    bench.send('flash', { cancel: true, job: 'another' });
    assert.deepEqual(bench.caught.messages, []);
    bench.send('flash', { cancel: true, job: 'stuck' });
    const caught = await bench.caught.next();
    assert.deepEqual([caught.error.code, caught.job, caught.record.code], ['CANCELLED', 'stuck', 'CANCELLED']);
    await bench.status('flash', isRed('CANCELLED'));
    assert.equal(holderOf('virtual:flash-cancel'), undefined);
    chipOf('flash-cancel').clearFaults();
    bench.send('plan', { payload: 1 });
    await bench.out.next();
  });

  it('ends at its timeout', async () => {
    const bench = await Bench.load(line('flash-timeout', { timeout: '2' }));
    chipOf('flash-timeout').setFault({ kind: 'stall', at: 30_000 });
    assert.equal(await bench.failure('plan', { payload: 1 }), 'TIMEOUT');
    assert.match(bench.caught.messages[0]?.error.message, /within 2 s\. \d of \d steps were done/);
    await bench.status('flash', isRed('TIMEOUT'));
  });

  it('tells of a pulled cable, and goes on when the unit comes again', async () => {
    const bench = await Bench.load(line('flash-pull'));
    chipOf('flash-pull').setFault({ kind: 'pull', at: 30_000 });
    assert.equal(await bench.failure('plan', { payload: 1 }), 'PORT_GONE');
    await bench.status('flash', isRed('PORT_GONE'));
    assert.equal(await bench.failure('plan', { payload: 1 }), 'PORT_NOT_FOUND');
    findSocket('flash-pull')?.plug();
    bench.send('plan', { payload: 1 });
    await bench.out.next();
    await stopFlow();
    assert.equal(holderOf('virtual:flash-pull'), undefined);
  });

  it('leaves nothing open when the flow is deployed again', async () => {
    const bench = await Bench.load(line('flash-deploy'));
    await stalled(bench, 'flash-deploy');
    const started = performance.now();
    await stopFlow();
    assert.ok(performance.now() - started < 6000);
    assert.equal(holderOf('virtual:flash-deploy'), undefined);
    assert.equal(findSocket('flash-deploy'), undefined);
  });

  it('flashes several chips at once with one node', async () => {
    const bench = await Bench.load([
      ...chipAndPort('many-1'),
      ...chipAndPort('many-2'),
      ...chipAndPort('many-3'),
      { id: 'plan', type: 'keyway-flash-plan', source: 'demo', wires: [['flash']] },
      { id: 'flash', type: 'keyway-flash', wires: [['out'], ['progress']] },
    ]);
    for (const n of [1, 2, 3]) bench.send('plan', { device: { port: `many-${n}` } });
    const units = await bench.out.many(3);
    assert.deepEqual(units.map((msg) => msg.device.port).sort(), ['many-1', 'many-2', 'many-3']);
    assert.equal(new Set(units.map((msg) => msg.device.mac)).size, 3);
    await bench.status('flash', (status) => /jobs$/.test(status.text));
    await bench.status('flash', (status) => status.fill === 'green');
  });
});
