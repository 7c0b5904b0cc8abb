import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { DEVICE_STATES, type DeviceState, mayBecome, type Registry, TRANSITIONS } from '../../../lib/registry/index.ts';
import { code, heard, NAMESPACE, Place } from './support.ts';

const RUNS = Math.min(Number(process.env.KEYWAY_FUZZ ?? 60), 1000);
const state = fc.constantFrom(...DEVICE_STATES);

describe('the states of a device', () => {
  let place: Place;
  let registry: Registry;
  beforeEach(async () => {
    place = new Place();
    registry = await place.filled();
  });
  afterEach(() => place.done());

  it('lead from every one to retired and back to registered', () => {
    const reached = new Set<DeviceState>(['registered']);
    for (const from of reached) for (const to of TRANSITIONS[from]) reached.add(to);
    assert.deepEqual([...reached].sort(), [...DEVICE_STATES].sort());
    for (const from of DEVICE_STATES) assert.ok(from === 'retired' || mayBecome(from, 'retired'), from);
    assert.deepEqual(TRANSITIONS.retired, ['registered']);
    assert.ok(!mayBecome('revoked', 'online'), 'what is revoked comes back by a flash alone');
  });

  it('are what the table allows, whatever is asked in which order', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(state, fc.boolean()), { maxLength: 12 }), async (wishes) => {
        const events = heard(registry);
        const { id } = await registry.addDevice({ namespace: NAMESPACE, name: `device ${number++}` });
        let model: DeviceState = 'registered';
        let told = 1;
        for (const [to, withReason] of wishes) {
          place.clock.time += 1;
          const reason = withReason ? `because ${place.clock.time}` : null;
          const before = await registry.device(id);
          try {
            const after = await registry.setState(id, to, { reason });
            if (to === model && to !== 'flashing') assert.deepEqual(after, before);
            else {
              assert.ok(mayBecome(model, to), `${model} became ${to}`);
              const { time } = place.clock;
              assert.deepEqual(after, { ...before, state: to, reason, stateAt: time, changedAt: time });
              assert.equal(events.at(-1)?.from, model);
              told += 1;
            }
            model = to;
          } catch (error) {
            assert.ok(isKeywayError(error, 'DEVICE_STATE'), String(error));
            assert.ok(!mayBecome(model, to), `${model} did not become ${to}`);
            assert.deepEqual(await registry.device(id), before);
          }
        }
        assert.equal((await registry.device(id))?.state, model);
        assert.equal(events.filter(({ subject }) => subject === id).length, told);
      }),
      { numRuns: RUNS },
    );
    assert.ok((await registry.verifyAudit()).holds);
  });

  it('change from one that is expected alone, so that one of two who race wins', async () => {
    const { id } = await registry.addDevice({ namespace: NAMESPACE, name: 'one' });
    const race = await Promise.allSettled(
      Array.from({ length: 20 }, () => registry.setState(id, 'flashing', { from: ['registered'] })),
    );
    assert.equal(race.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const one of race) if (one.status === 'rejected') code('DEVICE_STATE', { state: 'flashing' })(one.reason);
  });

  it('refuse what is none, and a device that is not there', async () => {
    const { id } = await registry.addDevice({ namespace: NAMESPACE, name: 'one' });
    await assert.rejects(registry.setState(id, 'broken' as DeviceState), code('DEVICE_STATE'));
    await assert.rejects(registry.setState('nobody', 'online'), code('DEVICE_UNKNOWN'));
    await assert.rejects(registry.setState(id, 'online', { reason: 'a\nb' }), code('BAD_DEVICE'));
  });
});
