import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { openLink } from '../../../../lib/link/index.ts';
import { Panel } from '../../../../lib/osdp/index.ts';
import { ReaderBus, serveReaders, VirtualReader } from '../../../../lib/virtual/readers/index.ts';
import { KEY } from '../../osdp/support.ts';

describe('a virtual reader bus over TCP', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function start() {
    const bus = new ReaderBus({ name: 'readers-tcp', mode: 'free' });
    closers.push(() => bus.close());
    bus.add(new VirtualReader({ address: 7, baudRate: 115200, key: KEY }));
    const service = await serveReaders(bus, { port: 0 });
    closers.push(() => service.close());
    return service;
  }

  it('is a port like any other', async () => {
    const service = await start();
    const panel = new Panel(await openLink(service.address, { owner: 'test' }));
    closers.push(() => panel.close());
    panel.add({ address: 7, key: KEY, poll: false });
    assert.equal((await panel.reader(7).identify()).serial, 0x10000007);
    assert.equal(panel.reader(7).hasSession, true);
  });

  it('takes one host at a time', async () => {
    const service = await start();
    const first = await openLink(service.address, { owner: 'test' });
    closers.push(() => first.close());
    const second = connect(Number(new URL(service.address).port), '127.0.0.1');
    closers.push(() => second.destroy());
    await once(second, 'close');
  });

  it('says when it cannot listen', async () => {
    const service = await start();
    const bus = new ReaderBus({ name: 'readers-tcp-2' });
    closers.push(() => bus.close());
    const port = Number(new URL(service.address).port);
    await assert.rejects(serveReaders(bus, { port }), { code: 'LISTEN_FAILED' });
  });
});
