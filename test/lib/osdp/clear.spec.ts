import assert from 'node:assert/strict';
import { type Command, decodeFrame, encodeCommand, encodeFrame, parseOsdpcap } from '../../../lib/osdp/index.ts';
import { Peer } from '../../../lib/osdp/panel/peer.ts';
import { PanelBench } from './panel-bench.ts';
import { KEY, OTHER_KEY, plain } from './support.ts';

describe('what the OSDP panel never says in clear', () => {
  let bench: PanelBench;
  afterEach(() => bench.close());

  /** Codes that left since `from` without a security block. */
  const clear = (from = 0): number[] =>
    parseOsdpcap(bench.recorder.export({ secrets: true }))
      .slice(from)
      .filter(({ io }) => io === 'out')
      .map(({ data }) => decodeFrame(data.subarray(1)))
      .map((frame) => (typeof frame === 'string' ? assert.fail(frame) : frame))
      .filter(({ security }) => security === undefined)
      .map(({ code }) => code);

  it('is a key, however it is asked for', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ personality: { plainKeyset: true } });
    const keyset: Command = { name: 'KEYSET', type: 1, key: KEY };
    const { code, data: body } = encodeCommand(keyset);
    const data = Uint8Array.from(body);
    const one = bench.panel.reader(0);
    const peer = new Peer(bench.panel.line, 0);
    await assert.rejects(bench.run(one.ask(keyset, 'ACK')), { code: 'CODE_REFUSED' });
    await assert.rejects(bench.run(peer.send(code, data)), { code: 'KEYSET_IN_CLEAR' });
    await assert.rejects(bench.run(peer.sendOnce(code, data)), { code: 'KEYSET_IN_CLEAR' });
    for (const raw of [
      encodeFrame(plain(0, code, data)),
      encodeFrame({ ...plain(0, code, data), check: 'checksum' }),
      encodeFrame({ ...plain(0, code, data), security: { type: 0x15, data: new Uint8Array() } }),
      encodeFrame({ ...plain(0, code, data), security: { type: 0x11, data: Uint8Array.of(0) } }),
    ]) {
      await assert.rejects(bench.run(bench.panel.line.exchange(raw, 0, () => 1)), { code: 'KEYSET_IN_CLEAR' });
    }
    assert.deepEqual([bench.recorder.length, reader.isKeyed], [0, false]);
    // The refused command does not stand in the way of the next one.
    assert.equal((await bench.run(peer.send(0x61, Uint8Array.of(0)))).code, 0x45);
    assert.equal((await bench.run(one.identify())).serial, 0x10000000);
  });

  it('is a key that has to be sent again, on whatever fault', async () => {
    for (const [kind, direction] of [
      ['lose', 'command'],
      ['lose', 'reply'],
      ['damage', 'command'],
      ['damage', 'reply'],
    ] as const) {
      for (const [name, times] of [
        ['KEYSET', 2],
        ['KEYSET', 4],
        ['ACK', 4],
        [undefined, 9],
      ] as const) {
        bench = await PanelBench.start();
        const reader = bench.add({ personality: { plainKeyset: true } });
        await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
        bench.bus.fault({ kind, direction, times, ...(name === undefined ? {} : { name }) });
        if (name === 'ACK') reader.busy = 3;
        await bench.run(bench.panel.keyset(0, KEY)).catch((error: Error & { code?: string }) => {
          assert.match(error.code ?? '', /^(NO_REPLY|GARBAGE_ONLY|KEYSET_FAILED|SC_LOST|SC_REFUSED)$/);
        });
        assert.deepEqual(clear(), []);
        const wire = parseOsdpcap(bench.recorder.export({ secrets: true }));
        assert.ok(wire.every(({ data }) => !Buffer.from(data).includes(Buffer.from(KEY))));
        if (!(kind === 'damage' && direction === 'reply' && name === undefined)) await bench.close();
      }
    }
  });

  it('is the question whether a reader with a key is there', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 1, key: KEY });
    bench.add({ address: 2, key: OTHER_KEY });
    bench.panel.add({ address: 1, key: KEY, poll: false });
    bench.panel.add({ address: 2, key: KEY, poll: false });
    bench.panel.add({ address: 3, key: KEY, poll: false });
    await bench.run(bench.panel.reader(1).isThere());
    assert.equal(reader.hasSession, true);
    await assert.rejects(bench.run(bench.panel.reader(2).isThere()), { code: 'SC_WRONG_KEY' });
    await assert.rejects(bench.run(bench.panel.reader(3).isThere()), { code: 'NO_REPLY' });
    assert.deepEqual(clear(), []);
  });

  it('is what was left over when the key became known', async () => {
    bench = await PanelBench.start();
    const abort = new AbortController();
    const work = bench.panel.reader(4).identify({ signal: abort.signal });
    await Promise.resolve();
    await bench.clock.advance(5);
    abort.abort(new Error('enough'));
    await assert.rejects(bench.run(work), /enough/);
    const from = bench.recorder.length;
    assert.equal(from, 1, 'the question left, and was given up');
    bench.panel.add({ address: 4, key: KEY });
    bench.add({ address: 4, key: KEY });
    bench.panel.start();
    await bench.clock.advance(1000);
    assert.equal(bench.panel.isOnline(4), true);
    assert.deepEqual(clear(from), []);
  });

  it('is anything at all, once a session under its own key has proved it', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 4, key: KEY });
    bench.panel.add({ address: 4 });
    await assert.rejects(bench.run(bench.panel.reader(4).openSession({ key: OTHER_KEY })), { code: 'SC_WRONG_KEY' });
    assert.equal(bench.panel.reader(4).isKeyed, false, 'not by a key that does not fit');
    await bench.run(bench.panel.reader(4).openSession({ key: KEY }));
    const from = bench.recorder.length;
    reader.powerCycle();
    bench.panel.start();
    await bench.clock.advance(2000);
    assert.equal(bench.panel.isOnline(4), true);
    assert.equal(reader.hasSession, true);
    assert.deepEqual(clear(from), []);
  });

  it('is a word to its own keyed readers during a discovery', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 1, key: KEY, id: { serial: 11 } });
    bench.add({ address: 2, id: { serial: 22 } });
    bench.add({ address: 3, key: OTHER_KEY });
    bench.add({ address: 5 });
    for (const address of [1, 3, 4, 5]) bench.panel.add({ address, key: KEY });
    bench.panel.start();
    await bench.clock.advance(1000);
    const from = bench.recorder.length;
    const found = await bench.run(
      bench.panel.discover({
        mode: 'multi',
        baudRates: [115200, 9600, 19200],
        addresses: [0, 1, 2, 3, 4],
        keys: [{ name: 'archive', key: KEY }],
      }),
    );
    assert.deepEqual(
      found.readers.map(({ address, baudRate, identity, security }) => [address, baudRate, identity?.serial, security]),
      [
        [1, 9600, 11, { state: 'known-key', key: 'archive' }],
        [2, 9600, 22, { state: 'not-probed' }],
        [3, 9600, undefined, { state: 'unknown-key' }],
      ],
    );
    const probed = await bench.run(
      bench.panel.discover({ mode: 'multi', baudRates: [9600], addresses: [1, 3, 5], probeSecurity: true }),
    );
    assert.deepEqual(
      probed.readers.map(({ address, security }) => [address, security]),
      [
        [1, { state: 'known-key', key: 'address 1' }],
        [3, { state: 'unknown-key' }],
        [5, { state: 'install-mode' }],
      ],
    );
    const asked = parseOsdpcap(bench.recorder.export({ secrets: true }))
      .slice(from)
      .filter(({ io, data }) => io === 'out' && [1, 3, 4, 5].includes(data[2] ?? 0) && ((data[5] ?? 0) & 8) === 0);
    // At the other two rates nobody who knows the key listens: there each address is asked like any other.
    assert.equal(asked.length, 2 * 3);
    assert.equal(bench.panel.baudRate, 9600, 'who is polled is polled where he is');
    await bench.clock.advance(3000);
    assert.ok(reader.hasSession && bench.panel.isOnline(1));
    assert.deepEqual(
      bench.named('insecure').map((one) => (one as { address: number }).address),
      [3, 5],
      'no session was broken by it',
    );
  });
});
