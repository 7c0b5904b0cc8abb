import assert from 'node:assert/strict';
import { holderOf, type Link, openLink } from '../../../lib/link/index.ts';
import { collect, endOf, failure } from './support/collect.ts';
import { closeServers, freePort, type Rfc2217Behaviour, serve, serveRfc2217 } from './support/servers.ts';

describe('RFC 2217 link', () => {
  afterEach(closeServers);

  const start = async (behaviour: Rfc2217Behaviour = {}) => {
    const server = await serveRfc2217(behaviour);
    const open = (options: { timeoutMs?: number; signal?: AbortSignal; baudRate?: number } = {}): Promise<Link> =>
      openLink(`rfc2217://127.0.0.1:${server.port}`, { owner: 'test', ...options });
    return { server, open };
  };

  it('sets the port up: 8N1, the rate, both lines released, old bytes purged', async () => {
    const { server, open } = await start();
    const link = await open({ baudRate: 74880 });
    assert.deepEqual([...server.commands].sort(), [
      '10:0',
      '11:0',
      '12:3',
      '1:74880',
      '2:8',
      '3:1',
      '4:1',
      '5:1',
      '5:12',
      '5:9',
    ]);
    assert.ok(server.commands.indexOf('12:3') < server.commands.indexOf('1:74880'), 'purged before acknowledged');
    assert.deepEqual(
      [link.info.kind, link.info.hasControlLines, link.info.hasBaudControl, link.info.isLocal],
      ['rfc2217', true, true, true],
    );
    await link.close();
  });

  it('carries every byte both ways', async () => {
    const { open } = await start();
    const link = await open();
    const got = collect(link);
    const all = Buffer.from(Array.from({ length: 5000 }, (_, index) => 255 - (index & 255)));
    await link.write(all);
    await link.write(Buffer.alloc(300, 255));
    assert.ok((await got.bytes(5300)).equals(Buffer.concat([all, Buffer.alloc(300, 255)])));
    await link.close();
  });

  it('sets both lines in one segment, never by way of RTS alone', async () => {
    const { server, open } = await start();
    const link = await open();
    for (const [dtr, rts, expected] of [
      [true, true, '8,11'],
      [false, false, '12,9'],
      [true, false, '8,12'],
      [false, true, '11,9'],
      [true, false, '8,12'],
    ] as const) {
      server.commands.length = 0;
      server.chunks.length = 0;
      await link.setLines({ dtr, rts });
      assert.equal(server.commands.map((command) => command.slice(2)).join(), expected);
      assert.equal(server.chunks.length, 1);
      assert.deepEqual(link.lines, { dtr, rts });
    }
    await link.close();
  });

  it('changes the rate in place, and takes what a divider makes of it', async () => {
    const { server, open } = await start();
    const link = await open();
    server.behaviour = { baudAnswer: 923076 };
    await link.setBaudRate(921600);
    assert.equal(link.baudRate, 921600);
    assert.equal(server.commands.at(-1), '1:921600');
    server.behaviour = { baudAnswer: 115200 };
    const error = await failure(link.setBaudRate(2_000_000));
    assert.equal(error.code, 'PORT_FAILED');
    assert.match(error.message, /did not set 2000000 baud/);
    assert.deepEqual([link.baudRate, link.isOpen], [921600, true]);
    await link.close();
  });

  it('says so when a change is not acknowledged', async () => {
    const { server, open } = await start();
    const link = await open({ timeoutMs: 150 });
    server.behaviour = { silentOn: [5] };
    const error = await failure(link.setLines({ dtr: true, rts: true }));
    assert.equal(error.code, 'PORT_FAILED');
    assert.match(error.message, /no acknowledgement within 150 ms/);
    assert.deepEqual(link.lines, { dtr: false, rts: false });
    await link.close();
  });

  it('holds writes back while the server asks for it', async () => {
    const { server, open } = await start();
    const link = await open();
    const got = collect(link);
    server.sendRaw(Buffer.of(255, 250, 44, 108, 255, 240, 33));
    await got.bytes(1);
    server.chunks.length = 0;
    const writing = link.write(Buffer.from('later'));
    await link.setBaudRate(9600);
    assert.ok(!Buffer.concat(server.chunks).includes('later'));
    server.sendRaw(Buffer.of(255, 250, 44, 109, 255, 240));
    await writing;
    assert.equal((await got.bytes(6)).toString(), '!later');
    await link.close();
  });

  it('refuses other options once each, and passes over what it is only told', async () => {
    const { server, open } = await start();
    const link = await open();
    const got = collect(link);
    server.chunks.length = 0;
    server.sendRaw(Buffer.of(255, 251, 1, 255, 253, 24, 255, 251, 1, 255, 241, 255, 250, 44, 107, 16, 255, 240));
    server.sendRaw(Buffer.of(255, 250, 99, 1, 255, 240, 255, 253, 0));
    server.send(Buffer.from('x'));
    await got.bytes(1);
    await link.write(Buffer.from('y'));
    await got.bytes(2);
    assert.deepEqual([...Buffer.concat(server.chunks)], [255, 254, 1, 255, 252, 24, 'y'.charCodeAt(0)]);
    await link.close();
  });

  it('refuses a server that declines the option or 8-bit data', async () => {
    for (const [behaviour, text] of [
      [{ declineComPort: true }, /is no RFC 2217 server/],
      [{ declineBinary: true }, /8-bit data/],
    ] as const) {
      const { server, open } = await start(behaviour);
      const error = await failure(open());
      assert.equal(error.code, 'PORT_UNREACHABLE');
      assert.match(error.message, text);
      assert.equal(holderOf(`rfc2217://127.0.0.1:${server.port}`), undefined);
    }
  });

  it('refuses a server that does not answer, or not to the end', async () => {
    for (const behaviour of [{ mute: true }, { silentOn: [1] }]) {
      const { open } = await start(behaviour);
      const error = await failure(open({ timeoutMs: 150 }));
      assert.equal(error.code, 'PORT_UNREACHABLE');
      assert.match(error.message, /does not answer as an RFC 2217 server within 150 ms/);
    }
  });

  it('refuses a server of another kind and one that hangs up', async () => {
    const shouting = await serve((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n', () => socket.end()));
    const error = await failure(openLink(`rfc2217://127.0.0.1:${shouting.port}`, { owner: 'test' }));
    assert.equal(error.code, 'PORT_UNREACHABLE');
    assert.match(error.message, /closed the connection before it agreed/);
    const port = await freePort();
    assert.equal((await failure(openLink(`rfc2217://127.0.0.1:${port}`, { owner: 'test' }))).code, 'PORT_UNREACHABLE');
  });

  it('ends with PORT_GONE when the server drops, also while a change waits', async () => {
    const { server, open } = await start();
    const link = await open();
    const end = endOf(link);
    server.behaviour = { silentOn: [5] };
    const changing = failure(link.setLines({ dtr: true, rts: false }));
    server.connections[0]?.end();
    assert.equal((await changing).code, 'PORT_GONE');
    assert.equal(((await end) as { code?: string }).code, 'PORT_GONE');
    assert.equal(holderOf(link.info.address), undefined);
  });

  it('stops negotiating when it is cancelled', async () => {
    const { server, open } = await start({ mute: true });
    const cancel = new AbortController();
    const opening = failure(open({ signal: cancel.signal }));
    while (server.chunks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    cancel.abort();
    assert.equal((await opening).code, 'CANCELLED');
    assert.equal(holderOf(`rfc2217://127.0.0.1:${server.port}`), undefined);
  });
});
