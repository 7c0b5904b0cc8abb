import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { slipEncode } from '../../../lib/esp/slip.ts';
import { type Link, openLink, rfc2217 } from '../../../lib/link/index.ts';
import { servePty, serveRfc2217, serveTcp, VirtualChip, VirtualSocket } from '../../../lib/virtual/index.ts';
import { request, syncBody } from './bench.ts';

/** Waits until the link has delivered text that matches. */
function heard(link: Link, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    link.onClose((error) => reject(error ?? new Error(`closed after ${text}`)));
    link.onData((chunk) => {
      text += Buffer.from(chunk).toString('latin1');
      if (pattern.test(text)) resolve(text);
    });
  });
}

async function download(link: Link): Promise<void> {
  const ready = heard(link, /waiting for download\r\n/);
  await link.setLines({ dtr: false, rts: true });
  await link.setLines({ dtr: true, rts: false });
  await ready;
  await link.setLines({ dtr: false, rts: false });
}

/** SYNC until the loader listens; then its eight replies are there. */
async function sync(link: Link): Promise<void> {
  let replies = 0;
  const synced = new Promise<void>((resolve) => {
    link.onData((chunk) => {
      replies += chunk.filter((byte) => byte === 0xc0).length;
      if (replies >= 16) resolve();
    });
  });
  const repeat = setInterval(() => void link.write(slipEncode(request(0x08, syncBody()))), 30);
  await synced;
  clearInterval(repeat);
}

describe('virtual bench: servers', () => {
  let socket: VirtualSocket;
  let chip: VirtualChip;
  beforeEach(() => {
    socket = new VirtualSocket({ name: 'serve-test' });
    chip = new VirtualChip({ model: 'esp32c3', mac: '60:55:f9:00:00:01' });
    socket.insert(chip);
  });
  afterEach(() => socket.close());

  it('serves RFC 2217 with both lines and the rate', async () => {
    const service = await serveRfc2217(socket, { port: 0 });
    const link = await openLink(service.address, { owner: 'test' });
    await download(link);
    await link.setBaudRate(230400);
    await sync(link);
    await link.close();
    await service.close();
  });

  it('answers every RFC 2217 command with its number + 100, and every option once', async () => {
    const service = await serveRfc2217(socket, { port: 0 });
    const client = createConnection(Number(service.address.split(':').at(-1)));
    const parser = new rfc2217.TelnetParser();
    const events: rfc2217.TelnetEvent[] = [];
    client.on('data', (chunk) => events.push(...parser.push(chunk)));
    await once(client, 'connect');
    const { comPort, control } = rfc2217;
    for (const option of [0, 3, 44, 1, 44]) client.write(rfc2217.encodeNegotiation('do', option));
    for (const [command, value] of [
      [comPort.SIGNATURE, new Uint8Array(0)],
      [comPort.SET_BAUDRATE, rfc2217.uint32(57600)],
      [comPort.SET_BAUDRATE, rfc2217.uint32(0)],
      [comPort.SET_DATASIZE, 0],
      [comPort.SET_PARITY, 1],
      [comPort.SET_STOPSIZE, 1],
      [comPort.SET_CONTROL, control.DTR_ON],
      [comPort.SET_CONTROL, control.ASK_DTR],
      [comPort.SET_CONTROL, control.ASK_RTS],
      [comPort.SET_LINESTATE_MASK, 0],
      [comPort.SET_MODEMSTATE_MASK, 0],
      [comPort.NOTIFY_MODEMSTATE, new Uint8Array(0)],
      [comPort.PURGE_DATA, 3],
    ] as const) {
      client.write(rfc2217.encodeComPort(command, value));
    }
    while (events.filter(({ type }) => type === 'suboption').length < 13) await once(client, 'data');
    const answers = events.flatMap((event) =>
      event.type === 'suboption' ? [Buffer.from(event.body).toString('hex')] : [],
    );
    assert.match(answers[0] as string, /^64/);
    assert.deepEqual(answers.slice(1), [
      '650000e100',
      '650000e100',
      '6608',
      '6701',
      '6801',
      '6908',
      '6908',
      '690c',
      '6e00',
      '6f00',
      '6b30',
      '7003',
    ]);
    const negotiated = events.flatMap((event) =>
      event.type === 'negotiation' ? [`${event.verb} ${event.option}`] : [],
    );
    assert.deepEqual(negotiated, ['will 0', 'will 3', 'will 44', 'wont 1']);
    client.destroy();
    await service.close();
  });

  it('serves one client at a time, over the network or in the process', async () => {
    const service = await serveRfc2217(socket, { port: 0 });
    const link = await openLink(service.address, { owner: 'test' });
    const second = createConnection(Number(service.address.split(':').at(-1)));
    second.on('error', () => undefined);
    await once(second, 'close');
    await assert.rejects(openLink('virtual:serve-test', { owner: 'test' }), (error) =>
      isKeywayError(error, 'PORT_BUSY'),
    );
    assert.ok(link.isOpen);
    const ended = new Promise((resolve) => {
      link.onClose(resolve);
    });
    socket.pull();
    assert.ok(isKeywayError(await ended, 'PORT_GONE'));
    await service.close();
  });

  it('serves a bare byte stream, and says when it cannot listen', async () => {
    const service = await serveTcp(socket, { port: 0 });
    const link = await openLink(service.address, { owner: 'test' });
    const text = heard(link, /boot:0xc/);
    chip.pressEnable(true);
    chip.pressEnable(false);
    await text;
    await link.close();
    const port = Number(service.address.split(':').at(-1));
    await assert.rejects(serveTcp(socket, { port }), (error) => isKeywayError(error, 'LISTEN_FAILED'));
    await service.close();
  });

  for (const helper of ['python3', 'socat'] as const) {
    it(`serves a pseudo-terminal through ${helper}`, async function () {
      const folder = await mkdtemp(join(tmpdir(), 'keyway-test-'));
      const path = join(folder, 'tty');
      let service: Awaited<ReturnType<typeof servePty>>;
      try {
        service = await servePty(socket, { path, helpers: [helper] });
      } catch (error) {
        await rm(folder, { recursive: true });
        if (!isKeywayError(error, 'PTY_HELPER_MISSING')) throw error;
        console.log(`      left out: ${helper} not found`);
        return this.skip();
      }
      assert.match(readlinkSync(path), /^\/dev\//);
      const tty = await open(path, 'r+');
      const reading = (async () => {
        let text = '';
        while (!/boot:0xc/.test(text)) {
          const { bytesRead, buffer } = await tty.read(Buffer.alloc(256), 0, 256, null);
          text += buffer.toString('latin1', 0, bytesRead);
        }
      })();
      chip.pressEnable(true);
      chip.pressEnable(false);
      await reading;
      await tty.close();
      await service.close();
      assert.equal(existsSync(path), false);
      assert.equal(socket.isHeld, false);
      await rm(folder, { recursive: true });
    });
  }

  it('says which helper a pseudo-terminal needs', async () => {
    const before = process.env.PATH;
    process.env.PATH = '';
    try {
      await assert.rejects(servePty(socket), (error) => isKeywayError(error, 'PTY_HELPER_MISSING'));
    } finally {
      process.env.PATH = before;
    }
  });

  it('leaves nothing behind when a pseudo-terminal cannot be had', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyway-test-'));
    await writeFile(join(folder, 'python3'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    const { PATH, TMPDIR } = process.env;
    process.env.TMPDIR = folder;
    try {
      process.env.PATH = folder;
      await assert.rejects(
        servePty(socket),
        (error) => isKeywayError(error, 'PTY_FAILED') && /code 3/.test(error.message),
      );
      process.env.PATH = PATH;
      const link = await openLink(`virtual:${socket.name}`, { owner: 'test' });
      await assert.rejects(servePty(socket), (error) => isKeywayError(error, 'PORT_BUSY', 'PTY_HELPER_MISSING'));
      await link.close();
      assert.deepEqual(await readdir(folder), ['python3']);
      assert.equal(socket.isHeld, false);
    } finally {
      process.env.PATH = PATH;
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
      await rm(folder, { recursive: true });
    }
  });
});
