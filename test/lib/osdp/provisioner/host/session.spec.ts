import assert from 'node:assert/strict';
import * as net from 'node:net';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { encodeFrame, FrameReader } from '../../../../../lib/osdp/provisioner/link/frame.ts';
import { LinkBench, until } from '../link/bench.ts';
import { FakeDevice } from '../link/fake-device.ts';

const coded = (code: string) => (error: unknown) => isKeywayError(error, code);
type Asked = Readonly<Record<string, unknown>>;

/** A device that answers hello and attach as it should, and the rest as it is told. */
async function oddDevice(
  bench: LinkBench,
  answer: (asked: Asked, say: (bytes: Buffer) => void) => void,
): Promise<string> {
  const path = `${bench.folder}/odd.sock`;
  const fake = new FakeDevice();
  const { name, modes, limits } = fake.status();
  const hello = { protocol: 'keyway-provisioner', version: 1, role: 'provisioner', name, software: '9', modes, limits };
  const facts = { paired: true, pairing: false, host: null, keepaliveMs: 60_000, fromTheFuture: 1 };
  const server = net.createServer((socket) => {
    const reader = new FrameReader();
    const say = (bytes: Buffer): void => void socket.write(bytes);
    const result = (id: unknown, value: object): void =>
      say(encodeFrame({ type: 'answer', id, more: false, result: value }));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const { message } of reader.push(chunk)) {
        if (message.type === 'hello') result(message.id, { ...hello, ...facts });
        else if (message.type === 'attach') result(message.id, { status: fake.status(), slots: fake.slots() });
        else answer(message, say);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  bench.atEnd(async () => void server.close());
  return `unix:${path}`;
}

describe('a host of a provisioner that says odd things', () => {
  let bench: LinkBench;
  beforeEach(async () => {
    bench = await LinkBench.make();
  });
  afterEach(() => bench.close());

  it('ignores what a later version may say beside, and answers to nothing that was asked', async () => {
    const seed = Buffer.alloc(16, 3);
    const address = await oddDevice(bench, ({ id }, say) => {
      say(encodeFrame({ type: 'weather', sky: 'blue' }));
      say(encodeFrame({ type: 'answer', id: 4711, more: false, result: {} }, seed));
      say(encodeFrame({ type: 'refusal', id: 4711, error: { code: 'SLOT_EMPTY', message: 'x' } }, seed));
      say(encodeFrame({ type: 'answer', id, more: false, result: { slots: [], later: true } }));
    });
    const host = await bench.host(address);
    assert.deepEqual(await host.slots(), []);
    assert.equal(host.state, 'attached');
  });

  it('refuses answers that are none, and goes on', async () => {
    const session = 'ab'.repeat(16);
    const answers = [
      encodeFrame({ type: 'answer', id: 3, more: false, result: { slots: [{ slot: 1 }] } }),
      encodeFrame({ type: 'answer', id: 4, more: false, result: { slot: 1, session, kdf: 'k' } }),
      encodeFrame({ type: 'answer', id: 5, more: false, result: { slots: [] } }, Buffer.alloc(16, 5)),
      encodeFrame({
        type: 'refusal',
        id: 6,
        error: { code: 'SLOT_EMPTY', message: 'a\u0007b', detail: { deep: [1] } },
      }),
    ];
    const address = await oddDevice(bench, (_asked, say) => {
      const next = answers.shift();
      if (next !== undefined) say(next);
    });
    const host = await bench.host(address);
    await assert.rejects(host.slots(), coded('BAD_MESSAGE'));
    await assert.rejects(
      host.withSeed(1, () => undefined),
      coded('BAD_MESSAGE'),
    );
    await assert.rejects(host.slots(), coded('BAD_MESSAGE'));
    await assert.rejects(host.slots(), (error) => {
      assert.ok(isKeywayError(error, 'SLOT_EMPTY'));
      assert.deepEqual([error.message, error.detail], ['a b', { deep: [1] }]);
      return true;
    });
    assert.equal(host.state, 'attached');
  });

  for (const [name, bytes, code] of [
    [
      'a refusal of it knows not what',
      { type: 'refusal', id: null, error: { code: 'BAD_FRAME', message: 'x' } },
      'BAD_FRAME',
    ],
    ['an edge that is none', { type: 'edge', edge: {}, backfill: false }, 'BAD_MESSAGE'],
    ['a message of no kind', { sort: 1 }, 'BAD_MESSAGE'],
    ['a detail that is no object', { type: 'bye', error: { code: 'X_Y', message: 'x', detail: [] } }, 'BAD_MESSAGE'],
    [
      'a detail that is too deep',
      { type: 'bye', error: { code: 'X_Y', message: 'x', detail: { a: [[[[[1]]]]] } } },
      'BAD_MESSAGE',
    ],
  ] as const) {
    it(`lets go after ${name}, and tries again`, async () => {
      const address = await oddDevice(bench, (_asked, say) => say(encodeFrame(bytes)));
      const host = await bench.host(address);
      const problems: (string | undefined)[] = [];
      host.onState(({ problem }) => problems.push(problem?.code));
      await assert.rejects(host.slots(), coded('LINK_LOST'));
      await until(() => host.state === 'attached' && problems.length > 1);
      assert.equal(problems[0], code);
    });
  }
});
