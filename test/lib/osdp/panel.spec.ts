import assert from 'node:assert/strict';
import { decodeFrame, parseOsdpcap, SCBK_D } from '../../../lib/osdp/index.ts';
import { VirtualReader } from '../../../lib/virtual/readers/index.ts';
import { PanelBench } from './panel-bench.ts';
import { hex, KEY, OTHER_KEY } from './support.ts';

const sent = ({ recorder }: PanelBench) =>
  parseOsdpcap(recorder.export({ secrets: true })).filter(({ io }) => io === 'out');

describe('the OSDP panel', () => {
  let bench: PanelBench;
  afterEach(() => bench.close());

  const codes = () =>
    sent(bench).map(({ data }) => {
      const frame = decodeFrame(data.subarray(1));
      return typeof frame === 'string'
        ? 'bad'
        : `${frame.security ? 's' : ''}${frame.code.toString(16)}#${frame.sequence}`;
    });

  it('asks a reader who it is, what it can do and how it is', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 4, id: { serial: 0xcafe, firmware: [2, 3, 4] } });
    reader.tampered = true;
    const one = bench.panel.reader(4);
    const id = await bench.run(one.identify());
    assert.deepEqual([id.oui, id.serial, id.firmwareText], ['4B5759', 0xcafe, '2.3.4']);
    const can = await bench.run(one.capabilities());
    assert.deepEqual([can.secureChannel, can.crc, can.bufferSize], [true, true, 512]);
    const status = await bench.run(one.status());
    assert.deepEqual(status.local, { tamper: true, powerFailure: false });
    assert.deepEqual([...(status.readers ?? [])], [2]);
    assert.deepEqual(codes(), ['61#0', '62#1', '64#2', '65#3', '66#1', '67#2']);
  });

  it('lights, sounds, writes and switches', async () => {
    bench = await PanelBench.start();
    const reader = bench.add();
    const seen: string[] = [];
    reader.on('led', ({ permanent }) => seen.push(`led ${permanent.onColor}`));
    reader.on('buzzer', ({ count }) => seen.push(`buzzer ${count}`));
    reader.on('text', (text) => seen.push(text));
    reader.on('output', ({ output, on }) => seen.push(`output ${output} ${on}`));
    const one = bench.panel.reader(0);
    const setting = { control: 1, onTime: 1, offTime: 0, onColor: 2, offColor: 0 };
    await bench.run(
      one.led([{ reader: 0, led: 0, temporary: { ...setting, control: 0, timer: 0 }, permanent: setting }]),
    );
    await bench.run(one.buzzer({ onTime: 2, offTime: 2, count: 3 }));
    await bench.run(one.text('Hello'));
    await bench.run(one.output([{ output: 1, control: 2, timer: 0 }]));
    assert.deepEqual(seen, ['led 2', 'buzzer 3', 'Hello', 'output 1 true']);
  });

  it('sends what was not answered again byte for byte, three times and no more', async () => {
    bench = await PanelBench.start();
    bench.add();
    bench.bus.fault({ kind: 'lose', direction: 'reply', times: 3 });
    await bench.run(bench.panel.reader(0).identify());
    assert.deepEqual(new Set(sent(bench).map(({ data }) => hex(data))).size, 1);
    assert.equal(sent(bench).length, 4);
    bench.bus.fault({ kind: 'lose', direction: 'command', times: 99 });
    await assert.rejects(bench.run(bench.panel.reader(0).identify()), (error: Error & { code: string }) => {
      assert.equal(error.code, 'NO_REPLY');
      assert.match(error.message, /address 0 at 9600 baud in 4 tries \(0 bytes, 0 frames\)/);
      return true;
    });
  });

  it('loses at most a quarter of a second by a reply that got lost', async () => {
    for (const baudRate of [9600, 115200]) {
      bench = await PanelBench.start({ baudRate });
      bench.add({ baudRate, key: KEY });
      bench.panel.add({ address: 0, key: KEY, poll: false });
      const one = bench.panel.reader(0);
      await bench.run(one.verifySession());
      const time = async () => {
        const from = bench.clock.now();
        await bench.run(one.verifySession());
        return bench.clock.now() - from;
      };
      const normal = await time();
      bench.bus.fault({ kind: 'lose', direction: 'reply' });
      assert.ok((await time()) - normal <= 250);
      bench.bus.fault({ kind: 'damage', direction: 'reply' });
      assert.ok((await time()) - normal <= 120, 'a damaged one is known sooner');
      assert.equal(bench.bus.readers[0]?.hasSession, true);
      if (baudRate === 9600) await bench.close();
    }
  });

  it('asks a busy reader again, and gives up in the end', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ key: KEY });
    bench.panel.add({ address: 0, key: KEY, poll: false });
    await bench.run(bench.panel.reader(0).verifySession());
    reader.busy = 5;
    await bench.run(bench.panel.reader(0).identify());
    assert.equal(reader.hasSession, true);
    reader.busy = 99;
    await assert.rejects(bench.run(bench.panel.reader(0).identify()), { code: 'READER_BUSY' });
  });

  it('begins anew when the reader has lost count', async () => {
    bench = await PanelBench.start();
    const reader = bench.add();
    await bench.run(bench.panel.reader(0).identify());
    reader.powerCycle();
    await bench.run(bench.panel.reader(0).identify());
    assert.deepEqual(codes(), ['61#0', '61#1', '61#0']);
  });

  it('opens its session again when the reader was off, without a word in clear', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ key: KEY });
    bench.panel.add({ address: 0, key: KEY, poll: false });
    await bench.run(bench.panel.reader(0).identify());
    reader.powerCycle();
    await bench.run(bench.panel.reader(0).identify());
    assert.equal(reader.hasSession, true);
    assert.ok(codes().every((code) => code.startsWith('s')));
  });

  it('finishes what was cancelled half-way before it asks anything else, and keeps its session', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ key: KEY });
    bench.panel.add({ address: 0, key: KEY, poll: false });
    const one = bench.panel.reader(0);
    await bench.run(one.verifySession());
    const handshakes = sent(bench).length;
    const abort = new AbortController();
    const work = one.status({ signal: abort.signal });
    // The command is on the wire, its answer is not yet.
    await bench.clock.advance(25);
    abort.abort(new Error('enough'));
    await assert.rejects(bench.run(work), /enough/);
    await bench.clock.advance(500);
    await bench.run(one.identify());
    const after = sent(bench).slice(handshakes);
    assert.deepEqual(codes().slice(handshakes), ['s64#3', 's64#3', 's61#1']);
    assert.equal(hex(after[0]?.data as Uint8Array), hex(after[1]?.data as Uint8Array));
    assert.equal(reader.hasSession, true);
  });

  it('does not hear itself on an adapter that echoes', async () => {
    bench = await PanelBench.start({ echo: true });
    bench.add();
    await bench.run(bench.panel.reader(0).identify());
    assert.deepEqual([bench.panel.line.counts.filtered, bench.named('foreign').length], [1, 0]);
  });

  it('says what came instead of a reply', async () => {
    bench = await PanelBench.start();
    bench.add({ address: 3 });
    bench.add({ address: 3, id: { serial: 5 } });
    await assert.rejects(bench.run(bench.panel.reader(3).identify()), (error: Error & { code: string }) => {
      assert.equal(error.code, 'GARBAGE_ONLY');
      assert.match(error.message, /address 3 at 9600 baud came \d+ bytes with 0 frames/);
      return true;
    });
  });

  it('refuses bad input before a byte is sent', async () => {
    bench = await PanelBench.start();
    const { panel } = bench;
    for (const address of [-1, 127, 128, 1.5, Number.NaN]) {
      assert.throws(() => panel.reader(address), { code: 'BAD_OSDP_ADDRESS' });
      assert.throws(() => panel.add({ address }), { code: 'BAD_OSDP_ADDRESS' });
    }
    assert.throws(() => panel.add({ address: 1, key: new Uint8Array(5) }), { code: 'BAD_OSDP_KEY' });
    assert.throws(() => panel.add({ address: 1, key: SCBK_D as Uint8Array }), { code: 'FORBIDDEN_KEY' });
    await assert.rejects(panel.comset(1, { address: 127, baudRate: 9600 }), { code: 'BAD_OSDP_ADDRESS' });
    await assert.rejects(panel.comset(1, { address: 2, baudRate: 12345 }), { code: 'BAD_OSDP_BAUD' });
    await assert.rejects(panel.setBaudRate(300), { code: 'BAD_OSDP_BAUD' });
    await assert.rejects(panel.keyset(1, KEY), { code: 'SC_REQUIRED' });
    await assert.rejects(panel.keyset(1, new Uint8Array(16)), { code: 'FORBIDDEN_KEY' });
    for (const code of [0x75, 0x76, 0x77]) {
      await assert.rejects(panel.reader(1).raw(code, new Uint8Array(18)), { code: 'CODE_REFUSED' });
    }
    for (const length of [121, 200]) {
      await assert.rejects(panel.reader(1).raw(0x80, new Uint8Array(length)), { code: 'FRAME_TOO_LONG' });
    }
    panel.add({ address: 1 });
    assert.throws(() => panel.add({ address: 1 }), { code: 'READER_EXISTS' });
    assert.equal(bench.recorder.length, 0);
  });

  it('sends any other command by hand', async () => {
    bench = await PanelBench.start();
    bench.add();
    const reply = await bench.run(bench.panel.reader(0).raw(0x80, Uint8Array.of(1, 2, 3)));
    assert.ok(reply.name === 'NAK' && reply.reason === 3);
  });

  it('can be cancelled, and ends with its link', async () => {
    bench = await PanelBench.start();
    const abort = new AbortController();
    const work = bench.panel.reader(9).identify({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await assert.rejects(bench.run(work), /enough/);
    const more = bench.panel.reader(9).identify();
    bench.bus.close();
    await assert.rejects(bench.run(more), { code: 'PORT_GONE' });
    assert.equal(bench.named('gone').length, 1);
    assert.throws(() => bench.panel.reader(1), { code: 'PANEL_CLOSED' });
  });
});

describe('the OSDP poll loop', () => {
  let bench: PanelBench;
  afterEach(() => bench.close());

  it('tells of readers, cards, keys and tampering', async () => {
    bench = await PanelBench.start();
    const one = bench.add({ address: 1 });
    const two = bench.add({ address: 2, key: KEY });
    bench.panel.add({ address: 1 });
    bench.panel.add({ address: 2, key: KEY });
    bench.panel.start();
    await bench.clock.advance(500);
    assert.deepEqual(bench.named('online'), [
      { address: 1, secure: false, identity: bench.panel.reader(1).identity, changed: false },
      { address: 2, secure: true, identity: bench.panel.reader(2).identity, changed: false },
    ]);
    one.present({ bits: 26, data: Uint8Array.of(1, 2, 3, 0x40) });
    two.press('12*#');
    two.tamper(true);
    await bench.clock.advance(500);
    const data = Uint8Array.of(1, 2, 3, 0x40);
    assert.deepEqual(bench.named('card'), [{ address: 1, reader: 0, format: 1, bits: 26, data }]);
    assert.deepEqual(bench.named('keypad'), [{ address: 2, reader: 0, keys: '12*#' }]);
    assert.deepEqual(bench.named('tamper'), [{ address: 2, tamper: true, powerFailure: false }]);
  });

  it('does not lose a card though the reply with it is lost, nor tell it twice', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ key: KEY });
    bench.panel.add({ address: 0, key: KEY });
    bench.panel.start();
    await bench.clock.advance(300);
    bench.bus.fault({ kind: 'lose', direction: 'reply', times: 2 });
    reader.present({ bits: 8, data: Uint8Array.of(0x55) });
    await bench.clock.advance(3000);
    assert.equal(bench.named('card').length, 1);
    assert.equal(bench.named('insecure').length, 0);
  });

  it('sends a poll that was not answered three times more at most, byte for byte, and begins anew', async () => {
    bench = await PanelBench.start();
    const reader = bench.add();
    bench.panel.add({ address: 0 });
    bench.panel.start();
    await bench.clock.advance(300);
    const before = sent(bench).length;
    bench.bus.remove(reader);
    await bench.clock.advance(7000);
    const polls = sent(bench)
      .slice(before)
      .map(({ data }) => hex(data));
    const first = polls.findIndex((one) => one === polls[polls.length > 1 ? 1 : 0]);
    const same = polls.slice(first).filter((one) => one === polls[first]);
    assert.equal(same.length, 4);
    assert.ok(polls.length > first + 4, 'and goes on');
    assert.ok(
      polls.slice(first + 4).every((one) => one.slice(10, 12) === '04'),
      'at number 0',
    );
  });

  it('asks a busy reader again at its next turn', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ key: KEY });
    bench.panel.add({ address: 0, key: KEY });
    bench.panel.start();
    await bench.clock.advance(300);
    reader.busy = 8;
    reader.press('7');
    await bench.clock.advance(900);
    assert.deepEqual(bench.named('keypad'), [{ address: 0, reader: 0, keys: '7' }]);
    reader.busy = 250;
    await bench.clock.advance(10_000);
    assert.deepEqual([bench.named('offline'), bench.named('insecure')], [[], []]);
    assert.equal(reader.hasSession, true);
  });

  it('answers a question between polls, the pending poll first', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ key: KEY });
    bench.panel.add({ address: 0, key: KEY });
    bench.panel.start();
    await bench.clock.advance(300);
    reader.present({ bits: 8, data: Uint8Array.of(0x55) });
    bench.bus.fault({ kind: 'lose', direction: 'reply' });
    await bench.clock.advance(120);
    await bench.run(bench.panel.reader(0).identify());
    await bench.clock.advance(300);
    assert.deepEqual([bench.named('card').length, bench.named('insecure').length], [1, 0]);
  });

  it('takes a silent reader offline after 8 s, and on again when it is back', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 1, key: KEY });
    bench.panel.add({ address: 1, key: KEY });
    bench.panel.start();
    await bench.clock.advance(1000);
    bench.bus.remove(reader);
    const gone = bench.clock.now();
    await bench.clock.advance(10_000);
    const [offline] = bench.events.filter(({ name }) => name === 'offline');
    assert.ok(offline !== undefined && offline.at - gone >= 7900 && offline.at - gone < 8600, `${offline?.at}`);
    assert.equal(bench.panel.isOnline(1), false);
    bench.bus.add(reader);
    await bench.clock.advance(9000);
    assert.equal(bench.named('online').length, 2);
    assert.equal(bench.panel.isOnline(1), true);
  });

  it('tells once of a reader that was never there', async () => {
    bench = await PanelBench.start();
    bench.panel.add({ address: 4 });
    bench.panel.start();
    await bench.clock.advance(60_000);
    const [offline, ...more] = bench.named('offline') as { address: number; silentMs: number }[];
    assert.equal(offline?.address, 4);
    assert.ok(offline.silentMs >= 8000 && offline.silentMs < 16_500, `${offline.silentMs}`);
    assert.deepEqual(more, []);
    bench.add({ address: 4 });
    await bench.clock.advance(9000);
    assert.equal(bench.panel.isOnline(4), true);
  });

  it('is not slowed by a dead reader', async () => {
    bench = await PanelBench.start();
    for (let address = 0; address < 8; address++) {
      bench.add({ address, key: KEY });
      bench.panel.add({ address, key: KEY });
    }
    bench.panel.start();
    await bench.clock.advance(3000);
    const rate = async (): Promise<number> => {
      const before = bench.panel.polls;
      await bench.clock.advance(10_000);
      return (bench.panel.polls - before) / 10;
    };
    const all = await rate();
    const allowed = 1000 / ((30 * 10_000) / 9600 + (2 * 10_000) / 9600 + 3);
    assert.ok(all / allowed >= 0.95, `${all} of ${allowed} exchanges a second`);
    bench.bus.remove(bench.bus.readers[3] as VirtualReader);
    await bench.clock.advance(10_000);
    const seven = await rate();
    assert.ok(seven / all >= 0.95, `${seven} of ${all}`);
  });

  it('tells when a stranger sits in the place of a reader', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 1 });
    bench.panel.add({ address: 1 });
    bench.panel.start();
    await bench.clock.advance(500);
    bench.bus.remove(reader);
    await bench.clock.advance(9000);
    bench.bus.add(new VirtualReader({ address: 1, id: { serial: 99 } }));
    await bench.clock.advance(10_000);
    assert.equal((bench.named('online').at(-1) as { changed: boolean }).changed, true);
  });

  it('speaks no clear word to a keyed reader, and never keys one again', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 1, key: KEY });
    bench.panel.add({ address: 1, key: KEY });
    bench.panel.start();
    await bench.clock.advance(1000);
    reader.factoryReset();
    await bench.clock.advance(12_000);
    bench.bus.swap(reader, new VirtualReader({ address: 1, key: OTHER_KEY }));
    await bench.clock.advance(20_000);
    const troubles = bench.named('insecure').map((one) => (one as { code: string }).code);
    assert.deepEqual(troubles, ['SC_LOST', 'SC_REFUSED', 'SC_WRONG_KEY']);
    for (const { io, data } of parseOsdpcap(bench.recorder.export({ secrets: true }))) {
      const frame = decodeFrame(data.subarray(io === 'out' ? 1 : 0));
      assert.ok(typeof frame !== 'string');
      if (io === 'out') assert.ok(frame.security !== undefined && frame.code !== 0x75);
    }
  });

  it('meets a reader that wants its key, and one that wants to be woken', async () => {
    bench = await PanelBench.start();
    bench.add({ address: 1, key: KEY, personality: { secureOnly: 'poll' } });
    bench.add({ address: 2, key: KEY, personality: { silentUntilPolled: true } });
    bench.add({ address: 3, key: KEY, personality: { silentUntilPolled: true } });
    bench.add({ address: 4 });
    bench.add({ address: 5, personality: { noCrc: true } });
    bench.panel.add({ address: 1 });
    bench.panel.add({ address: 2, key: KEY });
    bench.panel.add({ address: 3, key: KEY, wakeWithPoll: true });
    bench.panel.add({ address: 4, defaultKey: true });
    bench.panel.add({ address: 5 });
    bench.panel.start();
    await bench.clock.advance(10_000);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((address) => bench.panel.isOnline(address)),
      [true, false, true, true, true],
    );
    assert.deepEqual(
      bench.named('insecure').map((one) => (one as { code: string }).code),
      ['SC_REQUIRED'],
    );
    assert.ok(bench.panel.reader(4).hasSession && bench.panel.reader(3).hasSession);
  });

  it('keeps 126 readers alive at 9600 baud', async () => {
    bench = await PanelBench.start();
    for (let address = 0; address < 126; address++) {
      bench.add({ address, key: KEY });
      bench.panel.add({ address, key: KEY });
    }
    bench.panel.start();
    await bench.clock.advance(90_000);
    assert.equal(bench.named('online').length, 126);
    assert.deepEqual([bench.named('offline').length, bench.named('insecure').length], [0, 0]);
    assert.ok(bench.bus.readers.every(({ hasSession }) => hasSession));
    assert.equal(bench.bus.stats.collisions, 0);
  }).timeout(60_000);

  it('stops and starts, and lets a reader go', async () => {
    bench = await PanelBench.start();
    bench.add();
    bench.panel.add({ address: 0 });
    bench.panel.start();
    bench.panel.start();
    await bench.clock.advance(500);
    await bench.run(bench.panel.stop());
    const { frames } = bench.bus.stats;
    await bench.clock.advance(1000);
    assert.equal(bench.bus.stats.frames, frames);
    bench.panel.start();
    await bench.clock.advance(300);
    assert.ok(bench.bus.stats.frames > frames);
    bench.panel.remove(0);
    await bench.clock.advance(100);
    const after = bench.bus.stats.frames;
    await bench.clock.advance(1000);
    assert.equal(bench.bus.stats.frames, after);
  });
});
