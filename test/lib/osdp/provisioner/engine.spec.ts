import assert from 'node:assert/strict';
import { decodeFrame, parseOsdpcap, SCBK_D } from '../../../../lib/osdp/index.ts';
import { STAGES } from '../../../../lib/osdp/provisioner/types.ts';
import type { Personality, VirtualReaderOptions } from '../../../../lib/virtual/readers/index.ts';
import { hex, KEY } from '../support.ts';
import { EngineBench, PLAN, type RunOptions, scbk } from './engine-bench.ts';

describe('a provisioning step', () => {
  let bench: EngineBench;
  afterEach(() => bench.close());

  async function step(reader: VirtualReaderOptions = {}, options: RunOptions = {}) {
    bench = await EngineBench.start();
    bench.at.add(reader);
    return await bench.step(options);
  }
  /** Frames that the panel has sent, keys and all. */
  const sent = () =>
    parseOsdpcap(bench.at.recorder.export({ secrets: true }))
      .filter(({ io }) => io === 'out')
      .map(({ data }) => decodeFrame(data.subarray(1)))
      .map((frame) => (typeof frame === 'string' ? assert.fail(frame) : frame));
  const codes = () => sent().map(({ code }) => code);
  const KEYSET = 0x75;
  const COMSET = 0x6e;

  it('takes a new reader from its factory state to a proved key', async () => {
    const result = await step();
    assert.deepEqual(
      [result.outcome, result.stage, result.stageState, result.keyVersion, result.maybeKeyed],
      ['ok', 'done', 'reached', 0, null],
    );
    assert.ok(bench.isDone(bench.reader));
    assert.deepEqual(result.identity, {
      vendor: '4B5759',
      model: 1,
      version: 1,
      serial: '10000000',
      firmware: '1.0.0',
    });
    const { text, frames, ...detail } = result.detail;
    assert.deepEqual(detail, {
      comsetApplied: true,
      keyed: true,
      foundAt: { address: 0, baudRate: 9600 },
      resends: 0,
      busies: 0,
      garbageBytes: 0,
    });
    assert.match(text, /address 17 at 115200 baud/);
    assert.equal(frames, sent().length);
    assert.deepEqual([result.place, bench.at.panel.baudRate, result.attempted], [PLAN, 115200, true]);
  });

  it('tells each stage as it begins and as it is reached, in their order', async () => {
    await step();
    const expected = STAGES.flatMap((stage) => (stage === 'done' ? ['done'] : [stage, stage]));
    assert.deepEqual(
      bench.told.map(({ stage }) => stage),
      expected,
    );
    assert.ok(bench.told.every(({ state }, i) => state === (i % 2 === 0 && i < 16 ? 'in-flight' : 'reached')));
    assert.equal(bench.intents, 1);
  });

  it('writes the intent down before the key leaves, and only once a session is open', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    const before: number[] = [];
    const result = await bench.step({
      beforeKeyset: async () => {
        before.push(...codes());
      },
    });
    assert.equal(result.outcome, 'ok');
    assert.ok(before.includes(0x77) && !before.includes(KEYSET));
  });

  it('hands on what the journal refuses with, and sends no key', async () => {
    const failure = new Error('the disk is full');
    bench = await EngineBench.start();
    bench.at.add();
    await assert.rejects(bench.step({ beforeKeyset: () => Promise.reject(failure) }), failure);
    assert.equal(bench.reader.isKeyed, false);
    assert.ok(!codes().includes(KEYSET));
  });

  it('says nothing of the bus where it is the journal that failed, be the port gone too', async () => {
    const failure = Object.assign(new Error('the disk is full'), { code: 'NO_REPLY' });
    bench = await EngineBench.start();
    bench.at.add();
    const beforeKeyset = (): Promise<void> => {
      bench.at.bus.pull();
      return Promise.reject(failure);
    };
    await assert.rejects(bench.step({ beforeKeyset }), failure);
  });

  it('needs thirteen exchanges and hardly waits', async () => {
    for (const [baudRate, bar] of [
      [9600, 1.1],
      [115200, 1.25],
    ] as const) {
      for (const bus of ['single', 'multi'] as const) {
        bench = await EngineBench.start({ baudRate });
        bench.at.add({ baudRate });
        const factory = { address: 0, baudRate };
        const result = await bench.step({ plan: { address: 17, baudRate }, terms: { factory, bus } });
        assert.equal(result.outcome, 'ok');
        const { wireMs, idleMs, replyMs, switchMs, from, to } = bench.at.bus.stats;
        const ratio = (to - (from ?? 0)) / (wireMs + idleMs + replyMs + switchMs);
        assert.ok(ratio <= bar, `${ratio} at ${baudRate} with ${bus}`);
        assert.equal(codes().filter((code) => code !== 0x60).length, 10, 'and three polls and more');
        if (baudRate === 9600 || bus === 'single') await bench.close();
      }
    }
  });

  const readers: [string, Partial<VirtualReaderOptions>, Partial<Personality>][] = [
    ['sits at its place already', { address: 17, baudRate: 115200 }, {}],
    ['has its address but not its rate', { address: 17 }, { silentUntilPolled: true }],
    ['takes half a second to change over', { switchMs: 500 }, {}],
    ['changes over at once', { switchMs: 0 }, {}],
    ['loses its answer to COMSET', {}, { losesCom: true }],
    ['says nothing before its first POLL', {}, { silentUntilPolled: true }],
    ['acknowledges its key in clear', {}, { keysetAck: 'plain' }],
    ['drops the session instead of an acknowledgement', {}, { keysetAck: 'dropped' }],
    ['answers the lock challenge with its own key', {}, { defaultChallenge: 'own-key' }],
    ['passes over the lock challenge', {}, { defaultChallenge: 'silence' }],
    ['refuses everything in clear once it has a key', {}, { secureOnly: 'all' }],
    ['refuses everything in clear from the start', {}, { secureOnly: 'always' }],
    [
      'refuses everything in clear and passes over the lock challenge',
      {},
      { secureOnly: 'always', defaultChallenge: 'silence' },
    ],
    ['locks with its first session only', {}, { locksLate: true }],
    ['complains of damaged frames', {}, { badCheck: 'nak' }],
    ['knows the checksum only', {}, { noCrc: true }],
    ['knows the checksum only, and says so', {}, { noCrc: true, badCheck: 'nak' }],
    ['tells its status first', {}, { statusAtPowerUp: true }],
    ['sends no mark', {}, { noMark: true }],
    ['encrypts empty replies', {}, { encryptsEmpty: true }],
    ['takes 150 ms to reply', { replyMs: 150 }, {}],
  ];
  for (const [what, options, personality] of readers) {
    it(`commissions a reader that ${what}`, async () => {
      const place = options.address === 17 ? { factory: { address: 17, baudRate: options.baudRate ?? 9600 } } : {};
      const result = await step({ ...options, personality }, { terms: { ...place } });
      assert.equal(result.outcome, 'ok', result.detail.text);
      assert.ok(bench.isDone(bench.reader));
      const keysets = sent().filter(({ code }) => code === KEYSET);
      assert.equal(new Set(keysets.map(({ raw }) => hex(raw))).size, 1, 'at most the same bytes again');
      if (options.address === 17 && options.baudRate === 115200) assert.ok(!codes().includes(COMSET));
    });
  }

  it('looks at its own place first when it was tried before', async () => {
    const result = await step({ address: 17, baudRate: 115200 }, { again: true });
    assert.equal(result.outcome, 'ok');
    assert.deepEqual([sent()[0]?.address, result.detail.foundAt, result.detail.comsetApplied], [17, PLAN, true]);
  });

  it('says ok of a reader that an earlier attempt has keyed, and does not key it again', async () => {
    for (const [held, keyVersion, earlierVersions] of [
      [0, 0, [0]],
      [0, 0, []],
      [1, 2, [1, 0]],
    ] as const) {
      for (const secureOnly of ['nothing', 'all'] as const) {
        const key = scbk(17, held);
        const reader = { address: 17, baudRate: 115200, key, personality: { secureOnly } };
        const result = await step(reader, { again: true, keyVersion, earlierVersions });
        assert.deepEqual([result.outcome, result.keyVersion, result.detail.keyedBefore], ['ok', held, true]);
        assert.ok(!codes().includes(KEYSET) && !codes().includes(COMSET));
        assert.equal(bench.intents, 0);
        assert.match(result.detail.text, /held its key already/);
        if (held === 0 || secureOnly === 'nothing') await bench.close();
      }
    }
  });

  it('moves a reader that holds its key and refuses to be moved in clear', async () => {
    const personality = { secureOnly: 'all' } as const;
    const result = await step({ key: scbk(17), personality }, { earlierVersions: [0] });
    assert.deepEqual([result.outcome, result.detail.keyedBefore], ['ok', true]);
    assert.ok(bench.isDone(bench.reader));
    const moves = sent().filter(({ code }) => code === COMSET);
    assert.deepEqual(
      moves.map(({ security }) => security?.type),
      [undefined, 0x17],
    );
  });

  it('challenges the derived key first where one may have left before', async () => {
    await step({}, { earlierVersions: [0] });
    const kinds = sent().filter(({ code }) => code === 0x76);
    assert.deepEqual(
      kinds.map(({ security }) => security?.data[0]),
      [1, 0, 0, 1],
    );
  });

  it('leaves auto-verify out where the plan does, and still proves the key', async () => {
    const result = await step({}, { terms: { autoVerify: false } });
    assert.equal(result.outcome, 'ok');
    assert.ok(!bench.milestones.some((one) => one.startsWith('auto-verify')));
    assert.equal(codes().filter((code) => code === 0x61).length, 1);
    assert.ok(bench.isDone(bench.reader));
  });

  it('checks what is expected before anything is written, and once more under the new key', async () => {
    const result = await step({}, { terms: { capabilities: ['secure-channel', 'crc', 'led'], autoVerify: false } });
    assert.equal(result.outcome, 'ok');
    const caps = sent().filter(({ code }) => code === 0x62);
    assert.deepEqual(
      caps.map(({ security }) => security?.type),
      [undefined, 0x17],
    );
  });

  it('takes the reader with the serial number that is asked for', async () => {
    const result = await step(
      { id: { serial: 0xabc } },
      { plan: { serial: '00000ABC' }, terms: { autoVerify: false } },
    );
    assert.equal(result.outcome, 'ok');
    assert.deepEqual(
      sent()
        .filter(({ code }) => code === 0x61)
        .map(({ security }) => security?.type),
      [undefined, 0x17],
    );
  });

  it('sends the key once, encrypted, and says it nowhere', async () => {
    const result = await step();
    const shown = JSON.stringify([result, bench.told]) + bench.at.recorder.export();
    const wire = parseOsdpcap(bench.at.recorder.export({ secrets: true }))
      .map(({ data }) => hex(data))
      .join('');
    for (const text of [shown.replaceAll(' ', ''), wire]) {
      assert.ok(!text.toUpperCase().includes(hex(scbk(17))));
      assert.ok(!text.toUpperCase().includes(hex(SCBK_D as Uint8Array)));
    }
    assert.ok(bench.keys.length >= 2);
  });

  it('goes on where another flow has left the panel', async () => {
    bench = await EngineBench.start({ baudRate: 38400 });
    bench.at.add();
    bench.at.panel.add({ address: 0 });
    bench.at.panel.start();
    await bench.at.clock.advance(400);
    assert.equal((await bench.step()).outcome, 'ok');
  });

  it('hears its own bytes on an adapter that echoes', async () => {
    bench = await EngineBench.start({ echo: true });
    bench.at.add();
    assert.equal((await bench.step()).outcome, 'ok');
  });

  it('does not touch the other readers on the wires', async () => {
    bench = await EngineBench.start();
    const others = [3, 5].map((address) => bench.at.add({ address, key: KEY }));
    const fresh = bench.at.add();
    assert.equal((await bench.step({ terms: { bus: 'multi' } })).outcome, 'ok');
    assert.ok(bench.isDone(fresh));
    assert.ok(others.every((one) => one.holdsKey(KEY) && one.baudRate === 9600));
    assert.ok(sent().every(({ address }) => address === 0 || address === 17));
  });
});
