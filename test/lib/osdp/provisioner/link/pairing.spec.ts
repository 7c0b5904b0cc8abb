import assert from 'node:assert/strict';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { pairProvisioner } from '../../../../../lib/osdp/provisioner/host/index.ts';
import { Channel } from '../../../../../lib/osdp/provisioner/link/channel.ts';
import { encodeFrame } from '../../../../../lib/osdp/provisioner/link/frame.ts';
import { PairingDesk, PeerBook, readCode } from '../../../../../lib/osdp/provisioner/link/index.ts';
import { CODE_MS, type DeskClock, makeCode, proofOf } from '../../../../../lib/osdp/provisioner/link/pairing.ts';
import { secure } from '../../../../../lib/osdp/provisioner/link/secure.ts';
import { LinkBench, testIdentities, until } from './bench.ts';

const coded = (code: string) => (error: unknown) => isKeywayError(error, code);

const HELLO = { type: 'hello', id: 1, protocol: 'keyway-provisioner', versions: [1], role: 'host', name: 'x' };

class StillClock implements DeskClock {
  time = 1_000_000;
  readonly pauses: number[] = [];
  now(): number {
    return this.time;
  }
  async pause(ms: number): Promise<void> {
    this.pauses.push(ms);
  }
}

describe('pairing of a provisioner and a host', () => {
  let bench: LinkBench;
  let clock: StillClock;
  beforeEach(async () => {
    clock = new StillClock();
    bench = await LinkBench.make({ pairing: new PairingDesk(clock) });
  });
  afterEach(() => bench.close());

  it('by the code: each then knows the other by its certificate, at whatever address', async () => {
    const { address } = await bench.tls();
    const { host: identity, device } = await testIdentities();
    await assert.rejects(bench.host(address, { identity, pins: [] }), coded('NOT_PAIRED'));
    await assert.rejects(bench.host(address, { identity, pins: [device.fingerprint] }), coded('NOT_PAIRED'));
    const { code } = bench.hub.pairing.open(false);
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/);
    const typed = code.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l');
    const peer = await pairProvisioner(address, typed, { identity, name: 'bench laptop' });
    assert.deepEqual([peer.fingerprint, peer.name], [device.fingerprint, 'fake']);
    assert.deepEqual(bench.book.find(identity.fingerprint)?.name, 'bench laptop');
    assert.equal(bench.book.find(identity.fingerprint)?.enrolled, false);
    const elsewhere = await bench.tls();
    assert.equal((await bench.host(elsewhere.address, { identity, pins: PeerBook.of([peer]) })).state, 'attached');
  });

  it('no TLS older than 1.3, and none without a certificate', async () => {
    const { address } = await bench.tls();
    const { host } = await testIdentities();
    const port = Number(address.split(':').at(-1));
    const key = host.key.export({ type: 'pkcs8', format: 'pem' });
    const own = { key, cert: host.certificate };
    const answer = (options: tls.ConnectionOptions): Promise<string> =>
      new Promise((resolve) => {
        const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
        bench.atEnd(async () => void socket.destroy());
        socket.on('error', () => resolve('ended'));
        socket.once('close', () => resolve('ended'));
        socket.once('secureConnect', () => socket.write(encodeFrame(HELLO)));
        socket.once('data', () => resolve('answered'));
      });
    assert.equal(await answer({ ...own, maxVersion: 'TLSv1.2' }), 'ended');
    assert.equal(await answer({}), 'ended');
    assert.equal(await answer(own), 'answered');
  });

  describe('a host that is not paired', () => {
    const guests: tls.TLSSocket[] = [];
    afterEach(() => {
      for (const guest of guests.splice(0)) guest.destroy();
    });

    /** @returns a way to ask, and the end of the connection. */
    async function stranger(): Promise<{ ask(message: object): void; ended: Promise<string> }> {
      const { address } = await bench.tls();
      const { other } = await testIdentities();
      const key = other.key.export({ type: 'pkcs8', format: 'pem' });
      const port = Number(address.split(':').at(-1));
      const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, key, cert: other.certificate });
      guests.push(socket);
      socket.on('error', () => undefined).resume();
      const ended = new Promise<string>((resolve) => socket.once('close', () => resolve('ended')));
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      return { ask: (message) => void socket.write(encodeFrame(message)), ended };
    }

    it('goes after a moment, whatever it asks', async () => {
      await bench.close();
      bench = await LinkBench.make({ times: { strangerMs: 50 } });
      const { ask, ended } = await stranger();
      const asking = setInterval(() => ask({ type: 'ping', id: 2 }), 10);
      guests[0]?.once('close', () => clearInterval(asking));
      assert.equal(await ended, 'ended');
    });

    it('goes after sixteen refusals', async () => {
      const { ask, ended } = await stranger();
      ask(HELLO);
      for (let id = 2; id < 18; id++) ask({ type: 'slots', id });
      // It would not be silent either.
      const asking = setInterval(() => ask({ type: 'ping', id: 20 }), 10);
      guests[0]?.once('close', () => clearInterval(asking));
      assert.equal(await ended, 'ended');
    });
  });

  it('a code is for one host and five minutes, and is made only when somebody asks', async () => {
    const { address } = await bench.tls();
    const { host, other } = await testIdentities();
    const options = { identity: host, name: 'a' };
    await assert.rejects(pairProvisioner(address, makeCode(), options), coded('PAIRING_CLOSED'));
    const { code } = bench.hub.pairing.open(true);
    await pairProvisioner(address, code, options);
    assert.equal(bench.book.find(host.fingerprint)?.enrolled, true);
    await assert.rejects(pairProvisioner(address, code, { identity: other, name: 'b' }), coded('PAIRING_CLOSED'));
    const late = bench.hub.pairing.open(false);
    assert.equal(CODE_MS, 300_000);
    clock.time += CODE_MS;
    assert.equal(bench.hub.pairing.isOpen, false);
    await assert.rejects(pairProvisioner(address, late.code, { identity: other, name: 'b' }), coded('PAIRING_CLOSED'));
    assert.equal(bench.book.list().length, 1);
  });

  it('wrong codes are answered later and later, and end the code after five', async () => {
    const { address } = await bench.tls();
    const { other } = await testIdentities();
    const options = { identity: other, name: 'guesser' };
    const { code } = bench.hub.pairing.open(false);
    const left: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      await assert.rejects(pairProvisioner(address, makeCode(), options), (error) => {
        assert.ok(isKeywayError(error, 'PAIRING_WRONG_CODE'));
        left.push(error.detail?.left);
        return true;
      });
    }
    assert.deepEqual(left, [4, 3, 2, 1, 0]);
    assert.deepEqual(clock.pauses, [1000, 2000, 4000, 8000, 16_000]);
    await assert.rejects(pairProvisioner(address, code, options), coded('PAIRING_CLOSED'));
    assert.deepEqual(bench.book.list(), []);
    assert.equal(bench.events.filter((one) => one.event === 'pairing-wrong').length, 5);
  });

  it('the proof of the other direction is a wrong one', async () => {
    const desk = new PairingDesk(clock);
    const { code } = desk.open(false);
    const binding = { exporter: new Uint8Array(32), host: 'aa', provisioner: 'bb' };
    const never = async (): Promise<void> => assert.fail('it was taken');
    await assert.rejects(
      desk.attempt(proofOf('provisioner', code, binding), binding, never),
      coded('PAIRING_WRONG_CODE'),
    );
  });

  it('attempts at once are judged one after the other, and no more than a few wait', async () => {
    const desk = new PairingDesk(clock);
    desk.open(false);
    const binding = { exporter: new Uint8Array(32), host: 'aa', provisioner: 'bb' };
    const codes: string[] = [];
    const guess = (): Promise<unknown> =>
      desk
        .attempt('0'.repeat(64), binding, async () => undefined)
        .catch((error: { code: string }) => codes.push(error.code));
    await Promise.all(Array.from({ length: 10 }, guess));
    assert.equal(codes.filter((code) => code === 'PAIRING_WRONG_CODE').length, 4);
    assert.equal(codes.filter((code) => code === 'PAIRING_CLOSED').length, 6);
  });

  it('what is no code is refused before anybody is asked', async () => {
    const { host: identity } = await testIdentities();
    for (const typed of ['', 'K7QF-2M9X', 'K7QF-2M9X-0TBU', 'K7QF-2M9X-0TBD-1']) {
      await assert.rejects(
        pairProvisioner('tls:127.0.0.1:1', typed, { identity, name: 'x' }),
        coded('PAIRING_WRONG_CODE'),
      );
    }
    assert.equal(readCode('k7qf 2m9x-oTBd'), 'K7QF2M9X0TBD');
  });

  it('one in the middle without the code gets nothing, and neither side takes it for the other', async () => {
    const { device, host, other } = await testIdentities();
    const { address } = await bench.tls();
    const port = Number(address.split(':').at(-1));
    const relayed: string[] = [];
    // It ends both TLS sessions itself and passes every frame on, with a certificate of its own.
    const middle = net.createServer((near) => {
      void (async () => {
        const toHost = await secure(near, 'provisioner', other, 5000);
        const far = net.connect(port, '127.0.0.1');
        const toDevice = await secure(far, 'host', other, 5000);
        const [a, b] = [new Channel(toHost.stream), new Channel(toDevice.stream)];
        const pass = async (from: Channel, to: Channel): Promise<void> => {
          for await (const { message } of from.frames()) {
            relayed.push(String(message.type));
            await to.send(message);
          }
        };
        await Promise.race([pass(a, b), pass(b, a)]);
        a.destroy();
        b.destroy();
      })().catch(() => near.destroy());
    });
    await new Promise<void>((resolve) => middle.listen(0, '127.0.0.1', resolve));
    bench.atEnd(async () => void middle.close());
    const at = `tls:127.0.0.1:${(middle.address() as net.AddressInfo).port}`;
    const { code } = bench.hub.pairing.open(false);
    await assert.rejects(pairProvisioner(at, code, { identity: host, name: 'x' }), coded('PAIRING_WRONG_CODE'));
    assert.ok(relayed.includes('pair'), 'the middle was not in the middle');
    assert.deepEqual(bench.book.list(), []);

    // With both paired it cannot come between either: nothing is sent to it.
    relayed.length = 0;
    await bench.paired();
    await assert.rejects(
      bench.host(at, { identity: host, pins: [device.fingerprint] }),
      coded('LINK_WRONG_CERTIFICATE'),
    );
    assert.deepEqual(relayed, []);
  });

  it('a provisioner that does not know the code is not believed', async () => {
    const { host, other } = await testIdentities();
    const impostor = net.createServer((raw) => {
      void (async () => {
        const { stream } = await secure(raw, 'provisioner', other, 5000);
        const channel = new Channel(stream);
        const { result } = { result: { protocol: 'keyway-provisioner', version: 1, role: 'provisioner', name: 'x' } };
        const rest = { software: '1', modes: ['live'], limits: { slots: 1, steps: 1, live: 1 } };
        const facts = { paired: false, pairing: true, host: null, keepaliveMs: 1000 };
        for await (const { message } of channel.frames()) {
          const answer = message.type === 'pair' ? { proof: String(message.proof) } : { ...result, ...rest, ...facts };
          await channel.send({ type: 'answer', id: message.id, more: false, result: answer });
        }
      })().catch(() => raw.destroy());
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    bench.atEnd(async () => void impostor.close());
    const at = `tls:127.0.0.1:${(impostor.address() as net.AddressInfo).port}`;
    await assert.rejects(pairProvisioner(at, makeCode(), { identity: host, name: 'x' }), coded('PAIRING_FAILED'));
  });

  it('the wrong certificate is refused in both directions, and a host that is forgotten is let go', async () => {
    const { address } = await bench.tls();
    const { device, host, other } = await testIdentities();
    await bench.paired();
    await assert.rejects(bench.host(address, { identity: host, pins: [other.fingerprint] }), (error) => {
      assert.ok(isKeywayError(error, 'LINK_WRONG_CERTIFICATE'));
      assert.equal(error.detail?.fingerprint, device.fingerprint);
      return true;
    });
    await assert.rejects(bench.host(address, { identity: other, pins: [device.fingerprint] }), coded('NOT_PAIRED'));
    assert.equal(bench.device.host, null);
    const attached = await bench.host(address, { identity: host, pins: [device.fingerprint] });
    await bench.book.forget(host.fingerprint);
    bench.hub.recheck();
    await until(() => attached.problem?.code === 'NOT_PAIRED');
    assert.equal(bench.device.host, null);
  });

  it('proofs hold for one session, one pair of certificates and one direction', () => {
    const binding = { exporter: new Uint8Array(32).fill(1), host: 'aa'.repeat(32), provisioner: 'bb'.repeat(32) };
    const code = 'K7QF-2M9X-0TBD';
    const all = [
      proofOf('host', code, binding),
      proofOf('provisioner', code, binding),
      proofOf('host', 'K7QF-2M9X-0TBE', binding),
      proofOf('host', code, { ...binding, exporter: new Uint8Array(32).fill(2) }),
      proofOf('host', code, { ...binding, host: binding.provisioner, provisioner: binding.host }),
      proofOf('host', code, { ...binding, provisioner: binding.host }),
    ];
    assert.equal(new Set(all).size, all.length);
    // For those who write another implementation: docs/provisioner-link.md has the same.
    assert.equal(all[0], '60880a1199c069da88a4774104f1c56d1f16ef4859cf70dbff41497b5012bd38');
  });
});
