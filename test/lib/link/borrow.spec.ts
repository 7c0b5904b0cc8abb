import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { SerialPort } from 'serialport';
import { borrowSerialPort, claimPort, holderOf, type Link } from '../../../lib/link/index.ts';
import { failure } from './support/collect.ts';
import { closePtys, hasSocat, openPty } from './support/pty.ts';

/** What a serial-port configuration node does: holds the port, closes it in its own time, opens it on 'start'. */
class FakeConfig extends EventEmitter {
  readonly serialport: string;
  readonly serialbaud = 57600;
  enabled: boolean | string = true;
  /** What happened, in order. */
  readonly story: string[] = [];
  readonly #releaseAfter: Promise<void>;
  #port: SerialPort | undefined;

  constructor(serialport: string, releaseAfter: Promise<void> = Promise.resolve()) {
    super();
    this.serialport = serialport;
    this.#releaseAfter = releaseAfter;
    this.on('start', () => {
      this.story.push('start');
      this.#port = new SerialPort({ path: serialport, baudRate: this.serialbaud });
    });
  }

  changePort = (settings: object): void => {
    this.story.push(`release ${JSON.stringify(settings)}`);
    const port = this.#port;
    this.#port = undefined;
    void this.#releaseAfter.then(() => port?.close());
  };

  async started(): Promise<void> {
    if (this.#port?.isOpen === false) await once(this.#port, 'open');
  }

  write(text: string): void {
    this.#port?.write(text);
  }

  async stop(): Promise<void> {
    const port = this.#port;
    if (port?.isOpen !== true) return;
    const closed = once(port, 'close');
    port.close();
    await closed;
  }
}

describe('borrowing a serial-port node', function () {
  this.timeout(15_000);
  let config: FakeConfig | undefined;

  before(function () {
    if (hasSocat()) return;
    console.log('      left out: no socat on this machine (Debian: apt-get install socat)');
    this.skip();
  });
  afterEach(async () => {
    await config?.stop();
    config = undefined;
    await closePtys();
  });

  it('has the port released, uses it, and hands it back', async () => {
    const pty = await openPty();
    config = new FakeConfig(pty.path);
    config.emit('start');
    await config.started();
    const result = await borrowSerialPort(
      config,
      async (link: Link) => {
        config?.story.push(`use at ${link.baudRate}`);
        assert.equal(holderOf(pty.path), 'flash');
        await link.write(Buffer.from('ours'));
        return 42;
      },
      { owner: 'flash' },
    );
    assert.equal(result, 42);
    assert.deepEqual(config.story, ['start', 'release {}', 'use at 57600', 'start']);
    await config.started();
    config.write('theirs');
    assert.equal((await pty.received(10)).toString(), 'ourstheirs');
    assert.equal(holderOf(pty.path), undefined);
  });

  it('waits until the port is free', async () => {
    const pty = await openPty();
    let release = (): void => undefined;
    config = new FakeConfig(
      pty.path,
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    config.emit('start');
    await config.started();
    let tries = 0;
    const borrowed = borrowSerialPort(config, async () => 'used', { owner: 'flash', retryEveryMs: 1 });
    // The claim comes and goes with every try.
    while (tries < 3) {
      if (holderOf(pty.path) !== undefined) tries += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    release();
    assert.equal(await borrowed, 'used');
  });

  it('hands back when the use fails, when it never gets free, and when it is cancelled', async () => {
    const pty = await openPty();
    const never = new Promise<void>(() => undefined);
    config = new FakeConfig(pty.path, never);
    const failed = await failure(
      borrowSerialPort(
        config,
        async () => {
          throw new Error('verify failed');
        },
        { owner: 'flash' },
      ),
    );
    assert.equal(failed.message, 'verify failed');
    assert.deepEqual(config.story, ['release {}', 'start']);
    await config.started();

    const stuck = new SerialPort({ path: (await openPty()).path, baudRate: 9600 });
    await once(stuck, 'open');
    const held = new FakeConfig(stuck.path);
    held.removeAllListeners('start');
    held.on('start', () => held.story.push('start'));
    const busy = await failure(
      borrowSerialPort(held, async () => 'used', { owner: 'flash', releaseWithinMs: 20, retryEveryMs: 5 }),
    );
    assert.equal(busy.code, 'PORT_BUSY');
    const cancel = new AbortController();
    const cancelled = failure(borrowSerialPort(held, async () => 'used', { owner: 'flash', signal: cancel.signal }));
    cancel.abort();
    assert.equal((await cancelled).code, 'CANCELLED');
    assert.deepEqual(held.story, ['release {}', 'start', 'release {}', 'start']);
    const closed = once(stuck, 'close');
    stuck.close();
    await closed;
  });

  it('leaves a stopped port stopped', async () => {
    const pty = await openPty();
    for (const enabled of [false, 'false']) {
      config = new FakeConfig(pty.path);
      config.enabled = enabled;
      await borrowSerialPort(config, async () => undefined, { owner: 'flash' });
      assert.deepEqual(config.story, ['release {}']);
    }
  });
});

describe('borrowing what cannot be borrowed', () => {
  it('says what to do when the node has no changePort', async () => {
    const emitted: string[] = [];
    const config = { serialport: '/dev/ttyUSB0', emit: (event: string) => emitted.push(event) };
    const error = await failure(borrowSerialPort(config, async () => undefined, { owner: 'flash' }));
    assert.equal(error.code, 'BORROW_UNSUPPORTED');
    assert.match(error.hint ?? '', /serial control/);
    assert.deepEqual(emitted, []);
  });

  it('does not take a port from another node of ours, nor one that is none', async () => {
    const config = new FakeConfig('/dev/keyway-no-such-port');
    const release = claimPort(config.serialport, 'console');
    const error = await failure(borrowSerialPort(config, async () => undefined, { owner: 'flash' }));
    release();
    assert.equal(error.code, 'PORT_BUSY');
    assert.match(error.message, /held by console/);
    const nameless = await failure(borrowSerialPort(new FakeConfig(''), async () => undefined, { owner: 'flash' }));
    assert.equal(nameless.code, 'BAD_ADDRESS');
    assert.deepEqual(config.story, []);
  });
});
