import assert from 'node:assert/strict';
import { type DiscoverOptions, type Discovery, encodeFrame, Panel, withMark } from '../../../lib/osdp/index.ts';
import type { Personality, VirtualReaderOptions } from '../../../lib/virtual/readers/index.ts';
import { PanelBench } from './panel-bench.ts';
import { KEY, OTHER_KEY, plain } from './support.ts';

describe('OSDP discovery', function () {
  this.timeout(60_000);
  let bench: PanelBench;
  afterEach(() => bench.close());

  async function find(options: Partial<DiscoverOptions>, ...readers: VirtualReaderOptions[]): Promise<Discovery> {
    bench = await PanelBench.start();
    for (const one of readers) bench.add(one);
    return await bench.run(bench.panel.discover({ mode: 'single', listenMs: 2000, ...options }));
  }

  it('finds one reader at any rate and address, and says all that it tells', async () => {
    for (const [address, baudRate] of [
      [0, 9600],
      [41, 230400],
      [126, 19200],
    ] as const) {
      const found = await find({}, { address, baudRate, id: { serial: 77 } });
      assert.equal(found.readers.length, 1);
      const [one] = found.readers;
      assert.deepEqual(
        [one?.address, one?.baudRate, one?.identity?.serial, one?.check],
        [address, baudRate, 77, 'crc'],
      );
      assert.equal(one?.capabilities?.secureChannel, true);
      assert.deepEqual(one?.security, { state: 'install-mode' });
      assert.ok((found.presenceMs ?? 9999) <= 2000, `${found.presenceMs} ms`);
      assert.ok(found.searchMs < 8000, `${found.searchMs} ms`);
      assert.equal(bench.panel.baudRate, baudRate);
      if (address !== 126) await bench.close();
    }
  });

  it('is slower with a slow reader, and still finds it', async () => {
    const found = await find({}, { address: 20, baudRate: 38400, replyMs: 190 });
    assert.equal(found.readers[0]?.address, 20);
  });

  it('finds nobody where nobody is', async () => {
    const found = await find({});
    assert.deepEqual([found.readers, found.disturbed, found.presenceMs], [[], [], undefined]);
  });

  it('says that more than one answers where one should be', async () => {
    await assert.rejects(find({}, { address: 1 }, { address: 2 }), { code: 'GARBAGE_ONLY' });
  });

  const quirks: [string, Partial<Personality>, Uint8Array | null, string, boolean][] = [
    ['in install mode', {}, null, 'install-mode', false],
    ['with a known key', {}, KEY, 'known-key', false],
    ['with an unknown key', {}, OTHER_KEY, 'unknown-key', false],
    [
      'with an unknown key, that answers the default one',
      { defaultChallenge: 'own-key' },
      OTHER_KEY,
      'unknown-key',
      false,
    ],
    ['with a key, still open to the default one', { staysOpen: true }, OTHER_KEY, 'install-mode', false],
    ['that wants to be polled under its key', { secureOnly: 'poll' }, OTHER_KEY, 'unknown-key', true],
    ['that wants everything under its key', { secureOnly: 'all' }, KEY, 'known-key', true],
    ['without a secure channel', { noAes: true }, null, 'unsupported', false],
    ['that wants to be polled first', { silentUntilPolled: true }, null, 'install-mode', false],
    ['that tells its status at power-up', { statusAtPowerUp: true }, null, 'install-mode', false],
    ['that knows the checksum only', { noCrc: true, noAes: true }, null, 'unsupported', false],
    ['that complains of the CRC', { noCrc: true, noAes: true, badCheck: 'nak' }, null, 'unsupported', false],
    ['that sends no mark', { noMark: true }, null, 'install-mode', false],
    ['that takes the zero key', { zeroKeyOpens: true }, null, 'install-mode', false],
    ['that takes any number', { anySequence: true }, null, 'install-mode', false],
  ];
  for (const [what, personality, key, state, secureOnly] of quirks) {
    it(`meets a reader ${what}`, async () => {
      const found = await find({ keys: [{ name: 'site', key: KEY }] }, { address: 3, personality, key });
      assert.equal(found.readers.length, 1);
      const [one] = found.readers;
      assert.deepEqual([one?.address, one?.security.state, one?.secureOnly], [3, state, secureOnly]);
      if (state === 'known-key') assert.deepEqual(one?.security, { state, key: 'site' });
      assert.equal(one?.identity?.oui, '4B5759');
      assert.equal(one?.check, personality.noCrc ? 'checksum' : 'crc');
    });
  }

  it('finds eight readers at all rates, and invents none', async () => {
    const places = [
      [0, 9600],
      [1, 9600],
      [126, 9600],
      [5, 19200],
      [64, 38400],
      [100, 57600],
      [2, 115200],
      [33, 230400],
    ] as const;
    const found = await find(
      { mode: 'multi' },
      ...places.map(([address, baudRate], i) => ({ address, baudRate, replyMs: 3 + 20 * i })),
    );
    assert.deepEqual(
      found.readers.map(({ address, baudRate }) => `${address}@${baudRate}`).sort(),
      places.map(([address, baudRate]) => `${address}@${baudRate}`).sort(),
    );
    assert.ok(found.readers.every(({ security }) => security.state === 'not-probed'));
    assert.ok(bench.bus.readers.every(({ hasSession }) => !hasSession));
  });

  it('goes on after a reader that is too busy to say whose key it holds', async () => {
    bench = await PanelBench.start();
    const busy = bench.add({ address: 4 });
    bench.add({ address: 5 });
    const work = bench.panel.discover({
      mode: 'multi',
      baudRates: [9600],
      addresses: [4, 5],
      probeSecurity: true,
      onProgress: ({ phase, address }) => {
        if (phase === 'ask' && address === 4) busy.busy = 130;
      },
    });
    const { readers } = await bench.run(work);
    assert.deepEqual(
      readers.map(({ address, security }) => [address, security.state]),
      [
        [4, 'not-probed'],
        [5, 'install-mode'],
      ],
    );
  });

  it('names the address that two readers share', async () => {
    const found = await find(
      { mode: 'multi', baudRates: [9600], addresses: [3, 4, 5, 6], probeSecurity: true },
      { address: 4 },
      { address: 5 },
      { address: 5, id: { serial: 2 } },
    );
    assert.deepEqual(
      found.readers.map(({ address }) => address),
      [4],
    );
    assert.deepEqual(found.readers[0]?.security, { state: 'install-mode' });
    assert.equal(found.disturbed.length, 1);
    assert.equal(found.disturbed[0]?.address, 5);
  });

  it('does not say a word where another panel talks, unless it is told to', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 2, key: KEY });
    bench.bus.plug(`${bench.name}-other`);
    const other = new Panel(await bench.open(9600, `${bench.name}-other`), { clock: bench.clock });
    other.add({ address: 2, key: KEY });
    other.start();
    await bench.clock.advance(1000);
    const frames = () => bench.recorder.length;
    const heard = frames();
    const collisions = (): number => bench.bus.stats.collisions;
    assert.equal(collisions(), 0);
    await assert.rejects(bench.run(bench.panel.discover({ mode: 'multi', baudRates: [9600, 38400] })), {
      code: 'BUS_HAS_PANEL',
      message: /at 9600 baud: \d+ commands/,
    });
    assert.ok(frames() >= heard && reader.hasSession && collisions() === 0);
    await assert.rejects(bench.run(bench.panel.discover({ mode: 'multi', baudRates: [38400, 19200] })), {
      code: 'BUS_NOISY',
      message: /bytes came at 38400 baud/,
    });
    assert.equal(bench.named('foreign').length > 0, true);
    await other.stop();
    const found = await bench.run(
      bench.panel.discover({ mode: 'multi', baudRates: [9600], addresses: [2], force: true }),
    );
    assert.equal(found.readers.length, 1);
    await other.close();
  });

  it('does not say a word where only the replies to another panel can be heard', async () => {
    bench = await PanelBench.start();
    bench.bus.plug(`${bench.name}-other`);
    const station = await bench.open(9600, `${bench.name}-other`);
    const reply = encodeFrame({ ...plain(2, 0x40), reply: true });
    const work = bench.panel.discover({ mode: 'multi', baudRates: [9600], addresses: [2] });
    await bench.clock.advance(100);
    await station.write(withMark(reply));
    await assert.rejects(bench.run(work), { code: 'BUS_HAS_PANEL', message: /0 commands and 1 replies/ });
    await station.close();
  });

  it('opens sessions again that a question to all has ended, without a fuss', async () => {
    bench = await PanelBench.start();
    const reader = bench.add({ address: 3, key: KEY });
    bench.panel.add({ address: 3, key: KEY });
    bench.panel.start();
    await bench.clock.advance(500);
    const options = { mode: 'single', listenMs: 0, keys: [{ name: 'site', key: KEY }] } as const;
    const { readers } = await bench.run(bench.panel.discover(options));
    assert.deepEqual(readers[0]?.security, { state: 'known-key', key: 'site' });
    await bench.clock.advance(1000);
    assert.deepEqual([bench.named('insecure'), reader.hasSession, bench.panel.isOnline(3)], [[], true, true]);
  });

  it('stops when another panel begins to talk meanwhile', async () => {
    bench = await PanelBench.start();
    bench.add({ address: 2 });
    bench.bus.plug(`${bench.name}-other`);
    const other = new Panel(await bench.open(9600, `${bench.name}-other`), { clock: bench.clock });
    other.add({ address: 2 });
    const work = bench.panel.discover({
      mode: 'multi',
      baudRates: [9600],
      onProgress: ({ phase, done }) => {
        if (phase === 'search' && done === 5) other.start();
      },
    });
    await assert.rejects(bench.run(work), { code: 'BUS_HAS_PANEL', message: /began to talk/ });
    await other.close();
  });

  it('reports its progress, and can be cancelled', async () => {
    bench = await PanelBench.start();
    bench.add({ address: 3 });
    const abort = new AbortController();
    const phases = new Set<string>();
    const work = bench.panel.discover({
      mode: 'multi',
      signal: abort.signal,
      onProgress: ({ phase, done, total, present }) => {
        assert.ok(done <= total);
        phases.add(present ? 'present' : phase);
        if (phase === 'search' && done === 10) abort.abort();
      },
    });
    await assert.rejects(bench.run(work), { code: 'CANCELLED', message: /1 readers/ });
    assert.deepEqual([...phases], ['listen', 'search', 'present', 'ask']);
  });

  it('refuses rates, addresses and keys that cannot be', async () => {
    bench = await PanelBench.start();
    const { panel } = bench;
    await assert.rejects(panel.discover({ mode: 'multi', baudRates: [1200] }), { code: 'BAD_OSDP_BAUD' });
    await assert.rejects(panel.discover({ mode: 'multi', addresses: [127] }), { code: 'BAD_OSDP_ADDRESS' });
    await assert.rejects(panel.discover({ mode: 'single', keys: [{ name: 'x', key: new Uint8Array(16) }] }), {
      code: 'FORBIDDEN_KEY',
    });
  });
});
