import assert from 'node:assert/strict';
import { parseProfile } from '../../lib/osdp/index.ts';
import { Bench, type Msg, unload } from './harness.ts';
import { node, profile, provisionerOn, provisionerUserDir, result } from './provisioner-bench.ts';

describe('keyway-provisioning-plan', function () {
  this.timeout(60_000);
  provisionerUserDir();

  const plan = async (more: Record<string, unknown>, msg: Msg = {}): Promise<Msg> => {
    const bench = await Bench.load([node('keyway-provisioning-plan', more)]);
    const made = await result(bench, 'provisioning-plan', msg);
    await unload();
    return made;
  };
  const addresses = (msg: Msg): number[] => msg.payload.steps.map(({ address }: Msg) => address);

  it('counts up, and gives the plan for review and as JSON', async () => {
    const msg = await plan({ count: '3', startAddress: '10', baudRate: '115200', profileName: 'East' });
    assert.equal(msg.topic, 'plan/made');
    assert.deepEqual(msg.payload.steps[2], { step: 2, address: 12, baud: 115200, serial: '' });
    assert.deepEqual([msg.payload.name, msg.payload.count, msg.payload.warnings], ['East', 3, []]);
    assert.deepEqual(msg.plan.steps[0], { address: 10, baudRate: 115200 });
    assert.deepEqual(parseProfile(msg.payload.json).profile, msg.plan.profile);
  });

  it('draws, takes a list, and does the factory address last with a warning', async () => {
    const drawn = addresses(await plan({ count: '20', strategy: 'random', startAddress: '100' }));
    assert.equal(new Set(drawn).size, 20);
    assert.ok(drawn.every((address) => address >= 100 && address <= 126));
    const listed = await plan({ strategy: 'manual', addresses: '0, 9 4', serials: ', 0000000a,' });
    assert.deepEqual(addresses(listed), [9, 4, 0]);
    assert.equal(listed.payload.steps[0].serial, '0000000A');
    assert.deepEqual(
      listed.payload.warnings.map(({ code }: Msg) => code),
      ['FACTORY_ADDRESS'],
    );
  });

  it('takes every field from a message', async () => {
    const fields = ['count', 'strategy', 'startAddress', 'baudRate', 'capabilities', 'autonomous', 'bus', 'attempt'];
    const from = Object.fromEntries(
      fields.flatMap((name) => [
        [name, `ask.${name}`],
        [`${name}Type`, 'msg'],
      ]),
    );
    const ask = {
      count: 2,
      strategy: 'sequential',
      startAddress: 5,
      baudRate: 38400,
      capabilities: ['led', 'secure-channel'],
      autonomous: true,
      bus: 'single',
      attempt: 12.5,
    };
    const { profile: made } = (await plan(from, { ask })).plan;
    const { count, baudRate, capabilities, autonomous, bus, timeoutMs } = made;
    assert.deepEqual(
      [count, baudRate, capabilities, autonomous, bus, timeoutMs],
      [2, 38400, ask.capabilities, true, 'single', 12_500],
    );
  });

  it('reads JSON as a text, as bytes, and as an object', async () => {
    const json = profile({ count: 5 }) as Msg;
    for (const payload of [JSON.stringify(json), Buffer.from(JSON.stringify(json)), json]) {
      assert.deepEqual(addresses(await plan({ source: 'json' }, { payload })), [1, 2, 3, 4, 5]);
    }
  });

  it('refuses what cannot be done, and names the field', async () => {
    const bench = await Bench.load([
      node('keyway-provisioning-plan', { count: 'n', countType: 'msg', startAddress: 's', startAddressType: 'msg' }),
      node('keyway-provisioning-plan', { id: 'list', strategy: 'manual', addresses: 'payload', addressesType: 'msg' }),
      node('keyway-provisioning-plan', { id: 'json', source: 'json' }),
    ]);
    const refused = async (id: string, msg: Msg): Promise<string> => {
      const before = bench.caught.messages.length;
      const code = await bench.failure(id, msg);
      return `${code} ${bench.caught.messages[before]?.error.message}`;
    };
    assert.match(await refused('provisioning-plan', { n: 0 }), /^BAD_PROFILE_FIELD .*"count"/);
    assert.match(await refused('provisioning-plan', { n: 127 }), /^BAD_PROFILE_FIELD .*"count"/);
    assert.match(await refused('provisioning-plan', { n: 3, s: 125 }), /^BAD_PROFILE_FIELD .*127/);
    assert.match(await refused('list', { payload: [3, 3] }), /^BAD_PROFILE_FIELD .*"addresses\[1\]"/);
    assert.match(await refused('list', { payload: '1, 127' }), /^BAD_PROFILE_FIELD .*"addresses\[1\]"/);
    assert.match(await refused('list', { payload: '1, two' }), /^BAD_PROFILE_FIELD .*"two"/);
    assert.match(await refused('list', { payload: '' }), /^BAD_PROFILE_FIELD .*"addresses"/);
    assert.match(await refused('json', { payload: '{' }), /^BAD_PROFILE /);
    assert.match(await refused('json', { payload: 7 }), /^BAD_PROFILE /);
    assert.match(await refused('json', { payload: profile({ version: 2 }) }), /^PROFILE_TOO_NEW /);
    assert.match(await refused('json', { payload: profile({ seed: '00' }) }), /^BAD_PROFILE_FIELD .*"seed"/);
  });
});

describe('keyway-slots', function () {
  this.timeout(60_000);
  provisionerUserDir();

  it('writes the steps as they were reviewed, into the slot that was named or the first empty one', async () => {
    const bench = await Bench.load([
      ...provisionerOn('write', {}, { slots: '2' }),
      node('keyway-provisioning-plan', { count: '4' }),
      node('keyway-slots', { operation: 'create' }),
      node('keyway-slots', { id: 'import', operation: 'import', slot: '', slotType: 'num' }),
      node('keyway-slots', { id: 'open', operation: 'open' }),
      node('keyway-slots', { id: 'delete', operation: 'delete' }),
    ]);
    const planned = await result(bench, 'provisioning-plan', { slot: { number: 2 } });
    planned.plan.steps.splice(1, 2);
    const made = await result(bench, 'slots', planned);
    assert.deepEqual(
      [made.slot.number, made.slot.total, made.payload.steps.map(({ address }: Msg) => address)],
      [2, 2, [1, 4]],
    );
    assert.equal(await bench.failure('slots', { ...planned }), 'SLOT_OCCUPIED');
    const first = await result(bench, 'import', {
      payload: profile({ strategy: 'random', count: 126, startAddress: 1 }),
    });
    assert.deepEqual([first.slot.number, first.slot.total, first.payload.terms.bus], [1, 126, 'multi']);
    assert.equal(await bench.failure('import', { payload: profile() }), 'NO_FREE_SLOT');
    const opened = await result(bench, 'open', { slot: { number: 2 } });
    assert.deepEqual([opened.payload.name, opened.payload.state, opened.payload.steps.length], ['readers', 'ready', 2]);
    // Nobody was keyed: nothing is lost.
    const gone = await result(bench, 'delete', { slot: { number: 1 } });
    assert.deepEqual([gone.slot.state, gone.slot.session], ['empty', '']);
  });

  it('refuses what is no plan, no slot, and what a flow has spoilt', async () => {
    const bench = await Bench.load([
      ...provisionerOn('refuse', {}, { slots: '2' }),
      node('keyway-provisioning-plan', { count: '2' }),
      node('keyway-slots', { operation: 'create' }),
      node('keyway-slots', { id: 'delete', operation: 'delete' }),
      node('keyway-slots', { id: 'open', operation: 'open' }),
      node('keyway-slots', { id: 'lost', provisioner: 'nobody' }),
    ]);
    const { plan } = await result(bench, 'provisioning-plan', {});
    assert.equal(await bench.failure('slots', {}), 'NO_PROVISIONING_PLAN');
    assert.equal(await bench.failure('slots', { plan: { kind: 'flash' } }), 'NO_PROVISIONING_PLAN');
    assert.equal(await bench.failure('slots', { plan: { ...plan, steps: [] } }), 'BAD_PROFILE_FIELD');
    const twice = [...plan.steps, plan.steps[0]];
    assert.equal(await bench.failure('slots', { plan: { ...plan, steps: twice } }), 'BAD_PROFILE_FIELD');
    assert.equal(await bench.failure('slots', { plan, slot: { number: 'live' } }), 'BAD_FIELD');
    assert.equal(await bench.failure('slots', { plan, slot: { number: 3 } }), 'SLOT_OUT_OF_RANGE');
    assert.equal(await bench.failure('slots', { plan, slot: { number: 0 } }), 'BAD_FIELD');
    assert.equal(await bench.failure('delete', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('open', {}), 'SLOT_EMPTY');
    assert.equal(await bench.failure('lost', {}), 'PROVISIONER_NOT_SET');
  });

  for (const [modes, refusedBy] of [
    ['live', 'slots'],
    ['offline', 'quick-step'],
  ] as const) {
    it(`refuses what a provisioner does not offer that works ${modes} only`, async () => {
      const bench = await Bench.load([
        ...provisionerOn(modes, {}, { modes }),
        node('keyway-slots', { operation: 'import' }),
        node('keyway-quick-step'),
      ]);
      const msg = { payload: profile(), step: { address: 3 } };
      assert.equal(await bench.failure(refusedBy, msg), 'MODE_UNSUPPORTED');
      await result(bench, refusedBy === 'slots' ? 'quick-step' : 'slots', msg);
    });
  }
});
