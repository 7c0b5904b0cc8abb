import assert from 'node:assert/strict';
import { openLink } from '../../lib/link/index.ts';
import {
  FrameParser,
  Panel,
  type PanelEvents,
  parseOsdpcap,
  realClock,
  TraceDecoder,
  TraceRecorder,
  withMark,
} from '../../lib/osdp/index.ts';
import { ReaderBus, VirtualReader } from '../../lib/virtual/readers/index.ts';
import { hex, KEY, OTHER_KEY } from '../lib/osdp/support.ts';
import { findPython, linkTo, needLibosdp, Peer } from './libosdp.ts';

describe('peers: libosdp over a socket pair', function () {
  this.timeout(60_000);
  const python = findPython();
  const closers: (() => unknown)[] = [];

  before(function () {
    needLibosdp(this, python);
  });

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const peer = async (config: Record<string, unknown>): Promise<Peer> => {
    const made = new Peer(python as string, config);
    closers.push(() => made.stop());
    await made.until(({ ready }) => ready, 'ready');
    return made;
  };

  /** Our panel at their reader. */
  const panelAt = (other: Peer, recorder?: TraceRecorder): Panel => {
    const panel = new Panel(linkTo(other), recorder === undefined ? {} : { trace: recorder.sink });
    closers.push(() => panel.close());
    return panel;
  };

  /** Their panel at our readers. */
  const readersAt = async (other: Peer, reader: VirtualReader): Promise<ReaderBus> => {
    const bus = new ReaderBus({ name: `osdp-peer-${other.child.pid}` });
    closers.push(() => bus.close());
    bus.add(reader);
    const link = await openLink(`virtual:${bus.name}`, { owner: 'peer', baudRate: reader.baudRate });
    closers.push(() => link.close());
    // Their panel loses the begin of a frame that it reads in two pieces: it is given whole ones.
    const parser = new FrameParser({ clock: realClock, onFrame: ({ raw }) => other.wire.write(withMark(raw)) });
    link.onData((bytes) => parser.push(bytes));
    other.wire.on('data', (bytes: Buffer) => {
      // They speak on at the old rate's pace; a socket pair has none.
      link.write(bytes).catch(() => undefined);
    });
    reader.on('moved', ({ baudRate }) => void link.setBaudRate(baudRate));
    return bus;
  };

  it('our panel commissions their reader and polls it', async () => {
    const recorder = new TraceRecorder();
    const other = await peer({ role: 'reader', address: 0, flags: ['InstallMode'] });
    const panel = panelAt(other, recorder);
    await panel.reader(0).isThere();
    const id = await panel.reader(0).identify();
    assert.deepEqual([id.serial, id.model], [0x01020304, 7]);
    assert.equal((await panel.reader(0).capabilities()).secureChannel, true);
    const moved = await panel.comset(0, { address: 17, baudRate: 57600 });
    assert.deepEqual([moved.address, moved.baudRate], [17, 57600]);
    await panel.reader(17).openSession({ key: 'default' });
    const keyed = await panel.keyset(17, KEY);
    assert.deepEqual(keyed, { acknowledged: 'sealed', proved: true, installMode: 'closed' });
    assert.equal((await panel.reader(17).identify()).serial, 0x01020304);
    await other.until(({ state }) => state?.secure, 'a secure channel');

    const card = once(panel, 'card');
    const keys = once(panel, 'keypad');
    const online = once(panel, 'online');
    panel.add({ address: 17, key: KEY });
    panel.start();
    assert.equal((await online).secure, true);
    other.order({ kind: 'Event.CardRead', reader_no: 0, direction: 0, format: 1, length: 26, data: 'a1b2c380' });
    assert.equal(hex((await card).data), 'A1B2C380');
    other.order({ kind: 'Event.KeyPress', reader_no: 0, data: '313233' });
    assert.equal((await keys).keys, '123');

    const setting = { control: 1, onTime: 1, offTime: 1, onColor: 2, offColor: 0 };
    await panel
      .reader(17)
      .led([{ reader: 0, led: 0, temporary: { ...setting, control: 0, timer: 0 }, permanent: setting }]);
    await panel.reader(17).buzzer({ onTime: 2, offTime: 2, count: 1 });
    await panel.reader(17).text('Keyway');
    await other.until(({ command }) => JSON.stringify(command ?? '').includes('Keyway'), 'the text');
    assert.equal(panel.reader(17).hasSession, true);

    // What the wire has seen can be followed and verified from the start.
    const decoder = new TraceDecoder();
    const lines = parseOsdpcap(recorder.export({ secrets: true })).map((record) => decoder.next(record));
    assert.ok(lines.filter(({ mac }) => mac === 'ok').length > 10);
    assert.equal(lines.filter(({ mac }) => mac === 'bad').length, 0);
  });

  it('our panel finds their reader, and whose key it holds', async () => {
    const other = await peer({ role: 'reader', address: 9, scbk: hex(KEY) });
    const panel = panelAt(other);
    const found = await panel.discover({
      mode: 'single',
      listenMs: 50,
      baudRates: [115200],
      addresses: [7, 8, 9, 10],
      keys: [
        { name: 'other', key: OTHER_KEY },
        { name: 'site', key: KEY },
      ],
    });
    assert.equal(found.readers.length, 1);
    const [reader] = found.readers;
    assert.deepEqual([reader?.address, reader?.security], [9, { state: 'known-key', key: 'site' }]);
    await assert.rejects(panel.reader(9).openSession({ key: OTHER_KEY }), { code: 'SC_WRONG_KEY' });
    await panel.reader(9).openSession({ key: KEY });
    await panel.reader(9).identify();
  });

  it('our panel keys their reader a second time', async () => {
    const other = await peer({ role: 'reader', address: 3, scbk: hex(KEY) });
    const panel = panelAt(other);
    await panel.reader(3).openSession({ key: KEY });
    const keyed = await panel.keyset(3, OTHER_KEY);
    assert.equal(keyed.proved, true);
    await panel.reader(3).identify();
    await assert.rejects(panel.reader(3).openSession({ key: KEY }), { code: 'SC_WRONG_KEY' });
  });

  it('their panel keys our reader in install mode, polls it, and hears of cards and keys', async () => {
    const other = await peer({ role: 'panel', address: 5, scbk: hex(KEY) });
    const reader = new VirtualReader({ address: 5, baudRate: 115200 });
    const sessions: boolean[] = [];
    reader.on('session', (open) => sessions.push(open));
    await readersAt(other, reader);
    await other.until(({ state }) => state?.secure, 'a secure channel', 30_000);
    assert.ok(reader.holdsKey(KEY), 'it has set its key');
    assert.ok(reader.hasSession && sessions.length >= 3, 'under the default key, then under the new one');
    reader.present({ bits: 26, data: Uint8Array.of(0xa1, 0xb2, 0xc3, 0x80) });
    await other.until(({ event }) => JSON.stringify(event ?? '').includes('a1b2c380'), 'the card');
    reader.press('123');
    await other.until(({ event }) => JSON.stringify(event ?? '').includes('313233'), 'the keys');
  });

  it('their panel lights, sounds, moves and keys our reader under its key', async () => {
    const other = await peer({ role: 'panel', address: 5, scbk: hex(KEY) });
    const reader = new VirtualReader({ address: 5, baudRate: 115200, key: KEY });
    const seen: string[] = [];
    reader.on('buzzer', ({ count }) => seen.push(`buzzer ${count}`));
    reader.on('output', ({ output, on }) => seen.push(`output ${output} ${on}`));
    reader.on('moved', ({ address, baudRate }) => seen.push(`moved ${address} ${baudRate}`));
    reader.on('keyed', () => seen.push('keyed'));
    await readersAt(other, reader);
    await other.until(({ state }) => state?.secure, 'a secure channel', 30_000);
    const wait = async (what: string): Promise<void> => {
      for (let i = 0; i < 100 && !seen.includes(what); i++) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(seen.includes(what), `${what}: ${seen.join(', ')}`);
    };
    other.order({ kind: 'Command.Buzzer', reader: 0, control_code: 1, on_count: 2, off_count: 2, rep_count: 3 });
    await wait('buzzer 3');
    other.order({ kind: 'Command.Output', output_no: 1, control_code: 2, timer_count: 0 });
    await wait('output 1 true');
    other.order({ kind: 'Command.Comset', address: 6, baud_rate: 38400 });
    await wait('moved 6 38400');
    const polled = seen.length;
    other.order({ kind: 'Command.Buzzer', reader: 0, control_code: 1, on_count: 2, off_count: 2, rep_count: 4 });
    await wait('buzzer 4');
    assert.ok(seen.length > polled && reader.hasSession, 'the session has lived on at the new place');
    other.order({ kind: 'Command.Keyset', type: 1, data: hex(OTHER_KEY) });
    await wait('keyed');
    assert.ok(reader.holdsKey(OTHER_KEY));
  });
});

function once<N extends keyof PanelEvents>(panel: Panel, name: N): Promise<PanelEvents[N][0]> {
  return new Promise((resolve) => {
    const listener = (...args: PanelEvents[N]): void => resolve(args[0]);
    panel.once(name, listener as never);
  });
}
