import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { type DeviceEnd, holderOf, plugMemoryPort, type UsbIdentity } from '../../lib/link/index.ts';
import { acquirePort, closeLingering, listenPort, type PortListener } from '../../nodes/shared/broker.ts';
import type { PortTarget } from '../../nodes/shared/deployed.ts';

/** A port whose far side is the test. */
class FarSide {
  end: DeviceEnd | undefined;
  readonly target: PortTarget;
  readonly unplug: () => void;

  constructor(name: string, usb?: UsbIdentity) {
    this.target = { address: `virtual:${name}`, name, baudRate: 115200 };
    this.unplug = plugMemoryPort({
      name,
      ...(usb === undefined ? {} : { usb }),
      attach: (end) => {
        this.end = end;
      },
    });
  }

  async say(text: string): Promise<void> {
    this.end?.send(Buffer.from(text));
    await turn();
  }
}

class Heard implements PortListener {
  text = '';
  readonly states: string[] = [];

  onData(chunk: Uint8Array): void {
    this.text += Buffer.from(chunk).toString();
  }

  onState(state: string): void {
    this.states.push(state);
  }
}

const job = (owner: string, wait = true, signal = new AbortController().signal) => ({ owner, wait, signal });

describe('the broker of a port', () => {
  it('lets a listener hear what is said outside of jobs, and in a job once it reads along', async () => {
    const far = new FarSide('broker-read');
    const heard = new Heard();
    const stop = listenPort(far.target, 'console', heard);
    await turn();
    await far.say('a');
    const lease = await acquirePort(far.target, job('flash'));
    await lease.link.setBaudRate(921600);
    await lease.link.setLines({ dtr: false, rts: true });
    await far.say('b');
    lease.readAlong();
    await far.say('c');
    await lease.release();
    await far.say('d');
    assert.equal(heard.text, 'acd');
    assert.deepEqual(heard.states, ['open', 'paused', 'open']);
    assert.deepEqual([far.end?.baudRate, far.end?.lines], [115200, { dtr: false, rts: false }]);
    await stop();
    assert.equal(holderOf('virtual:broker-read'), undefined);
    far.unplug();
  });

  it('serves jobs in their order, and passes over one that gave up', async () => {
    const far = new FarSide('broker-queue');
    const first = await acquirePort(far.target, job('first'));
    await assert.rejects(acquirePort(far.target, job('hasty', false)), { code: 'BUSY' });
    const abort = new AbortController();
    const tired = acquirePort(far.target, job('tired', true, abort.signal));
    const order: string[] = [];
    const rest = ['second', 'third'].map(async (owner) => {
      const lease = await acquirePort(far.target, job(owner));
      order.push(owner);
      await lease.release();
    });
    abort.abort(new Error('tired'));
    await assert.rejects(tired, /tired/);
    await first.release();
    await Promise.all(rest);
    assert.deepEqual(order, ['second', 'third']);
    assert.equal(holderOf('virtual:broker-queue'), undefined);
    far.unplug();
  });

  it('ends a loan without closing the port of a listener, and tells of a pulled cable', async () => {
    const far = new FarSide('broker-loan');
    const heard = new Heard();
    const stop = listenPort(far.target, 'console', heard);
    const lease = await acquirePort(far.target, job('flash'));
    await lease.link.close();
    assert.equal(lease.link.isOpen, false);
    await assert.rejects(lease.link.write(new Uint8Array(1)), { code: 'PORT_GONE' });
    await assert.rejects(lease.link.setLines({ dtr: true, rts: true }), { code: 'PORT_GONE' });
    assert.deepEqual(far.end?.lines, { dtr: false, rts: false });
    await lease.release();
    assert.equal(heard.states.at(-1), 'open');
    const second = await acquirePort(far.target, job('flash'));
    const closed = new Promise<Error | undefined>((resolve) => second.link.onClose(resolve));
    far.end?.unplug();
    assert.equal(((await closed) as { code?: string } | undefined)?.code, 'PORT_GONE');
    await second.release();
    await turn();
    assert.equal(heard.states.at(-1), 'open');
    await stop();
    far.unplug();
  });

  it('keeps what the chip says for the console that comes with the result, and closes when none does', async () => {
    const far = new FarSide('broker-linger');
    const use = async (): Promise<void> => {
      const lease = await acquirePort(far.target, job('flash'));
      await far.say('lost');
      lease.readAlong();
      await far.say('boot ');
      await lease.release({ linger: true });
      await far.say('log');
    };
    await use();
    const heard = new Heard();
    const stop = listenPort(far.target, 'console', heard);
    await far.say('!');
    assert.equal(heard.text, 'boot log!');
    await stop();
    assert.equal(holderOf('virtual:broker-linger'), undefined);
    await use();
    assert.notEqual(holderOf('virtual:broker-linger'), undefined);
    await closeLingering();
    assert.equal(holderOf('virtual:broker-linger'), undefined);
    far.unplug();
  });

  describe('keeps a port that was lost for the job that had it', () => {
    const waiting = (signal = new AbortController().signal) => ({ signal, timeoutMs: 60_000 });

    it('and opens it again when the device is back, before whoever queues', async () => {
      const far = new FarSide('broker-back');
      const lease = await acquirePort(far.target, job('flash'));
      const first = lease.link;
      let queued = false;
      const next = acquirePort(far.target, job('next')).then((other) => {
        queued = true;
        return other;
      });
      far.unplug();
      far.end?.unplug();
      const again = lease.reopen({ address: far.target.address }, waiting());
      await turn();
      const back = new FarSide('broker-back');
      assert.equal(await again, lease.link);
      assert.deepEqual([first.isOpen, lease.link.isOpen, queued], [false, true, false]);
      await lease.link.write(Buffer.from('x'));
      await lease.release();
      await (await next).release();
      assert.equal(holderOf('virtual:broker-back'), undefined);
      back.unplug();
    });

    it('wherever its USB serial number comes up', async () => {
      const usb = { vendorId: '303a', productId: '1001', serialNumber: '02:00:00:00:AB:CD' };
      const far = new FarSide('broker-moved', usb);
      const lease = await acquirePort(far.target, job('flash'));
      far.unplug();
      far.end?.unplug();
      const other = new FarSide('broker-other', { ...usb, serialNumber: '02:00:00:00:00:01' });
      const again = lease.reopen({ address: far.target.address, usb }, waiting());
      const back = new FarSide('broker-moved#2', usb);
      assert.equal((await again).info.address, 'virtual:broker-moved#2');
      await lease.release();
      assert.equal(holderOf('virtual:broker-moved#2'), undefined);
      for (const side of [other, back]) side.unplug();
    });

    it('until the job is cancelled, and gives it to the next', async () => {
      const far = new FarSide('broker-tired');
      const abort = new AbortController();
      const lease = await acquirePort(far.target, job('flash'));
      far.unplug();
      far.end?.unplug();
      const again = lease.reopen({ address: far.target.address }, waiting(abort.signal));
      const next = acquirePort(far.target, job('next'));
      abort.abort(new Error('tired'));
      await assert.rejects(again);
      await lease.release();
      await assert.rejects(next, { code: 'PORT_NOT_FOUND' });
    });
  });
});
