import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeRed } from '../support/node-red.ts';

type Scenario = (red: NodeRed) => Promise<void>;

interface Certificate {
  serial: string;
  state: string;
}

const LONG = 60_000;
const includes = (text: string) => (value: unknown) => JSON.stringify(value).includes(text);
const verified = (value: unknown) => includes('"verified":true')(value);

async function provision(red: NodeRed, name: string): Promise<void> {
  await red.press(`Provision ${name}`);
  await red.shown(`${name} is flashed`, verified, LONG);
}

/** Forgets what a debug node showed, so that it is waited for anew. */
function forget(red: NodeRed, ...names: string[]): void {
  red.debug.splice(0, red.debug.length, ...red.debug.filter(({ name }) => !names.includes(name)));
}

/** Where examples that need files of their own put them. */
const folder = (): string => process.env.KEYWAY_DEMO_DIR ?? '';

/** Those of examples/flows/07-trust, as scenarios.ts has them. */
export const trustScenarios: Record<string, Scenario> = {
  '07-trust/Rotation.json': async (red) => {
    await provision(red, 'rotate-1');
    await red.shown('online', includes('"state":"online"'), LONG);
    await red.shown('published', () => true, LONG);
    await red.shown('log of rotate-1', includes('CONNECTING -> CONNECTED'));
    await red.press('Send it a command');
    await red.shown('sent');
    await red.press('Send one to nobody');
    await red.shown('it is not there');
    const { serial, previous } = (await red.shown('renewed', () => true, LONG)) as Record<string, string>;
    assert.notEqual(serial, previous);
    await red.shown('online', includes(`"serial":"${serial}"`), LONG);
    await red.press('List its certificates');
    const list = (await red.shown('the list')) as Certificate[];
    const states = Object.fromEntries(list.map((one) => [one.serial, one.state]));
    assert.deepEqual([states[previous as string], states[serial as string]], ['superseded', 'live']);
  },

  '07-trust/Expired in the field.json': async (red) => {
    await provision(red, 'expire-1');
    await red.shown('online', includes('"state":"online"'), LONG);
    await red.shown('cut', includes('"by":"expiry"'), LONG);
    await red.shown('log of expire-1', includes('TLS handshake failed: cert expired (notAfter '), LONG);
    await red.shown('log of expire-1', includes('state: ERROR -> CONNECTING (retriable)'), LONG);
    await red.shown('refused', includes('CERT_EXPIRED'), LONG);
    forget(red, 'online');
    await red.press('Re-flash it');
    const { steps } = (await red.shown('expire-1 has a new one', verified, LONG)) as { steps: { name: string }[] };
    assert.deepEqual(
      steps.map(({ name }) => name),
      ['nvs'],
    );
    await red.shown('online', includes('"state":"online"'), LONG);
  },

  '07-trust/Never set up, renewed in grace.json': async (red) => {
    await provision(red, 'box-1');
    // In its box for longer than its certificate is valid.
    await new Promise((done) => setTimeout(done, 10_500));
    await red.press('Unpack it');
    await red.shown('log of box-1', includes('cert expired'), LONG);
    const renewed = (await red.shown('renewed in grace', () => true, LONG)) as Record<string, unknown>;
    assert.equal(renewed.grace, true);
    await red.shown('online', includes(`"serial":"${String(renewed.serial)}"`), LONG);
  },

  '07-trust/Revoked and cut.json': async (red) => {
    await provision(red, 'lost-1');
    await provision(red, 'lost-2');
    const { serial, previous } = (await red.shown('at EST', includes('previous'), LONG)) as Record<string, string>;
    await red.shown('online', includes(`"serial":"${serial}"`), LONG);
    await red.shown('online', includes('024b57070402'), LONG);
    await red.press('Revoke a stranger');
    await red.shown('nobody knows it');
    await red.press('Revoke lost-1 now');
    const now = (await red.shown('revoked now')) as { serials: string[]; cut: number; crl: number };
    assert.deepEqual([...now.serials].sort(), [serial, previous].sort());
    assert.equal(now.cut, 1);
    await red.shown('cut', includes(`"serial":"${serial}"`));
    await red.shown('a new list', includes(`"number":${now.crl}`));
    await red.shown('refused', includes('CERT_REVOKED'), LONG);
    await red.press('Revoke lost-2 at the cadence');
    const later = (await red.shown('revoked')) as { serials: string[]; cut: number };
    assert.deepEqual([later.serials.length, later.cut], [1, 0]);
    await red.shown('cut', includes('"by":"cadence"'), 65_000);
  },

  '07-trust/Revoked, re-flashed, online again.json': async (red) => {
    await provision(red, 'back-1');
    await red.shown('online', includes('"state":"online"'), LONG);
    await red.press('Revoke it');
    const { serials } = (await red.shown('revoked')) as { serials: string[] };
    await red.shown('cut', includes(serials[0] as string));
    await red.shown('refused', includes('CERT_REVOKED'), LONG);
    forget(red, 'online');
    await red.press('Re-flash it');
    await red.shown('back-1 has a new one', verified, LONG);
    const online = (await red.shown('online', includes('"state":"online"'), LONG)) as { serial: string };
    assert.ok(!serials.includes(online.serial));
    await red.press('Look at the list');
    await red.shown('on the list', (value) => (value as { entries: number }).entries >= 1);
  },

  '07-trust/Wrong namespace refused.json': async (red) => {
    await red.press('Mint for the east house');
    await red.shown('minted');
    await red.press('Renew it at the west house');
    const { code, text } = (await red.shown('refused, and why')) as { code: string; text: string };
    assert.ok(text.includes('house-east') && text.includes('house-west'), `${code}: ${text}`);
    const learnt = String(await red.shown('what the client learns'));
    assert.notEqual(learnt, code);
    await red.press('Renew it at home');
    await red.shown('renewed', includes('"renewed":true'));
    await red.shown('done');
  },

  '07-trust/Mosquitto in front.json': async (red) => {
    const base = join(folder(), 'mosquitto');
    await red.press('Set mosquitto up');
    await red.shown('mosquitto says', includes('running'), LONG);
    try {
      assert.equal(statSync(join(base, 'broker.key')).mode & 0o777, 0o600);
      const broker = new X509Certificate(readFileSync(join(base, 'broker.pem')));
      assert.deepEqual(broker.keyUsage, ['1.3.6.1.5.5.7.3.1']);
      await provision(red, 'front-1');
      await red.shown('log of front-1', includes('CONNECTING -> CONNECTED'), LONG);
      const before = readFileSync(join(base, 'revoked.pem'), 'utf8');
      await red.press('Revoke it');
      await red.shown('revoked', includes('"serials":["'), LONG);
      assert.notEqual(readFileSync(join(base, 'revoked.pem'), 'utf8'), before);
      forget(red, 'log of front-1', 'mosquitto says');
      await red.press('Start it again');
      await red.shown('log of front-1', includes('TLS handshake failed'), LONG);
      assert.ok(!red.debug.some(({ name, value }) => name === 'log of front-1' && includes('-> CONNECTED')(value)));
    } finally {
      await red.press('Stop mosquitto');
      await red.shown('it was stopped', () => true, LONG);
      await red.status('start mosquitto', ({ text }) => text.startsWith('rc:'));
    }
    forget(red, 'revoked');
    await red.press('Revoke it');
    await red.shown('it is not there');
  },

  '07-trust/A gateway renews its own certificate.json': async (red) => {
    const base = join(folder(), 'gateway');
    await red.press('Renew now');
    await red.shown('its files are missing');
    await red.press('Set the gateway up');
    await red.shown('set up');
    const before = new X509Certificate(readFileSync(join(base, 'gateway.pem')));
    await red.press('Is it due?');
    await red.shown('not yet', includes('"renewed":false'));
    await red.press('Renew now');
    await red.shown('renewed', includes('"renewed":true'));
    const after = new X509Certificate(readFileSync(join(base, 'gateway.pem')));
    assert.equal(after.subject, before.subject);
    assert.notEqual(after.serialNumber, before.serialNumber);
    assert.equal(statSync(join(base, 'gateway.key')).mode & 0o777, 0o600);
    await red.shown('what the service says');
  },

  '07-trust/Why is it refused.json': async (red) => {
    await provision(red, 'mute-1');
    await red.shown('online', includes('"state":"online"'), LONG);
    await red.press('Revoke it');
    await red.shown('revoked');
    await red.shown('refused', includes('CERT_REVOKED'), LONG);
    await red.shown('log of mute-1', includes('ERROR -> CONNECTING (retriable)'), LONG);
    assert.ok(!red.debug.some(({ name, value }) => name === 'log of mute-1' && includes('revoked')(value)));
    await red.press('Why is it refused?');
    await red.shown('this is why', includes('CERT_REVOKED'));
    for (const action of ['device.added', 'certificate.live', 'device.state']) {
      await red.shown('and before', includes(`"action":"${action}"`));
    }
  },
};
