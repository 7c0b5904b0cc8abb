import assert from 'node:assert/strict';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { openLink } from '../../../lib/link/index.ts';
import { findSocket, listSockets, ManualClock, VirtualChip, VirtualSocket } from '../../../lib/virtual/index.ts';

const makeChip = (clock: ManualClock, last = '01'): VirtualChip =>
  new VirtualChip({ model: 'esp32c3', mac: `60:55:f9:00:00:${last}`, clock });

describe('virtual bench: sockets', () => {
  let clock: ManualClock;
  let socket: VirtualSocket;
  beforeEach(() => {
    clock = new ManualClock();
    socket = new VirtualSocket({ name: 'socket-test' });
  });
  afterEach(() => socket.close());

  it('can be found by name while it is on the bench, under one name once', () => {
    assert.equal(findSocket('socket-test'), socket);
    assert.ok(listSockets().includes(socket));
    assert.throws(
      () => new VirtualSocket({ name: 'socket-test' }),
      (error) => isKeywayError(error, 'SOCKET_NAME_TAKEN'),
    );
    socket.close();
    assert.equal(findSocket('socket-test'), undefined);
  });

  it('is a port that reaches its chip, whichever sits in it', async () => {
    const link = await openLink('virtual:socket-test', { owner: 'test' });
    const heard: string[] = [];
    link.onData((chunk) => heard.push(Buffer.from(chunk).toString()));
    await clock.advance(50);
    assert.equal(heard.join(''), '');
    socket.insert(makeChip(clock));
    await clock.advance(50);
    assert.match(heard.join(''), /ESP-ROM/);
    assert.throws(
      () => socket.insert(makeChip(clock, '02')),
      (error) => isKeywayError(error, 'SOCKET_OCCUPIED'),
    );
    assert.equal(socket.remove()?.mac, '60:55:f9:00:00:01');
    heard.length = 0;
    socket.insert(makeChip(clock, '02'));
    await clock.advance(50);
    assert.match(heard.join(''), /ESP-ROM/);
    await link.close();
    assert.equal(socket.isHeld, false);
  });

  it('takes the port away when the cable is pulled, and the chip boots when it is back', async () => {
    const chip = makeChip(clock);
    socket.insert(chip);
    const link = await openLink('virtual:socket-test', { owner: 'test' });
    let gone: Error | undefined;
    link.onClose((error) => {
      gone = error;
    });
    let changes = 0;
    socket.onChange(() => changes++);
    socket.pull();
    assert.ok(isKeywayError(gone, 'PORT_GONE'));
    assert.equal(chip.isPowered, false);
    await assert.rejects(openLink('virtual:socket-test', { owner: 'test' }), (error) =>
      isKeywayError(error, 'PORT_NOT_FOUND'),
    );
    let boots = 0;
    chip.on('boot', () => boots++);
    await clock.advance(100);
    assert.equal(boots, 0);
    socket.plug();
    await clock.advance(100);
    assert.equal(boots, 1);
    assert.ok(changes >= 2);
    await (await openLink('virtual:socket-test', { owner: 'test' })).close();
  });

  it('loses its cable by a fault of the chip', async () => {
    const chip = makeChip(clock);
    socket.insert(chip);
    const link = await openLink('virtual:socket-test', { owner: 'test' });
    chip.setFault({ kind: 'pull', at: 2 });
    await assert.rejects(link.write(Uint8Array.of(1, 2, 3, 4)), (error) => isKeywayError(error, 'PORT_GONE'));
    assert.equal(link.isOpen, false);
    assert.equal(socket.isPlugged, false);
  });

  it('lets the control lines go when the host closes', async () => {
    const chip = makeChip(clock);
    socket.insert(chip);
    await clock.advance(50);
    const link = await openLink('virtual:socket-test', { owner: 'test' });
    await link.setLines({ dtr: false, rts: true });
    let boots = 0;
    chip.on('boot', () => boots++);
    await clock.advance(100);
    assert.equal(boots, 0);
    await link.close();
    await clock.advance(100);
    assert.equal(boots, 1);
  });
});
