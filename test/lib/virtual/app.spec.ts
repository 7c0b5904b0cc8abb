import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import type { DeviceEndpoint, Judge } from '../../../lib/endpoint/index.ts';
import { type EstListener, listenEst } from '../../../lib/pki/node.ts';
import { parseChip } from '../../../lib/virtual/cli/chip-options.ts';
import type { ApplicationOptions } from '../../../lib/virtual/index.ts';
import { type Bench, MAC, NAMESPACE, textOf } from '../endpoint/support.ts';
import { DAY, HOUR, type Trust, trust } from '../endpoint/trust.ts';
import { AppBench, type ChipOptions } from './app-bench.ts';

const STATE = /state: CONNECTING -> CONNECTED/;

describe('virtual chip: the test application', function () {
  this.timeout(30_000);
  let world: Trust;
  let broker: Bench<Judge>;
  let est: EstListener;
  const open: (() => unknown)[] = [];

  beforeEach(async () => {
    world = await trust();
    open.push(() => world.close());
    broker = await world.bench({ presence: undefined } as object);
    open.push(() => broker.close());
    const { judge, authority, registry: store, time: clock } = world;
    est = await listenEst({ ...{ judge, authority, store, clock }, port: 0 });
    open.push(() => est.close());
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  const application = (more: ApplicationOptions = {}): ApplicationOptions => ({
    broker: `mqtts://127.0.0.1:${broker.port}`,
    est: `https://127.0.0.1:${est.port}`,
    time: world.time,
    random: () => 0,
    telemetryMs: DAY,
    ...more,
  });

  async function chipWith(more: ApplicationOptions = {}, options: ChipOptions = {}): Promise<AppBench> {
    const made = await AppBench.make(world.device, MAC, { application: application(more), ...options });
    open.push(() => made.close());
    return made;
  }

  const endpoint = (): DeviceEndpoint => broker.endpoint;

  it('connects with what is in NVS, says that it is there, publishes, and takes commands', async () => {
    const messages: string[] = [];
    endpoint().on('message', (message) => messages.push(`${message.topic} ${textOf(message)}`));
    const chip = await chipWith({ telemetryMs: 1000 });
    await chip.until(STATE);
    await chip.when(() => messages.length >= 3, 'telemetry');
    assert.deepEqual(messages.slice(0, 2), ['presence online', `telemetry ${messages[1]?.split(' ')[1]}`]);
    assert.match(messages[1] ?? '', /\{"uptime":\d+\}/);
    const [session] = endpoint().sessions();
    assert.equal(session?.serial, world.device.serial);
    await chip.when(() => (endpoint().sessions()[0]?.subscriptions.length ?? 0) > 0, 'a subscription');
    await endpoint().publish({ namespace: NAMESPACE, mac: MAC, topic: 'command/reboot', payload: 'now', qos: 1 });
    await chip.until(/received command\/reboot: 3 bytes/);
  });

  it('closes its connections at once when it loses power, and comes back when it has it', async () => {
    const chip = await chipWith();
    await chip.until(STATE);
    const gone = once(endpoint(), 'offline');
    chip.chip.powerOff();
    const [{ reason }] = (await gone) as [{ reason: string }];
    assert.equal(reason, 'connection lost');
    const said = chip.lines.length;
    await chip.clock.advance(DAY);
    assert.equal(chip.lines.length, said, 'a chip without power says something');
    chip.hush();
    chip.chip.powerOn();
    await chip.until(STATE);
  });

  it('stops at the boot log without the application, or without an identity', async () => {
    const plain = await AppBench.make(world.device, MAC);
    open.push(() => plain.close());
    await plain.until(/identity found/);
    await plain.clock.advance(60_000);
    assert.ok(!plain.lines.some((line) => line.includes('state:')));
    const empty = await chipWith();
    empty.chip.flash.fill(0xff, 0x9000, 0xf000);
    await empty.until(/SCADABLE_ERR_NO_CERT/);
    await empty.clock.advance(60_000);
    assert.ok(!empty.lines.some((line) => line.includes('state:')));
  });

  it('takes the broker that stands beside the identity', async () => {
    const url = `mqtts://127.0.0.1:${broker.port}`;
    const { broker: _, ...others } = application();
    const own = { layout: 'libscadable', extra: { brokerUrl: url }, application: others } as const;
    const chip = await AppBench.make(world.device, MAC, own);
    open.push(() => chip.close());
    await chip.until(STATE);
    const none = await AppBench.make(world.other, '246f28aabb10', { application: others });
    open.push(() => none.close());
    await none.until(/no broker is known/);
  });

  it('renews at hour 18 of each 24 with a new key, keeps it, and comes with it', async () => {
    const chip = await chipWith();
    await chip.until(STATE);
    await chip.until(/time is set/);
    world.ahead = 18 * HOUR - 60_000;
    await chip.clock.advance(18 * HOUR - 60_000);
    assert.equal(chip.held.serial, world.device.serial);
    const gone = once(endpoint(), 'offline');
    const over: unknown[] = [];
    world.registry.subscribe(({ topic, subject }) => topic === 'certificate.superseded' && over.push(subject));
    world.ahead = 18 * HOUR + 60_000;
    await chip.clock.advance(120_000);
    await chip.until(/renewed: valid until/);
    await gone;
    chip.hush();
    await chip.until(STATE);
    const { serial, faults } = chip.held;
    assert.deepEqual(faults, []);
    assert.notEqual(serial, world.device.serial);
    assert.equal(endpoint().sessions()[0]?.serial, serial);
    // Its first use is what makes it live.
    await chip.when(() => over.includes(world.device.serial), 'the end of the old one');
    const records = await world.registry.certificatesOf(NAMESPACE, MAC);
    assert.equal(records.find((one) => one.serial === serial)?.state, 'live');
    assert.equal(records.find((one) => one.serial === world.device.serial)?.state, 'superseded');
    // And again, a day later.
    chip.hush();
    world.ahead += 18 * HOUR;
    await chip.clock.advance(18 * HOUR);
    await chip.until(/renewed: valid until/);
    assert.notEqual(chip.held.serial, serial);
  });

  it('renews in an NVS that is encrypted', async () => {
    const hmacKey = new Uint8Array(randomBytes(32));
    const chip = await chipWith({ rotation: { fraction: 0.05 } }, { hmacKey });
    await chip.until(STATE);
    await chip.until(/time is set/);
    world.ahead = DAY;
    await chip.clock.advance(DAY);
    await chip.until(/renewed: valid until/);
    const { serial, faults } = chip.held;
    assert.deepEqual(faults, []);
    assert.notEqual(serial, world.device.serial);
    chip.chip.powerOff();
    chip.hush();
    chip.chip.powerOn();
    await chip.until(STATE);
    assert.equal(endpoint().sessions()[0]?.serial, serial);
  });

  it('goes on with what it has when the EST service is not there, and tries again', async () => {
    const chip = await chipWith({ est: 'https://127.0.0.1:1' });
    await chip.until(STATE);
    await chip.until(/time is set/);
    world.ahead = 18 * HOUR;
    await chip.clock.advance(18 * HOUR);
    await chip.until(/renewal failed: EST_UNREACHABLE, again in 5 s/);
    await chip.until(/renewal failed: EST_UNREACHABLE, again in 10 s/);
    assert.equal(chip.held.serial, world.device.serial);
    assert.equal(endpoint().sessions().length, 1);
  });

  it('asks again with the same key when the answer is lost, and gets the same certificate', async () => {
    const { judge, authority, registry: store, time: clock } = world;
    const serials: (string | null)[] = [];
    const losing = await listenEst({
      ...{ judge, authority, store, clock, port: 0 },
      onEvent: ({ topic, serial }) => {
        if (topic !== 'est.reenrolled') return;
        serials.push(serial);
        if (serials.length < 3) connections.splice(0).forEach((socket) => void socket.destroy());
      },
    });
    const connections: Socket[] = [];
    const between = createServer((socket) => {
      const beyond = connectTcp(losing.port, '127.0.0.1');
      connections.push(socket, beyond);
      for (const one of [socket, beyond]) one.on('error', () => undefined);
      socket.pipe(beyond).pipe(socket);
    });
    open.push(
      () => losing.close(),
      () => new Promise((resolve) => between.close(resolve)),
      () => connections.forEach((socket) => void socket.destroy()),
    );
    await once(between.listen(0, '127.0.0.1'), 'listening');
    const chip = await chipWith({ est: `https://127.0.0.1:${(between.address() as AddressInfo).port}` });
    await chip.until(STATE);
    await chip.until(/time is set/);
    world.ahead = 18 * HOUR;
    await chip.clock.advance(18 * HOUR);
    await chip.until(/renewed: valid until/);
    assert.equal(serials.length, 3);
    assert.deepEqual(new Set(serials), new Set([chip.held.serial]));
  });

  it('is refused when expired, says so only when it knows the time, and is repaired by flashing', async () => {
    world.ahead = 8 * DAY;
    const notAfter = new Date(world.device.issued.notAfter).toISOString().slice(0, 10);
    const chip = await chipWith({ timeAfterMs: 0 });
    const line = await chip.until(/handshake failed/);
    assert.match(
      line,
      new RegExp(`^E \\(\\d+\\) scadable: TLS handshake failed: cert expired \\(notAfter ${notAfter}\\)$`),
    );
    const next = await chip.until(/ERROR -> CONNECTING/);
    assert.match(next, /^I \(\d+\) scadable: state: ERROR -> CONNECTING \(retriable\)$/);
    const at = (text: string): number => Number(/\((\d+)\)/.exec(text)?.[1]);
    assert.equal(at(next) - at(line), 101);
    // For ever.
    for (let i = 0; i < 3; i++) {
      chip.hush();
      await chip.until(/cert expired/);
    }
    // It awaits no set-up, so that EST has no grace for it either.
    await chip.until(/renewal failed: EST_REFUSED/);
    const lost = await AppBench.make(world.device, MAC, { application: application({ timeAfterMs: null }) });
    open.push(() => lost.close());
    const blind = await lost.until(/handshake failed/);
    assert.doesNotMatch(blind, /expired/);
    assert.match(blind, /^E \(\d+\) scadable: TLS handshake failed: /);
    lost.chip.powerOff();
    chip.chip.powerOff();
    await chip.flash(await world.mint(MAC));
    chip.hush();
    chip.chip.powerOn();
    await chip.until(STATE);
  });

  it('renews in its period of grace while it awaits its set-up', async () => {
    const device = (await world.registry.device({ namespace: NAMESPACE, mac: MAC })) ?? assert.fail();
    await world.registry.setState(device.id, 'flashing');
    await world.registry.setState(device.id, 'awaiting-setup');
    world.ahead = 20 * DAY;
    const chip = await chipWith();
    await chip.until(/cert expired/);
    await chip.until(/renewed: valid until/);
    await chip.until(STATE);
    assert.notEqual(chip.held.serial, world.device.serial);
  });

  it('loses its session when it is revoked, learns nothing of it, and comes back with a new certificate', async () => {
    const chip = await chipWith();
    await chip.until(STATE);
    await world.authority.revokeDevice(NAMESPACE, MAC, 1);
    endpoint().cut({ namespace: NAMESPACE, mac: MAC }, 'revoked');
    await chip.until(/connection lost/);
    const refused = await chip.until(/handshake failed/);
    assert.doesNotMatch(refused, /revoked|expired/);
    const [entry] = await world.log('endpoint.refused');
    assert.equal(broker.audit.length === 0 || entry?.outcome === 'denied', true);
    chip.chip.powerOff();
    const device = (await world.registry.device({ namespace: NAMESPACE, mac: MAC })) ?? assert.fail();
    await world.registry.setState(device.id, 'flashing');
    await chip.flash(await world.mint(MAC));
    await world.registry.setState(device.id, 'awaiting-setup');
    chip.hush();
    chip.chip.powerOn();
    await chip.until(STATE);
  });

  it('does not speak to a broker of another name, nor to one that is not there', async () => {
    const chip = await chipWith({ serverName: 'another.example.com' });
    await chip.until(/the certificate of the broker is not accepted \(ERR_TLS_CERT_ALTNAME_INVALID\)/);
    assert.equal(endpoint().sessions().length, 0);
    const alone = await chipWith({ broker: 'mqtts://127.0.0.1:1' });
    await alone.until(/connect failed: ECONNREFUSED/);
    await alone.until(/ERROR -> CONNECTING/);
  });

  it('does not speak to a device that poses as the broker, though its authority is the same', async () => {
    const heard: string[] = [];
    const posing = createTls({ key: world.other.key, cert: world.other.cert }, (socket) => {
      socket.on('error', () => undefined).on('data', (bytes) => heard.push(bytes.toString('hex')));
    });
    posing.on('tlsClientError', () => undefined);
    open.push(() => new Promise((resolve) => posing.close(resolve)));
    await once(posing.listen(0, '127.0.0.1'), 'listening');
    const { port } = posing.address() as AddressInfo;
    const chip = await chipWith({ broker: `mqtts://127.0.0.1:${port}` });
    await chip.until(/the certificate of the broker is not accepted \(INVALID_PURPOSE\)/);
    assert.deepEqual(heard, []);
  });

  it('keeps the old identity or the new one when power goes while it writes', async () => {
    const chip = await chipWith({ rotation: { fraction: 0.05 } }, { flashTiming: true });
    let cuts = 0;
    for (let after = 1; ; after += 3) {
      chip.chip.powerOff();
      assert.deepEqual(chip.held.faults, []);
      // Six days before its end it is due at once.
      world.ahead = chip.held.notAfter - 6 * DAY - Date.now();
      let left = after;
      const cut = (): void => {
        if (--left === 0) chip.chip.powerOff();
      };
      chip.chip.on('flash', cut);
      chip.hush();
      chip.chip.powerOn();
      await chip.when(() => left <= 0 || chip.lines.some((line) => /renewed: valid/.test(line)), 'a cut');
      chip.chip.off('flash', cut);
      if (left > 0) break;
      cuts++;
      chip.hush();
      chip.chip.powerOn();
      await chip.until(/identity found/);
      await chip.until(STATE);
    }
    assert.ok(cuts >= 3, `power was cut ${cuts} times`);
  });

  it('refuses addresses that it cannot use', async () => {
    for (const wrong of [{ broker: 'mqtt://127.0.0.1:1883' }, { broker: 'nowhere' }, { est: 'http://127.0.0.1' }]) {
      await assert.rejects(AppBench.make(world.device, MAC, { application: application(wrong) }), {
        code: 'BAD_CHIP_OPTION',
      });
    }
    const own = { model: 'esp32c3', mac: '60:55:f9:00:00:01' };
    const { application: of } = parseChip({ ...own, broker: 'mqtts://127.0.0.1', est: 'https://127.0.0.1:8443' });
    assert.deepEqual(of, { broker: 'mqtts://127.0.0.1', est: 'https://127.0.0.1:8443' });
    assert.equal(parseChip(own).application, undefined);
    assert.throws(() => parseChip({ ...own, broker: 'mqtt://127.0.0.1' }), { code: 'BAD_CHIP_OPTION' });
    for (const wrong of [{ telemetryMs: 1 }, { timeAfterMs: -1 }]) {
      await assert.rejects(AppBench.make(world.device, MAC, { application: application(wrong) }), {
        code: 'BAD_CHIP_OPTION',
      });
    }
  });
});
