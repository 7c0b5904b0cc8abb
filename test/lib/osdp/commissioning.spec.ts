import assert from 'node:assert/strict';
import { decodeFrame, type KeysetResult, parseOsdpcap } from '../../../lib/osdp/index.ts';
import type { Personality } from '../../../lib/virtual/readers/index.ts';
import { PanelBench } from './panel-bench.ts';
import { hex, KEY, OTHER_KEY } from './support.ts';

describe('the OSDP panel keys a reader', () => {
  let bench: PanelBench;
  afterEach(() => bench.close());

  async function key(personality: Partial<Personality> = {}): Promise<KeysetResult> {
    bench = await PanelBench.start({ baudRate: 115200 });
    bench.add({ baudRate: 115200, personality });
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    return await bench.run(bench.panel.keyset(0, KEY));
  }
  const reader = () => {
    const [one] = bench.bus.readers;
    assert.ok(one);
    return one;
  };

  it('and proves it by a fresh handshake', async () => {
    const result = await key();
    assert.deepEqual(result, { acknowledged: 'sealed', proved: true, installMode: 'closed' });
    assert.ok(reader().holdsKey(KEY) && reader().hasSession);
    await bench.run(bench.panel.reader(0).identify());
    const shown = bench.recorder.export();
    assert.ok(!shown.replaceAll(' ', '').includes(hex(KEY)));
  });

  const quirks: [string, Partial<Personality>, Partial<KeysetResult>][] = [
    ['that acknowledges in clear', { keysetAck: 'plain' }, { acknowledged: 'clear' }],
    ['that drops the session instead of an answer', { keysetAck: 'dropped' }, { acknowledged: 'none' }],
    ['that stays open to the default key, and says so', { staysOpen: true }, { installMode: 'open' }],
    ['that answers the lock check with its own key', { defaultChallenge: 'own-key' }, { installMode: 'closed' }],
    ['that encrypts empty replies', { encryptsEmpty: true }, { acknowledged: 'sealed' }],
    ['that sends no mark', { noMark: true }, { acknowledged: 'sealed' }],
  ];
  for (const [what, personality, expected] of quirks) {
    it(what, async () => {
      assert.deepEqual(await key(personality), {
        acknowledged: 'sealed',
        proved: true,
        installMode: 'closed',
        ...expected,
      });
      assert.ok(reader().holdsKey(KEY));
    });
  }

  it('whose acknowledgement is lost', async () => {
    bench = await PanelBench.start();
    bench.add();
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    bench.bus.fault({ kind: 'lose', direction: 'reply', name: 'ACK', times: 4 });
    const result = await bench.run(bench.panel.keyset(0, KEY));
    assert.equal(result.acknowledged, 'none');
    assert.ok(reader().holdsKey(KEY));
  });

  it('whose answer to the lock check cannot be read: the key is proved all the same', async () => {
    bench = await PanelBench.start();
    const reader = bench.add();
    bench.panel.add({ address: 0, poll: false });
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    bench.bus.fault({ kind: 'damage', direction: 'reply', name: 'NAK', times: 2 });
    const result = await bench.run(bench.panel.keyset(0, KEY));
    assert.deepEqual(result, { acknowledged: 'sealed', proved: true, installMode: 'unchecked' });
    assert.ok(reader.holdsKey(KEY) && bench.panel.reader(0).isKeyed && bench.panel.reader(0).hasSession);
  });

  it('whose silence at the lock check proves nothing', async () => {
    const result = await key({ defaultChallenge: 'silence' });
    assert.deepEqual(result, { acknowledged: 'sealed', proved: true, installMode: 'unchecked' });
  });

  it('that goes with its key and is not spoken to in clear after, whatever it holds', async () => {
    bench = await PanelBench.start();
    const one = bench.add();
    one.on('keyed', () => bench.bus.remove(one));
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    await assert.rejects(bench.run(bench.panel.keyset(0, KEY)), { code: 'NO_REPLY' });
    assert.deepEqual([bench.panel.reader(0).mayTalkClear, bench.panel.reader(0).isKeyed], [false, true]);
    bench.bus.add(one);
    const from = bench.recorder.length;
    assert.equal((await bench.run(bench.panel.reader(0).identify())).serial, 0x10000000);
    const said = parseOsdpcap(bench.recorder.export()).slice(from);
    assert.ok(said.every(({ data }) => ((data[5] as number) & 8) !== 0 || ((data[4] as number) & 8) !== 0));
  });

  it('that did not get its key is not spoken to in clear either until it is told so', async () => {
    bench = await PanelBench.start();
    const one = bench.add();
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    bench.bus.remove(one);
    await assert.rejects(bench.run(bench.panel.keyset(0, KEY)), { code: 'NO_REPLY' });
    bench.bus.add(one);
    await assert.rejects(bench.run(bench.panel.reader(0).identify()), { code: 'SC_REFUSED' });
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    assert.equal((await bench.run(bench.panel.keyset(0, OTHER_KEY))).proved, true);
  });

  it('or says that it refuses, and with which reason', async () => {
    for (const keysetNak of [2, 3, 5, 6, 9]) {
      await assert.rejects(key({ keysetNak }), (error: Error & { code: string; detail: { nak: number } }) => {
        assert.deepEqual([error.code, error.detail.nak], ['KEYSET_FAILED', keysetNak]);
        assert.ok(!hex(Buffer.from(JSON.stringify(error))).includes(hex(KEY)));
        return true;
      });
      assert.equal(reader().isKeyed, false);
      assert.equal(bench.panel.reader(0).mayTalkClear, true, 'a refusal under the session is believed');
      if (keysetNak !== 9) await bench.close();
    }
  });

  it('or finds out that it said yes and did nothing', async () => {
    await assert.rejects(key({ forgetsKey: true }), { code: 'KEYSET_FAILED' });
  });

  it('not over a distance, where the default key is as good as none', async () => {
    bench = await PanelBench.start();
    bench.add();
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    const { link } = bench.panel.line;
    Object.defineProperty(link, 'info', { value: { ...link.info, isLocal: false } });
    await assert.rejects(bench.run(bench.panel.keyset(0, KEY)), { code: 'KEYSET_IN_CLEAR' });
    assert.equal(reader().isKeyed, false);
    assert.equal((await bench.run(bench.panel.keyset(0, KEY, { force: true }))).proved, true);
  });

  it('a second time under its own key', async () => {
    await key();
    const result = await bench.run(bench.panel.keyset(0, OTHER_KEY));
    assert.equal(result.proved, true);
    assert.ok(reader().holdsKey(OTHER_KEY));
  });

  it('never in clear', async () => {
    bench = await PanelBench.start();
    bench.add({ personality: { plainKeyset: true } });
    await bench.run(bench.panel.reader(0).identify());
    await assert.rejects(bench.panel.keyset(0, KEY), { code: 'SC_REQUIRED' });
    await assert.rejects(bench.panel.reader(0).raw(0x75, new Uint8Array(18)), { code: 'CODE_REFUSED' });
    for (const { data } of parseOsdpcap(bench.recorder.export({ secrets: true }))) {
      const frame = decodeFrame(data.subarray(data[0] === 0xff ? 1 : 0));
      assert.ok(typeof frame !== 'string' && frame.code !== 0x75);
    }
  });

  const refusals: [string, Partial<Personality>, Uint8Array | null, 'default' | Uint8Array, string][] = [
    ['a reader with a key refuses the default one', {}, KEY, 'default', 'SC_REFUSED'],
    ['a reader answers the default key with its own', { defaultChallenge: 'own-key' }, KEY, 'default', 'SC_WRONG_KEY'],
    ['a reader holds another key', {}, KEY, OTHER_KEY, 'SC_WRONG_KEY'],
    ['a reader without a key is asked for one', {}, null, KEY, 'SC_REFUSED'],
    ['a reader that takes the zero key does not hold this one', { zeroKeyOpens: true }, null, KEY, 'SC_WRONG_KEY'],
    ['a reader has no secure channel', { noAes: true }, null, 'default', 'SC_REFUSED'],
  ];
  for (const [what, personality, held, tried, code] of refusals) {
    it(`and is told that ${what}`, async () => {
      bench = await PanelBench.start({ baudRate: 115200 });
      bench.add({ baudRate: 115200, key: held, personality });
      await assert.rejects(bench.run(bench.panel.reader(0).openSession({ key: tried })), { code });
      const scrypts = parseOsdpcap(bench.recorder.export({ secrets: true })).filter(({ data }) => data[9] === 0x77);
      assert.equal(scrypts.length, 0, 'no proof is given to who gave none');
    });
  }
});

describe('the OSDP panel and a reader without a secure channel', () => {
  it('do not begin a handshake once that is known', async () => {
    const bench = await PanelBench.start();
    try {
      bench.add({ personality: { noAes: true } });
      await bench.run(bench.panel.reader(0).capabilities());
      const before = bench.recorder.length;
      await assert.rejects(bench.panel.reader(0).openSession({ key: KEY }), { code: 'SC_UNSUPPORTED' });
      assert.equal(bench.recorder.length, before);
    } finally {
      await bench.close();
    }
  });
});

describe('the OSDP panel moves a reader', () => {
  let bench: PanelBench;
  afterEach(() => bench.close());

  async function start(personality: Partial<Personality> = {}, switchMs = 37, key: Uint8Array | null = null) {
    bench = await PanelBench.start();
    bench.add({ personality, switchMs, key });
    if (key !== null) bench.panel.add({ address: 0, key, poll: false });
    else await bench.run(bench.panel.reader(0).identify());
    return bench.bus.readers[0];
  }

  it('to another address and rate, and follows it', async () => {
    for (const switchMs of [0, 37, 500]) {
      const reader = await start({}, switchMs);
      const moved = await bench.run(bench.panel.comset(0, { address: 17, baudRate: 115200 }));
      assert.deepEqual([moved.address, moved.baudRate, moved.confirmedBy], [17, 115200, 'reply']);
      assert.deepEqual([reader?.address, reader?.baudRate, bench.panel.baudRate], [17, 115200, 115200]);
      assert.equal((await bench.run(bench.panel.reader(17).identify())).serial, 0x10000000);
      if (switchMs < 500) await bench.close();
    }
  });

  it('and goes back to its own rate where it is to', async () => {
    await start();
    await bench.run(bench.panel.comset(0, { address: 5, baudRate: 38400 }, { stay: false }));
    assert.equal(bench.panel.baudRate, 9600);
  });

  it('whose answer is lost though it has moved', async () => {
    const reader = await start({ losesCom: true });
    const moved = await bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 }));
    assert.deepEqual([moved.address, moved.baudRate, moved.confirmedBy], [3, 57600, 'probe']);
    assert.equal(reader?.address, 3);
  });

  it('that did not get the command, which is said', async () => {
    const reader = await start();
    bench.bus.fault({ kind: 'lose', direction: 'command', name: 'COMSET', times: 2 });
    await assert.rejects(bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 })), { code: 'COMSET_REFUSED' });
    assert.deepEqual([reader?.address, bench.panel.baudRate], [0, 9600]);
  });

  it('that chooses another place, which is said, and it is met there', async () => {
    await start({ comAddress: 9, comBaudRate: 19200 });
    await assert.rejects(
      bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 })),
      (error: Error & { code: string; detail: { actual: unknown } }) => {
        assert.equal(error.code, 'COMSET_DIFFERENT');
        assert.deepEqual(error.detail.actual, { address: 9, baudRate: 19200 });
        return true;
      },
    );
    assert.equal(bench.panel.baudRate, 19200);
    await bench.run(bench.panel.reader(9).identify());
  });

  it('that says it went where no reader can be, and is looked for where it may be', async () => {
    for (const place of [{ comAddress: 127 }, { comAddress: 200 }, { comBaudRate: 0 }, { comBaudRate: 0xffffffff }]) {
      await start(place);
      const move = bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 }));
      const wanted = { address: 3, baudRate: 57600 };
      await assert.rejects(move, { code: 'COMSET_LOST', detail: { address: 0, baudRate: 9600, wanted } });
      assert.equal(bench.panel.baudRate, 9600);
      await bench.close();
    }
    await start();
  });

  it('that refuses, with its reason', async () => {
    await start({ comsetNak: 9 });
    await assert.rejects(bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 })), {
      code: 'COMSET_REFUSED',
      message: /cannot be carried out/,
    });
  });

  it('that disappears on the way', async () => {
    const reader = await start();
    reader?.on('moved', () => bench.bus.remove(reader));
    await assert.rejects(bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 })), { code: 'COMSET_LOST' });
    assert.equal(bench.panel.baudRate, 9600);
  });

  it('under its key, and opens a new session there, without a word in clear', async () => {
    const reader = await start({ secureOnly: 'all' }, 37, KEY);
    const moved = await bench.run(bench.panel.comset(0, { address: 3, baudRate: 57600 }));
    assert.equal(moved.confirmedBy, 'reply');
    assert.ok(reader?.hasSession);
    for (const { io, data } of parseOsdpcap(bench.recorder.export({ secrets: true }))) {
      const frame = decodeFrame(data.subarray(data[0] === 0xff ? 1 : 0));
      assert.ok(io !== 'out' || (typeof frame !== 'string' && frame.security !== undefined));
    }
  });

  it('and polls it where it is now', async () => {
    await start();
    bench.panel.add({ address: 0 });
    bench.panel.start();
    await bench.clock.advance(500);
    await bench.run(bench.panel.comset(0, { address: 8, baudRate: 115200 }));
    await bench.clock.advance(500);
    assert.equal(bench.panel.isOnline(8), true);
    assert.deepEqual(
      bench.panel.readers.map(({ address }) => address),
      [8],
    );
  });

  it('commissions one from start to end in little more than the wire takes', async () => {
    for (const [baudRate, bar] of [
      [9600, 1.1],
      [115200, 1.25],
    ] as const) {
      bench = await PanelBench.start({ baudRate });
      bench.add({ baudRate });
      const { panel } = bench;
      const work = async (): Promise<void> => {
        await panel.reader(0).isThere();
        await panel.reader(0).identify();
        await panel.reader(0).capabilities();
        await panel.comset(0, { address: 17, baudRate });
        await panel.reader(17).openSession({ key: 'default' });
        const result = await panel.keyset(17, KEY);
        assert.deepEqual(result, { acknowledged: 'sealed', proved: true, installMode: 'closed' });
        await panel.reader(17).identify();
        await panel.reader(17).verifySession();
      };
      await bench.run(work());
      const { wireMs, idleMs, replyMs, switchMs, from, to } = bench.bus.stats;
      const ratio = (to - (from ?? 0)) / (wireMs + idleMs + replyMs + switchMs);
      assert.ok(ratio <= bar, `${ratio} at ${baudRate}`);
      if (baudRate === 9600) await bench.close();
    }
  });
});
