import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Registry } from '../../../lib/registry/index.ts';
import { certificate, code, hash, heard, MAC, NAMESPACE, Place, sealer, serialOf, T0 } from './support.ts';

const FAR = T0 + 365 * 86_400_000;

describe('backup and restore of the registry', () => {
  let place: Place;
  let registry: Registry;
  beforeEach(async () => {
    place = new Place();
    registry = await place.filled();
  });
  afterEach(() => place.done());

  /** Something of every kind that can come to an end. */
  async function prepared(): Promise<{ token: string; device: string; gone: string }> {
    const { id: device } = await registry.addDevice({ namespace: NAMESPACE, mac: MAC });
    const { id: gone } = await registry.addDevice({ namespace: NAMESPACE, name: 'gone' });
    const { id: back } = await registry.addDevice({ namespace: NAMESPACE, name: 'back' });
    await registry.setState(back, 'revoked');
    for (const n of [1, 2])
      await registry.addCertificate(certificate(n, { device: serialOf(n).slice(-12), state: 'live' }));
    const token = await registry.addToken({ kind: 'namespace', hash: hash('token'), namespace: NAMESPACE });
    for (const one of ['spent', 'open', 'void']) {
      await registry.addCode({ hash: hash(one), namespace: NAMESPACE, expiresAt: FAR });
    }
    for (const one of ['used', 'unused']) {
      await registry.putTicket(hash(one), { namespace: NAMESPACE, device: MAC, expiresAt: FAR });
    }
    for (const kind of ['kept', 'removed', 'replaced']) {
      await registry.putCredential({ device, kind, sealed: Uint8Array.of(1) });
    }
    await registry.nextCrlNumber(NAMESPACE);
    return { token: token.id, device, gone };
  }

  /** Ends most of it. */
  async function ended({ token, device, gone }: Awaited<ReturnType<typeof prepared>>): Promise<void> {
    await registry.revoke(serialOf(1), 1, T0 + 5);
    await registry.revokeToken(token);
    await registry.redeemCode(hash('spent'));
    await registry.voidCode(hash('void'));
    await registry.redeemTicket(hash('used'));
    await registry.removeCredential(device, 'removed');
    await registry.putCredential({ device, kind: 'replaced', sealed: Uint8Array.of(2) });
    await registry.setState(device, 'revoked', { reason: 'stolen' });
    await registry.setState(gone, 'retired');
    await registry.removeDevice(gone);
    const back = await registry.device({ namespace: NAMESPACE, name: 'back' });
    await registry.setState(back?.id ?? '', 'flashing');
    for (let i = 0; i < 3; i++) await registry.nextCrlNumber(NAMESPACE);
    await registry.addDevice({ namespace: NAMESPACE, name: 'new' });
  }

  async function holds(restored: Registry, { token: _token, device, gone }: Awaited<ReturnType<typeof prepared>>) {
    const first = await restored.certificate(serialOf(1));
    assert.deepEqual([first?.state, first?.reason, first?.revokedAt], ['revoked', 1, T0 + 5]);
    assert.equal((await restored.certificate(serialOf(2)))?.state, 'live');
    assert.notEqual((await restored.token(hash('token')))?.revokedAt, null);
    await assert.rejects(restored.redeemCode(hash('spent')), code('CODE_VOID'));
    await assert.rejects(restored.redeemCode(hash('open')), code('CODE_VOID'));
    await assert.rejects(restored.redeemCode(hash('void')), code('CODE_VOID'));
    assert.equal(await restored.redeemTicket(hash('used')), undefined);
    assert.equal(await restored.redeemTicket(hash('unused')), undefined);
    const kinds = (await restored.credentials(device)).items.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['kept']);
    assert.equal((await restored.device(device))?.state, 'revoked');
    assert.equal(await restored.device(gone), undefined);
    assert.equal(await restored.device({ namespace: NAMESPACE, name: 'new' }), undefined, 'it was no backup');
    assert.ok((await restored.nextCrlNumber(NAMESPACE)) > 4, 'a CRL number came twice');
    assert.ok((await restored.verifyAudit()).holds);
    assert.equal((await restored.auditLog({ action: 'registry.restored' })).items.length, 1);
  }

  it('bring nothing back to life that was revoked, spent or removed', async () => {
    const made = await prepared();
    await registry.backup(place.path('backup.db'));
    assert.equal(statSync(place.path('backup.db')).mode & 0o777, 0o600);
    await ended(made);
    const events = heard(registry);
    await registry.restore(place.path('backup.db'), { actor: 'ada' });
    assert.deepEqual(
      events.map(({ topic, detail }) => [topic, detail?.voidedCodes]),
      [['registry.restored', 1]],
    );
    await holds(registry, made);
    assert.equal((await registry.device({ namespace: NAMESPACE, name: 'back' }))?.state, 'revoked');
    assert.ok(existsSync(place.path('registry.db.before-restore')));
    await registry.close();
    registry = await place.open();
    await holds2(registry);
    // A second restore of the same backup changes nothing about it.
    await registry.restore(place.path('backup.db'));
    await registry.verifyAudit();
    assert.equal((await registry.certificate(serialOf(1)))?.state, 'revoked');
  });

  async function holds2(again: Registry): Promise<void> {
    assert.equal((await again.certificate(serialOf(1)))?.state, 'revoked');
    const restores = (await again.auditLog({ action: 'registry.restored' })).items.length;
    assert.equal(restores, 1, 'opening again was taken for a restore');
  }

  it('see that an older file was put in place by hand', async () => {
    const made = await prepared();
    await registry.backup(place.path('backup.db'));
    await ended(made);
    await registry.close();
    for (const end of ['', '-wal', '-shm']) rmSync(place.path(`registry.db${end}`), { force: true });
    copyFileSync(place.path('backup.db'), place.path());
    registry = await place.open();
    await holds(registry, made);
  });

  it('go on when the revocation log was lost, and make it anew', async () => {
    const made = await prepared();
    await registry.backup(place.path('early.db'));
    await ended(made);
    await registry.close();
    rmSync(place.path('registry.db.revoked'));
    registry = await place.open();
    await assert.rejects(registry.redeemCode(hash('open')), code('CODE_VOID'));
    await registry.restore(place.path('early.db'));
    assert.equal((await registry.certificate(serialOf(1)))?.state, 'revoked');
    assert.equal(await registry.redeemTicket(hash('used')), undefined);
  });

  it('drop a line that a power cut tore, and keep what a damaged one does not cover', async () => {
    const made = await prepared();
    await registry.backup(place.path('early.db'));
    await ended(made);
    await registry.close();
    const path = place.path('registry.db.revoked');
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([whole, Buffer.from('0123 torn')]));
    registry = await place.open();
    assert.equal((await registry.auditLog({ action: 'registry.restored' })).items.length, 0);
    await registry.close();
    assert.deepEqual(readFileSync(path), whole);
    const lines = whole.toString().split('\n');
    const damaged = lines.map((line, i) => (i === 2 ? line.replace(/\d/, 'x') : line)).join('\n');
    writeFileSync(path, damaged);
    registry = await place.open();
    await registry.restore(place.path('early.db'));
    assert.equal((await registry.certificate(serialOf(1)))?.state, 'revoked');
    assert.equal(await registry.redeemTicket(hash('used')), undefined);
  });

  it('happen while requests go on', async () => {
    let asked = 0;
    let stop = false;
    const writers = Array.from({ length: 8 }, async () => {
      while (!stop) await registry.addDevice({ namespace: NAMESPACE, name: `device ${asked++}` });
    });
    await registry.backup(place.path('backup.db'));
    const during = asked;
    await registry.restore(place.path('backup.db'));
    stop = true;
    await Promise.all(writers);
    assert.ok(during > 8, 'nothing was asked meanwhile');
    assert.ok((await registry.verifyAudit()).holds);
    const copy = new Place();
    try {
      const other = await copy.open({ path: place.path('backup.db') });
      assert.ok((await other.verifyAudit()).holds);
    } finally {
      await copy.done();
    }
  });

  it('refuse what is no backup of this registry, and leave the registry as it was', async () => {
    const { id } = await registry.addDevice({ namespace: NAMESPACE, mac: MAC });
    await registry.backup(place.path('backup.db'));
    await assert.rejects(registry.backup(place.path('backup.db')), code('BAD_BACKUP'));
    await assert.rejects(registry.backup(place.path('no/such/folder.db')), code('BAD_BACKUP'));
    const other = new Place();
    try {
      const stranger = await other.open();
      await stranger.backup(place.path('stranger.db'));
    } finally {
      await other.done();
    }
    writeFileSync(place.path('text.db'), 'no database at all'.repeat(1000));
    writeFileSync(place.path('empty.db'), '');
    const torn = readFileSync(place.path('backup.db'));
    torn.fill(0x5a, 8192, 40_000);
    writeFileSync(place.path('torn.db'), torn);
    for (const file of ['stranger.db', 'text.db', 'empty.db', 'torn.db', 'missing.db']) {
      await assert.rejects(registry.restore(place.path(file)), code('BAD_BACKUP'), file);
      assert.equal((await registry.device(id))?.mac, MAC, file);
      assert.ok(!existsSync(place.path('registry.db.restoring')), file);
    }
    assert.equal((await registry.auditLog({ action: 'registry.restored' })).items.length, 0);
  });

  it('need the keystore of the registry', async () => {
    await registry.close();
    const wrong = sealer(createHash('sha256').update('another key').digest());
    await assert.rejects(place.open({ keystore: wrong }));
    registry = await place.open();
    assert.ok((await registry.verifyAudit()).holds);
  });
});
