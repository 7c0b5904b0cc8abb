import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cutAtMosquitto, MosquittoControl, mosquittoConfig, reloadMosquitto } from '../../../lib/endpoint/index.ts';
import { put, scratch } from '../pki/support.ts';

describe('endpoint: mosquitto in front', () => {
  let folder = '';
  let remove: (() => Promise<void>) | undefined;
  before(async () => {
    ({ folder, remove } = await scratch());
  });
  after(() => remove?.());

  it('says that mosquitto is not there, and signals nobody else in its place', async () => {
    // A process that a wrong SIGHUP would end.
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000); console.log(1)'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await once(child.stdout, 'data');
      const stale = await put(folder, 'stale.pid', `${child.pid}\n`);
      if (process.platform === 'linux') {
        await assert.rejects(reloadMosquitto({ pidFile: stale }), { code: 'MOSQUITTO_NOT_THERE' });
        await assert.rejects(reloadMosquitto({ pid: child.pid as number }), { code: 'MOSQUITTO_NOT_THERE' });
      }
      for (const how of [
        { pidFile: join(folder, 'nothing.pid') },
        { pidFile: await put(folder, 'words.pid', 'a word') },
        { pidFile: await put(folder, 'empty.pid', '') },
        { pidFile: await put(folder, 'all.pid', '0') },
        { pid: -1 },
        { pid: 1 },
        { pid: 4_194_303_999 },
        { command: join(folder, 'no-such-program') },
      ]) {
        await assert.rejects(reloadMosquitto(how), { code: 'MOSQUITTO_NOT_THERE' }, JSON.stringify(how));
      }
      assert.equal(child.exitCode ?? child.signalCode, null);
    } finally {
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    }
  });

  it('a command does it as well, and its failure is told', async () => {
    await reloadMosquitto({ command: process.execPath, args: ['-e', ''] });
    await assert.rejects(reloadMosquitto({ command: process.execPath, args: ['-e', 'process.exit(3)'] }), {
      code: 'MOSQUITTO_REFUSED',
    });
  });

  it('a list that cannot be written stops it before mosquitto is signalled', async () => {
    const write = () => Promise.reject(Object.assign(new Error('full'), { code: 'CRL_FILE_NOT_WRITABLE' }));
    const front = { reload: { pidFile: join(folder, 'nothing.pid') } };
    await assert.rejects(cutAtMosquitto(front, { write, usernames: ['a'] }), { code: 'CRL_FILE_NOT_WRITABLE' });
    await assert.rejects(cutAtMosquitto(front, { usernames: ['a'] }), { code: 'MOSQUITTO_NOT_THERE' });
  });

  it('sends no password over a network in clear, nor one in an address', async () => {
    const own = { username: 'admin', password: 'x' };
    for (const url of [
      'mqtt://192.0.2.1',
      'mqtt://broker.example.com',
      'http://127.0.0.1',
      'mqtts://u:p@127.0.0.1',
      'x',
    ]) {
      await assert.rejects(MosquittoControl.open({ ...own, url }), { code: 'BAD_SETTINGS' }, url);
    }
  });

  it('writes a configuration, and nothing into it that is no path', () => {
    const files = { keyFile: '/k', certFile: '/c', caFile: '/a', crlFile: '/l', pidFile: '/p' };
    const text = mosquittoConfig({ ...files, dynamicSecurity: { plugin: '/d.so', file: '/d.json' } });
    for (const line of ['crlfile /l', 'require_certificate true', 'pid_file /p', 'plugin /d.so', 'listener 8883']) {
      assert.ok(text.split('\n').includes(line), line);
    }
    assert.ok(text.includes('listener 1883 127.0.0.1'));
    for (const bad of [{ keyFile: 'k' }, { crlFile: '/l\nallow_anonymous true' }, { port: 0 }, { localPort: 1.5 }]) {
      assert.throws(() => mosquittoConfig({ ...files, ...bad }), { code: 'BAD_SETTINGS' });
    }
  });
});
