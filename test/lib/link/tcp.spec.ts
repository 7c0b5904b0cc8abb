import assert from 'node:assert/strict';
import { holderOf, openLink } from '../../../lib/link/index.ts';
import { collect, endOf, failure } from './support/collect.ts';
import { closeServers, freePort, serve } from './support/servers.ts';

describe('raw TCP link', () => {
  afterEach(closeServers);

  it('carries bytes both ways, and has neither lines nor a rate', async () => {
    const server = await serve((socket) => socket.pipe(socket));
    const link = await openLink(`tcp://127.0.0.1:${server.port}`, { owner: 'test', name: 'loop' });
    assert.deepEqual(link.info, {
      address: `tcp://127.0.0.1:${server.port}`,
      kind: 'tcp',
      name: 'loop',
      hasControlLines: false,
      hasBaudControl: false,
      isLocal: true,
    });
    const got = collect(link);
    const all = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index & 255));
    await link.write(all);
    assert.ok((await got.bytes(all.length)).equals(all));
    await link.setLines({ dtr: true, rts: true });
    await link.setBaudRate(57600);
    assert.deepEqual([link.lines, link.baudRate], [{ dtr: true, rts: true }, 57600]);
    await link.close();
    assert.equal(link.isOpen, false);
    assert.equal(holderOf(link.info.address), undefined);
  });

  it('says PORT_GONE when the far side ends or breaks the connection', async () => {
    for (const how of ['end', 'resetAndDestroy'] as const) {
      const server = await serve(() => undefined);
      const link = await openLink(`tcp://127.0.0.1:${server.port}`, { owner: 'test' });
      const end = endOf(link);
      await link.write(Uint8Array.of(1));
      server.connections[0]?.[how]();
      assert.equal(((await end) as { code?: string }).code, 'PORT_GONE');
      assert.equal((await failure(link.write(Uint8Array.of(1)))).code, 'PORT_GONE');
      assert.equal(holderOf(link.info.address), undefined);
      await link.close();
    }
  });

  it('rejects a write that is stuck when the far side goes', async () => {
    const server = await serve((socket) => socket.pause());
    const link = await openLink(`tcp://127.0.0.1:${server.port}`, { owner: 'test' });
    const stuck = failure(link.write(new Uint8Array(64 * 1024 * 1024)));
    server.connections[0]?.resetAndDestroy();
    assert.equal((await stuck).code, 'PORT_GONE');
  });

  it('closes although the far side reads nothing', async () => {
    const server = await serve((socket) => socket.pause());
    const link = await openLink(`tcp://127.0.0.1:${server.port}`, { owner: 'test' });
    const stuck = failure(link.write(new Uint8Array(64 * 1024 * 1024)));
    await link.close();
    assert.equal((await stuck).code, 'PORT_GONE');
  });

  it('says PORT_UNREACHABLE where nothing listens', async () => {
    const port = await freePort();
    const error = await failure(openLink(`tcp://127.0.0.1:${port}`, { owner: 'test' }));
    assert.equal(error.code, 'PORT_UNREACHABLE');
    assert.match(error.message, /nothing listens there/);
    assert.equal(holderOf(`tcp://127.0.0.1:${port}`), undefined);
  });

  it('does not open when it is cancelled', async () => {
    const server = await serve(() => undefined);
    const cancel = new AbortController();
    const opening = failure(openLink(`tcp://127.0.0.1:${server.port}`, { owner: 'test', signal: cancel.signal }));
    cancel.abort();
    assert.equal((await opening).code, 'CANCELLED');
  });
});
