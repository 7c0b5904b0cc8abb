import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import { demoImageSet } from '../../lib/esp/index.ts';
import { holderOf } from '../../lib/link/index.ts';
import { findSocket, type VirtualChip } from '../../lib/virtual/index.ts';
import { Bench, chipAndPort, type FlowNode, type Msg, stopFlow, unload } from './harness.ts';

function line(name: string, flash: Record<string, unknown> = {}, chip: Record<string, unknown> = {}): FlowNode[] {
  return [
    ...chipAndPort(name, chip),
    { id: 'plan', type: 'keyway-flash-plan', version: 2, source: 'demo', wires: [['flash']] },
    { id: 'flash', type: 'keyway-flash', version: 2, port: `port-${name}`, wires: [['out'], ['progress']], ...flash },
    { id: 'hand', type: 'keyway-bench', chip: `chip-${name}`, action: 'do', actionType: 'msg', wires: [[]] },
  ];
}

function chipOf(name: string): VirtualChip {
  const chip = findSocket(name)?.chip;
  assert.ok(chip);
  return chip;
}

/** Waits until the port of a chip that is its own port has come up. */
function portOf(name: string): Promise<void> {
  const socket = findSocket(name);
  assert.ok(socket);
  return new Promise((resolve) => {
    const look = (): void => {
      if (!socket.hasPort) return;
      stop();
      resolve();
    };
    const stop = socket.onChange(look);
    look();
  });
}

const isWaiting = (status: Msg): boolean =>
  status.fill === 'yellow' && status.shape === 'ring' && status.text === 'wait for board';

/** Sends a unit whose cable is pulled after that many bytes, until the node waits for its board. */
async function pulled(bench: Bench, name: string, at = 30_000): Promise<void> {
  chipOf(name).setFault({ kind: 'pull', at });
  bench.send('plan', { payload: 1, job: 'unit 7' });
  await bench.status('flash', isWaiting);
}

describe('keyway-flash and a cable that is pulled', () => {
  afterEach(unload);

  it('waits for the board, and writes what is missing', async () => {
    const bench = await Bench.load([
      ...line('resume-good'),
      { id: 'ports', type: 'keyway-ports', match: 'resume-good', wires: [[], ['out'], []] },
    ]);
    await pulled(bench, 'resume-good');
    bench.send('hand', { do: 'plug' });
    const msg = await bench.out.next();
    assert.deepEqual([msg.topic, msg.job, msg.payload.resumed, msg.record.resumed], ['flash/done', 'unit 7', 1, 1]);
    for (const { offset, data } of demoImageSet('esp32c3').regions) {
      assert.deepEqual(
        Buffer.from(chipOf('resume-good').flash.subarray(offset, offset + data.length)),
        Buffer.from(data),
      );
    }
    assert.deepEqual(
      bench.out.messages.map((one) => one.topic),
      ['flash/done'],
      'the board that came back was told as a new one',
    );
    assert.deepEqual(bench.caught.messages, []);
    await bench.status('flash', (status) => status.fill === 'green');
  });

  it('refuses another board, and writes nothing to it', async () => {
    const bench = await Bench.load(line('resume-other'));
    await pulled(bench, 'resume-other');
    const mine = chipOf('resume-other').mac;
    bench.send('hand', { do: 'swap' });
    const caught = await bench.caught.next();
    assert.deepEqual([caught.error.code, caught.record.code, caught.record.mac], ['WRONG_BOARD', 'WRONG_BOARD', mine]);
    assert.notEqual(chipOf('resume-other').mac, mine);
    assert.ok(chipOf('resume-other').flash.every((byte) => byte === 0xff));
    assert.equal(holderOf('virtual:resume-other'), undefined);
  });

  it('takes the board that comes back by its MAC, as it was left', async () => {
    const bench = await Bench.load([
      ...line('resume-back'),
      {
        id: 'swap',
        type: 'keyway-bench',
        chip: 'chip-resume-back',
        action: 'swap',
        newMac: 'mac',
        newMacType: 'msg',
        wires: [['progress']],
      },
    ]);
    bench.send('plan', {});
    const first = await bench.out.next();
    bench.send('swap', {});
    await bench.progress.next((msg) => msg.topic === 'bench/swap');
    bench.send('swap', { mac: first.device.mac.toUpperCase() });
    await bench.progress.many(2, (msg) => msg.topic === 'bench/swap');
    bench.send('plan', { device: { mac: first.device.mac } });
    const [, second] = await bench.out.many(2);
    assert.ok(second?.payload.steps.every((step: Msg) => step.outcome === 'skipped'));
  });

  it('ends when the board does not come back, or is not awaited at all', async () => {
    const bench = await Bench.load(line('resume-never', { patience: '0.2' }));
    await pulled(bench, 'resume-never');
    const caught = await bench.caught.next();
    assert.equal(caught.error.code, 'DEVICE_NOT_BACK');
    await unload();
    const again = await Bench.load(line('resume-off', { patience: '0' }));
    chipOf('resume-off').setFault({ kind: 'pull', at: 30_000 });
    assert.equal(await again.failure('plan', {}), 'PORT_GONE');
    await unload();
    // As it was saved before there was any waiting.
    const old = await Bench.load(line('resume-old', { version: 1 }));
    chipOf('resume-old').setFault({ kind: 'pull', at: 30_000 });
    assert.equal(await old.failure('plan', {}), 'PORT_GONE');
  });

  it('is cancelled while it waits', async () => {
    const bench = await Bench.load(line('resume-cancel'));
    await pulled(bench, 'resume-cancel');
    bench.send('flash', { cancel: true });
    const caught = await bench.caught.next();
    assert.equal(caught.error.code, 'CANCELLED');
    await bench.status('flash', (status) => status.fill === 'red' && status.text === 'CANCELLED');
  });

  it('ends at its timeout while it waits, and when the flow is deployed again; the port is free then', async () => {
    const bench = await Bench.load(line('resume-time', { timeout: '3' }));
    await pulled(bench, 'resume-time');
    const { error } = await bench.caught.next();
    assert.equal(error.code, 'TIMEOUT');
    assert.match(error.message, /\d of \d steps were done/);
    await unload();
    const again = await Bench.load(line('resume-deploy'));
    await pulled(again, 'resume-deploy');
    await stopFlow();
    assert.equal(holderOf('virtual:resume-deploy'), undefined);
  });

  it('keeps its port meanwhile: the next job for it comes after it', async () => {
    const bench = await Bench.load([
      ...line('resume-next'),
      { id: 'chip', type: 'keyway-chip', port: 'port-resume-next', wires: [['out'], []] },
    ]);
    await pulled(bench, 'resume-next');
    bench.send('chip', {});
    await bench.status('chip', (status) => status.text === 'waiting for port');
    bench.send('hand', { do: 'plug' });
    const topics = (await bench.out.many(2)).map((msg) => msg.topic);
    assert.deepEqual(topics, ['flash/done', 'chip/detected']);
  });

  it('goes on with a board that restarts, on the same port', async () => {
    const bench = await Bench.load(line('resume-reset'));
    chipOf('resume-reset').setFault({ kind: 'brownout', at: 30_000 });
    bench.send('plan', {});
    const { payload } = await bench.out.next();
    assert.ok(payload.steps.every((step: Msg) => step.verified));
  });
});

describe('keyway-flash and what was flashed before', () => {
  const userDir = mkdtempSync(join(tmpdir(), 'keyway-user-'));
  before(() => helper.settings({ userDir }));
  after(() => {
    helper.settings({});
    rmSync(userDir, { recursive: true });
  });
  afterEach(unload);

  it('writes only the sectors that differ, remembered on disk across a restart', async () => {
    const load = (cache: boolean): Promise<Bench> =>
      Bench.load([...line('cached', { cache }), { id: 'images', type: 'keyway-flash-plan', wires: [['flash']] }]);
    const data = randomBytes(0x20000);
    const images = { name: 'web pages', regions: [{ offset: 0x200000, data, name: 'pages', kind: 'data' }], erase: [] };
    const flash = async (bench: Bench): Promise<[string, number, boolean]> => {
      bench.send('images', { images });
      const { payload } = await bench.out.next();
      const { outcome, written, verified } = payload.steps[0];
      await stopFlow();
      await unload();
      return [outcome, written, verified];
    };
    assert.deepEqual(await flash(await load(true)), ['written', data.length, true]);
    const folder = join(userDir, 'keyway', 'images');
    assert.ok(readdirSync(folder).length > 0);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    data[0x8000] = ~(data[0x8000] ?? 0) & 0xff;
    assert.deepEqual(await flash(await load(true)), ['patched', 4096, true]);
    data[0x8000] = ~(data[0x8000] ?? 0) & 0xff;
    assert.deepEqual(await flash(await load(false)), ['written', data.length, true]);
  });
});

describe('keyway-flash and what stands against it', () => {
  afterEach(unload);

  it('refuses a chip that encrypts its flash for good, and says so in the record', async () => {
    const bench = await Bench.load(line('guard-release', {}, { encryption: 'release' }));
    assert.equal(await bench.failure('plan', {}), 'FLASH_ENCRYPTION_RELEASE');
    assert.equal(bench.caught.messages[0]?.record.code, 'FLASH_ENCRYPTION_RELEASE');
    assert.ok(chipOf('guard-release').flash.every((byte) => byte === 0xff));
  });

  it('overrides a guard by its code, and notes it', async () => {
    const bench = await Bench.load(line('guard-force', { force: 'force', forceType: 'msg' }));
    const device = { mac: '02:00:00:00:00:01' };
    assert.equal(await bench.failure('plan', { device: { ...device } }), 'WRONG_BOARD');
    assert.equal(await bench.failure('plan', { device: { ...device }, force: 'WRONG_CHIP' }), 'WRONG_BOARD');
    assert.equal(await bench.failure('plan', { device: { ...device }, force: 'EVERYTHING' }), 'BAD_FORCE');
    bench.send('plan', { device: { ...device }, force: ['WRONG_BOARD'] });
    const msg = await bench.out.next();
    assert.ok(msg.payload.notes.some((note: Msg) => note.code === 'WRONG_BOARD'));
    assert.match(msg.record.notes, /WRONG_BOARD/);
    assert.match(JSON.stringify(helper.log().args), /keyway\.guard\.forced/);
    assert.equal(msg.device.mac, chipOf('guard-force').mac);
  });

  for (const model of ['esp32', 'esp32s3']) {
    it(`flashes an ${model}, and refuses what is for another chip`, async () => {
      const name = `guard-${model}`;
      const bench = await Bench.load(line(name, {}, { model }));
      bench.send('plan', { device: { chip: model } });
      const msg = await bench.out.next();
      assert.equal(msg.device.chip, model === 'esp32' ? 'ESP32' : 'ESP32-S3');
      assert.ok(msg.payload.steps.every((step: Msg) => step.verified));
      assert.equal(await bench.failure('plan', { device: {} }), 'WRONG_CHIP');
    });
  }

  it('flashes a chip on its own USB, whose port goes and comes with it', async () => {
    const bench = await Bench.load(line('guard-usb', {}, { connection: 'usb-jtag' }));
    for (const turn of [1, 2]) {
      await portOf('guard-usb');
      bench.send('plan', {});
      const msg = (await bench.out.many(turn))[turn - 1];
      assert.ok(msg?.payload.steps.every((step: Msg) => step.verified));
      assert.equal(msg?.device.mac, chipOf('guard-usb').mac);
    }
    assert.deepEqual(bench.caught.messages, []);
  });

  it('says of a chip in secure download mode that nothing was verified', async () => {
    const bench = await Bench.load(
      line('guard-secure', { force: 'SECURE_DOWNLOAD', flashSize: '4MB' }, { secureDownload: true }),
    );
    bench.send('plan', {});
    const { payload, record } = await bench.out.next();
    assert.ok(payload.steps.every((step: Msg) => !step.verified));
    assert.match(record.notes, /UNVERIFIED/);
  });

  it('flashes eight boards at once with one node', async () => {
    const names = Array.from({ length: 8 }, (_unused, n) => `eight-${n}`);
    const bench = await Bench.load([
      ...names.flatMap((name) => chipAndPort(name)),
      { id: 'plan', type: 'keyway-flash-plan', source: 'demo', wires: [['flash']] },
      { id: 'flash', type: 'keyway-flash', version: 2, wires: [['out'], ['progress']] },
    ]);
    for (const port of names) bench.send('plan', { device: { port } });
    const units = await bench.out.many(names.length);
    assert.equal(new Set(units.map((msg) => msg.device.mac)).size, names.length);
    await bench.status('flash', (status) => status.text === '8 jobs');
    await bench.status('flash', (status) => status.fill === 'green');
    await stopFlow();
    for (const name of names) assert.equal(holderOf(`virtual:${name}`), undefined);
  });
});
