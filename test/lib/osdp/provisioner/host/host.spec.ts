import assert from 'node:assert/strict';
import * as net from 'node:net';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { plugMemoryPort } from '../../../../../lib/link/index.ts';
import { discoverProvisioners, shareHost } from '../../../../../lib/osdp/provisioner/host/index.ts';
import type { Cursor } from '../../../../../lib/osdp/provisioner/link/index.ts';
import type { Edge } from '../../../../../lib/osdp/provisioner/types.ts';
import { LinkBench, testIdentities, until } from '../link/bench.ts';
import { steps, TERMS } from '../link/fake-device.ts';
import { Faulty } from './faulty.ts';

const coded = (code: string) => (error: unknown) => isKeywayError(error, code);

describe('a host of a provisioner', () => {
  let bench: LinkBench;
  beforeEach(async () => {
    bench = await LinkBench.make();
  });
  afterEach(() => bench.close());

  it('is lost when the link goes in the middle of a step, and gets the end of the step when it is back', async () => {
    const { address } = await bench.unix();
    const line = await Faulty.between(bench, address);
    const host = await bench.host(line.address);
    await host.create(1, TERMS, steps(2));
    const got: [number, boolean][] = [];
    host.onEdge(({ seq }, { backfill }) => void got.push([seq, backfill]));
    await host.verb(1, 0, 'try');
    await until(() => got.length === 1);
    const states: string[] = [];
    host.onState(({ state }) => states.push(state));
    line.cut();
    await until(() => host.state === 'lost');
    await assert.rejects(host.verb(1, 1, 'try'), (error) => {
      assert.ok(isKeywayError(error, 'LINK_LOST', 'LINK_UNREACHABLE'));
      return true;
    });
    bench.device.edge(1, 0, { state: 'success', outcome: 'ok' });
    line.mend();
    await until(() => got.length === 2);
    bench.device.edge(1, 1, { state: 'attempting' });
    await until(() => got.length === 3);
    assert.deepEqual(got, [
      [1, false],
      [2, true],
      [3, false],
    ]);
    assert.equal(states[0], 'lost');
    assert.equal(states.at(-1), 'attached');
  });

  it('says of a request that the link was lost under whether it may have been done', async () => {
    const { address } = await bench.unix();
    const line = await Faulty.between(bench, address);
    const host = await bench.host(line.address);
    await host.create(1, TERMS, steps(2));
    line.stall();
    const [skip, open] = [host.verb(1, 0, 'skip'), host.open(1)];
    line.cut();
    for (const [request, mayHaveHappened] of [
      [skip, true],
      [open, false],
    ] as const) {
      await assert.rejects(request, (error) => {
        assert.ok(isKeywayError(error, 'LINK_LOST'));
        assert.equal(error.detail?.mayHaveHappened, mayHaveHappened);
        return true;
      });
    }
  });

  it('leaves nothing of a plan whose writing was cut short', async () => {
    const { address } = await bench.unix();
    const line = await Faulty.between(bench, address);
    const host = await bench.host(line.address);
    const add = bench.device.addSteps.bind(bench.device);
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    bench.device.addSteps = async (...given) => {
      await add(...given);
      await held;
    };
    const creating = host.create(1, TERMS, steps(126));
    await until(() => (bench.device.plans.get(1)?.steps.length ?? 0) > 0);
    line.cut();
    goOn();
    await assert.rejects(creating, coded('LINK_LOST'));
    await until(() => bench.device.open(1).summary.state === 'empty');
    line.mend();
    await until(() => host.state === 'attached');
    await assert.rejects(host.create(9, TERMS, steps(1)), coded('SLOT_OUT_OF_RANGE'));
    bench.device.addSteps = async () => {
      throw new Error('the disk said something about /secret/place');
    };
    await assert.rejects(host.create(1, TERMS, steps(1)), (error) => {
      assert.ok(isKeywayError(error, 'PROVISIONER_FAILED'));
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    assert.equal(bench.device.open(1).summary.state, 'empty');
  });

  it('acknowledges what all its listeners took, and offers again what one of them rejected', async () => {
    const { address } = await bench.unix();
    const problems: unknown[] = [];
    const host = await bench.host(address, { onProblem: (error) => problems.push(error) });
    await host.create(1, TERMS, steps(3));
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const quick: number[] = [];
    const picky: number[] = [];
    let refused = false;
    host.onEdge(({ seq }) => void quick.push(seq));
    host.onEdge(async ({ seq }) => {
      await held;
      if (!refused) {
        refused = true;
        throw new Error('not now');
      }
      picky.push(seq);
    });
    for (const step of [0, 1, 2]) bench.device.edge(1, step, { state: 'attempting' });
    await until(() => quick.length === 1);
    assert.deepEqual(bench.device.acknowledged, []);
    assert.deepEqual(host.cursors(), []);
    release();
    await until(() => bench.device.edges(1, 0).length === 0);
    assert.deepEqual([quick, picky, problems.length], [[1, 2, 3], [1, 2, 3], 1]);
    assert.deepEqual(
      host.cursors().map(({ slot, seq }) => [slot, seq]),
      [[1, 3]],
    );
  });

  it('keeps edges until somebody listens, thousands of them bounded, and hands a new one what comes from then on', async () => {
    const { address } = await bench.unix();
    const first = await bench.host(address);
    await first.create(1, TERMS, steps(3));
    await first.close();
    for (let i = 0; i < 3000; i++) bench.device.edge(1, i % 3, { attempts: i });
    const host = await bench.host(address);
    await host.slots();
    assert.equal(bench.device.edges(1, 0).length, 3000);
    const got: Edge[] = [];
    const stop = host.onEdge((edge, { backfill }) => {
      assert.equal(backfill, true);
      got.push(edge);
    });
    await until(() => got.length === 3000);
    assert.ok(got.every((edge, i) => edge.seq === i + 1));
    stop();
    await until(() => bench.device.edges(1, 0).length === 0);
    assert.ok(bench.device.acknowledged.length < 3000);
    const later: number[] = [];
    host.onEdge(({ seq }) => void later.push(seq));
    bench.device.edge(1, 0, {});
    await until(() => later.length === 1);
    assert.deepEqual(later, [3001]);
  });

  it('goes on after the edges that its caller has from an earlier run; a slot that is new begins anew', async () => {
    const { address } = await bench.unix();
    const first = await bench.host(address);
    await first.create(1, TERMS, steps(1));
    await first.close();
    for (let i = 0; i < 5; i++) bench.device.edge(1, 0, { attempts: i });
    const session = bench.device.plans.get(1)?.session ?? '';
    const after: Cursor[] = [
      { slot: 1, session, seq: 3 },
      { slot: 2, session: 'ab'.repeat(16), seq: 99 },
    ];
    const host = await bench.host(address, { after });
    const got: [unknown, number][] = [];
    host.onEdge(({ slot, seq }) => void got.push([slot, seq]));
    await until(() => got.length === 2);
    await host.create(2, TERMS, steps(1));
    bench.device.edge(2, 0, {});
    await until(() => got.length === 3);
    await host.remove(2);
    await host.create(2, TERMS, steps(1));
    bench.device.edge(2, 0, {});
    await until(() => got.length === 4);
    assert.deepEqual(got, [
      [1, 4],
      [1, 5],
      [2, 1],
      [2, 1],
    ]);
  });

  it('is let go when the device cannot read its edges, and gets them when it can', async () => {
    const { address } = await bench.unix();
    const host = await bench.host(address);
    await host.create(1, TERMS, steps(1));
    const got: number[] = [];
    host.onEdge(({ seq }) => void got.push(seq));
    const { edges } = bench.device;
    let fails = 2;
    bench.device.edges = (...asked) => {
      if (fails-- > 0) throw new Error('the disk');
      return edges.apply(bench.device, asked);
    };
    bench.device.edge(1, 0, {});
    await until(() => got.length === 1);
    assert.equal(bench.events.filter(({ event }) => event === 'failed').length, 2);
  });

  it('leaves nothing staged when it loses its seat while it begins', async () => {
    const { address } = await bench.unix();
    const host = await bench.host(address, { name: 'slow' });
    const { begin } = bench.device;
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    let asked = false;
    bench.device.begin = async (...terms) => {
      asked = true;
      await held;
      await begin.apply(bench.device, terms);
    };
    const creating = host.create(1, TERMS, steps(1));
    creating.catch(() => undefined);
    await until(() => asked);
    const other = await bench.host(address, { name: 'other', takeover: true });
    go();
    await assert.rejects(creating, coded('LINK_LOST'));
    await until(() => bench.device.calls.includes('abandon 1'));
    assert.equal((await other.open(1)).summary.state, 'empty');
  });

  it('is one host for all that share it', async () => {
    const { address } = await bench.unix();
    const options = { name: 'flows', retryMs: [10, 20] } as const;
    const one = shareHost(address, options);
    const other = shareHost(address, options);
    bench.atEnd(() => one.release());
    bench.atEnd(() => other.release());
    assert.equal(one.host, other.host);
    await until(() => one.host.state === 'attached');
    await one.release();
    await one.release();
    assert.equal(other.host.state, 'attached');
    await other.release();
    assert.equal(other.host.state, 'closed');
    const next = shareHost(address, options);
    assert.notEqual(next.host, one.host);
    await next.release();
  });

  it('comes back without asking for a takeover while the device still believes in its old link', async () => {
    const { address } = await bench.unix();
    const line = await Faulty.between(bench, address);
    const host = await bench.host(line.address, { times: { idleMs: 100 } });
    const since = bench.device.host;
    // The line swallows everything: the host notices, the device does not yet.
    line.stall();
    await until(() => host.state === 'lost');
    line.forward();
    await until(() => host.state === 'attached');
    assert.equal(bench.device.host, since);
    assert.deepEqual(
      bench.events.filter(({ event }) => event === 'busy'),
      [],
    );
  });

  it('does not take what is no provisioner for one', async () => {
    const server = net.createServer(
      (socket) => void socket.on('error', () => undefined).end('HTTP/1.1 400 Bad\r\n\r\n'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    bench.atEnd(async () => void server.close());
    const { port } = server.address() as net.AddressInfo;
    const options = await bench.paired();
    await assert.rejects(bench.host(`tls:127.0.0.1:${port}`, options), coded('LINK_NO_PROVISIONER'));
    const silent = net.createServer(() => undefined);
    const path = `${bench.folder}/silent.sock`;
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    bench.atEnd(async () => void silent.close());
    await assert.rejects(bench.host(`unix:${path}`, { timeoutMs: 50 }), coded('LINK_NO_PROVISIONER'));
  });

  it('finds the provisioners among addresses and ports, and what each says of itself', async () => {
    const { host: identity, device } = await testIdentities();
    const unix = await bench.unix();
    const tls = await bench.tls();
    const deaf = plugMemoryPort({ name: 'no-provisioner', attach: () => undefined });
    bench.atEnd(async () => deaf());
    const attached = await bench.host(unix.address, { name: 'there already' });
    const looking = { name: 'looking', identity, timeoutMs: 300 };
    const found = await discoverProvisioners({
      ...looking,
      addresses: [unix.address, tls.address, 'tls:127.0.0.1:1'],
      ports: true,
    });
    assert.deepEqual(
      found.map(({ address, fingerprint, paired, host }) => [address, fingerprint, paired, host?.name ?? null]),
      [
        [tls.address, device.fingerprint, false, null],
        [unix.address, null, true, 'there already'],
      ],
    );
    assert.equal(attached.state, 'attached');
    await assert.rejects(discoverProvisioners({ ...looking, addresses: ['nonsense'] }), coded('BAD_LINK_ADDRESS'));
  });

  it('has a status that follows the device, and leaves when it is closed, whatever it is doing', async () => {
    const { address } = await bench.unix();
    const host = bench.start(address);
    await assert.rejects(host.slots(), coded('LINK_LOST'));
    await until(() => host.state === 'attached');
    for (let i = 0; i < 100; i++) bench.device.tell({ state: 'open', text: `${i}` });
    await until(() => host.status?.bus.text === '99');
    await host.close();
    await host.close();
    assert.equal(host.state, 'closed');
    const nobody = bench.start(`unix:${bench.folder}/none.sock`);
    await until(() => nobody.problem?.code === 'LINK_UNREACHABLE');
    await nobody.close();
  });
});
