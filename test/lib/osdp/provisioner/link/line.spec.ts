import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { type Link, openLink } from '../../../../../lib/link/index.ts';
import { listenLink, ProvisionerHub } from '../../../../../lib/osdp/provisioner/link/index.ts';
import { serveLine } from '../../../../../lib/osdp/provisioner/link/line.ts';
import { slipEncode } from '../../../../../lib/osdp/provisioner/link/slip.ts';
import { cable, LinkBench, testIdentities, until } from './bench.ts';
import { FakeDevice, steps, TERMS } from './fake-device.ts';

const MAGIC = Buffer.from('keyway-line-1');

function hasSocat(): boolean {
  try {
    execFileSync('socat', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a provisioner at a line', () => {
  let bench: LinkBench;
  beforeEach(async () => {
    bench = await LinkBench.make();
  });
  afterEach(() => bench.close());

  it('takes a host that restarts in the middle of a session, which neither closed', async () => {
    const { near, far } = cable('host-restarts');
    const serving = listenLink(bench.hub, far);
    bench.atEnd(() => serving.close());
    const options = await bench.paired();
    const before = mortal(near);
    const first = await bench.host(async () => before.link, { ...options, times: { idleMs: 600 } });
    await first.create(1, TERMS, steps(3));
    assert.equal(bench.device.host, options.identity.fingerprint);
    before.kill();
    const second = await bench.host(async () => near, { ...options, name: 'restarted' });
    assert.equal((await second.open(1)).steps.length, 3);
    assert.equal(bench.events.filter(({ event }) => event === 'attached').length, 2);
  });

  it('is found again when it restarts in the middle of a session, which neither closed', async () => {
    const { near, far } = cable('device-restarts');
    const options = await bench.paired();
    const { device: identity } = await testIdentities();
    const { book } = bench;
    const hub = new ProvisionerHub({ device: bench.device, book, identity });
    const before = mortal(far);
    const stop = serveLine(before.link, (stream) => hub.serveSecure(stream));
    const host = await bench.host(async () => mortal(near).link, { ...options, times: { idleMs: 600 } });
    await host.create(1, TERMS, steps(3));
    const lost = new Promise<void>((resolve) => host.onState(({ state }) => state === 'lost' && resolve()));
    before.kill();
    // What serves the line now knows nothing of the session: it says so at the first byte of it.
    const device = new FakeDevice();
    const after = new ProvisionerHub({ device, book, identity });
    const stopAfter = serveLine(mortal(far).link, (stream) => after.serveSecure(stream));
    await lost;
    await until(() => host.state === 'attached');
    assert.deepEqual(
      (await host.slots()).filter((slot) => slot.state !== 'empty'),
      [],
    );
    await host.close();
    stop();
    stopAfter();
    await hub.close();
    await after.close();
  });

  it('is not disturbed by noise before a session, nor by packets of another one within it', async () => {
    const { near, far } = cable('noise');
    const serving = listenLink(bench.hub, far);
    bench.atEnd(() => serving.close());
    await near.write(Buffer.from('\r\nlogin: \xc0\xdb\xc0\xff garbage', 'latin1'));
    const back: number[] = [];
    near.onData((chunk) => back.push(...chunk));
    const host = await bench.host(async () => near, await bench.paired());
    await near.write(slipEncode(Buffer.from([3, 9, 9, 9, 9, 1, 2, 3])));
    await near.write(slipEncode(Buffer.from([4, 9, 9, 9, 9])));
    await near.write(slipEncode(Buffer.from([7, 9, 9, 9, 9])));
    await near.write(slipEncode(Buffer.concat([Buffer.from([1, 9, 9, 9, 9]), MAGIC.subarray(1)])));
    await near.write(slipEncode(new Uint8Array(5000)));
    assert.equal((await host.slots()).length, 5);
    const closed = [...slipEncode(Buffer.from([4, 9, 9, 9, 9]))].join();
    assert.ok(back.join().includes(closed), 'data of an unknown session is answered with its end');
  });

  it('loses the session with the cable, and has it again with another one', async () => {
    let current = cable('cable');
    let serving = listenLink(bench.hub, current.far);
    const host = await bench.host(async () => current.near, await bench.paired());
    const states: string[] = [];
    host.onState(({ state }) => states.push(state));
    const before = current;
    current = cable('cable');
    before.cut();
    await serving.close();
    serving = listenLink(bench.hub, current.far);
    bench.atEnd(() => serving.close());
    await until(() => states.includes('lost') && host.state === 'attached');
  });

  it('works over a pair of pseudo-terminals, with a restart of either side', async function () {
    if (!hasSocat()) this.skip();
    const [a, b] = [join(bench.folder, 'a'), join(bench.folder, 'b')];
    const socat: ChildProcess = spawn('socat', [`pty,raw,echo=0,link=${a}`, `pty,raw,echo=0,link=${b}`]);
    bench.atEnd(async () => void socat.kill());
    await until(() =>
      access(b, constants.R_OK)
        .then(
          () => access(a),
          () => Promise.reject(),
        )
        .then(
          () => true,
          () => false,
        ),
    );
    const options = await bench.paired();
    let listening = await bench.listen(`serial:${a}`);
    const first = await bench.host(`serial:${b}`, { ...options, times: { idleMs: 900 } });
    await first.create(1, TERMS, steps(126));
    assert.equal((await first.open(1)).steps.length, 126);
    await first.close();
    const second = await bench.host(`serial:${b}`, { ...options, times: { idleMs: 900 } });
    assert.equal((await second.open(1)).steps.length, 126);
    await listening.close();
    await until(() => second.state === 'lost');
    listening = await bench.listen(`serial:${a}`);
    await until(() => second.state === 'attached');
    assert.equal((await second.open(1)).steps.length, 126);
  });

  it('serves a port whose rate is given, and says when it cannot', async () => {
    await assert.rejects(bench.listen('serial:/nowhere/tty@9600'), /LINK_LISTEN_FAILED|cannot listen/);
    await assert.rejects(openLink('virtual:none', { owner: 'test' }));
  });
});

/** A link for a process that may be killed: it then neither hears nor says anything, and closes nothing. */
function mortal(link: Link): { link: Link; kill(): void } {
  let dead = false;
  const listeners: (() => void)[] = [];
  const over: Partial<Link> = {
    close: async () => undefined,
    write: async (bytes) => (dead ? undefined : link.write(bytes)),
    onData: (listener) => {
      const off = link.onData((chunk) => {
        if (!dead) listener(chunk);
      });
      listeners.push(off);
      return off;
    },
  };
  const proxy = new Proxy(link, {
    get: (target, name) => {
      if (name in over) return over[name as keyof Link];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return {
    link: proxy,
    kill: () => {
      dead = true;
      for (const off of listeners) off();
    },
  };
}
