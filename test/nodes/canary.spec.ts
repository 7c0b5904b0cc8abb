import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { NodeDef } from 'node-red';
import helper from 'node-red-node-test-helper';
import { createHandle, describeHandle, isHandle } from '../../lib/vault/index.ts';
import type { Red, RedNode } from '../../nodes/shared/types.ts';
import { spellingOf } from '../support/canary.ts';
import { NodeRed } from '../support/node-red.ts';
import { Bench, type FlowNode, type Msg, unload } from './harness.ts';

/** A secret that nothing else looks like. */
const canary = (): string => `canary+${randomBytes(12).toString('base64')}`;

const channels = ['msg', 'status', 'log', 'error', 'context', 'comms', 'export'] as const;
type Channel = (typeof channels)[number];

/** Everything that can be seen of a flow from outside of the nodes. */
class Net {
  readonly #seen: Record<Exclude<Channel, 'msg' | 'error' | 'log' | 'export'>, unknown[]>;
  readonly #bench: Bench;

  constructor(bench: Bench, seen: { status: unknown[]; comms: unknown[]; context: unknown[] }) {
    this.#bench = bench;
    this.#seen = seen;
  }

  /** Loads the nodes with a leaky one beside them. */
  static async spread(nodes: FlowNode[], credentials: Record<string, Record<string, string>> = {}): Promise<Net> {
    const seen = { status: [] as unknown[], comms: [] as unknown[], context: [] as unknown[] };
    const leaky = (RED: Red): void => {
      const watch = { 'node-status': seen.status, comms: seen.comms };
      RED.nodes.registerType('leaky', function (this: RedNode, saved: NodeDef) {
        RED.nodes.createNode(this, saved);
        const { flow, global } = this.context();
        seen.context.push(flow, global);
        for (const [event, list] of Object.entries(watch)) {
          const note = (value: unknown): void => void list.push(value);
          RED.events.on(event, note);
          this.on('close', () => RED.events.off(event, note));
        }
        this.on('input', (msg, send, done) => {
          leak(RED, this, msg as unknown as Leak);
          if ((msg as unknown as Leak).channel === 'error') done(new Error(`it was ${String(msg.payload)}`));
          else {
            if ((msg as unknown as Leak).channel === 'msg') send(msg);
            done();
          }
        });
      });
    };
    const all = [...nodes, { id: 'leaky', type: 'leaky', wires: [['out']] }];
    return new Net(await Bench.load(all, [leaky], credentials), seen);
  }

  get bench(): Bench {
    return this.#bench;
  }

  /** The channels in which a secret can be seen, with its spelling. */
  async sightings(secret: string): Promise<Record<string, string>> {
    const { out, progress, caught, completed, statuses } = this.#bench;
    const contexts = this.#seen.context as { keys(): string[]; get(key: string): unknown }[];
    const views: Record<Channel, unknown> = {
      msg: [out.messages, progress.messages, completed.messages, caught.messages.map(({ error: _, ...msg }) => msg)],
      status: [this.#seen.status, statuses.messages],
      log: helper.log().args,
      error: caught.messages.map(({ error }) => error),
      context: contexts.map((context) => context.keys().map((key) => context.get(key))),
      comms: this.#seen.comms,
      export: [...exported(), ...planted],
    };
    const found = channels.map((channel) => [channel, spellingOf(secret, views[channel])]);
    return Object.fromEntries(found.filter(([, spelling]) => spelling !== undefined)) as Record<string, string>;
  }
}

/** The flow as the editor gets it: nodes' properties without their credentials. */
function exported(): unknown[] {
  const properties: unknown[] = [];
  for (const id of ['store', 'buffer', 'env', 'stored', 'blank', 'off', 'on', 'late']) {
    const node = helper.getNode(id) as (RedNode & { credentials?: unknown }) | null;
    if (node !== null) properties.push(JSON.parse(JSON.stringify({ ...node, _flow: null, credentials: null })));
  }
  return properties;
}

/** What the leaky node writes as if it were part of the flow. */
const planted: unknown[] = [];

interface Leak {
  channel: Channel;
  payload: unknown;
}

function leak(RED: Red, node: RedNode, { channel, payload }: Leak): void {
  const text = String(payload);
  if (channel === 'status') node.status({ text });
  if (channel === 'log') node.log(text);
  if (channel === 'context') node.context().global.set('leaked', { deep: [text] });
  if (channel === 'comms') RED.comms.publish('keyway/leak', { text }, false);
  if (channel === 'export') planted.push({ id: 'leaky', note: text });
}

describe('a canary in every channel', () => {
  afterEach(async () => {
    planted.length = 0;
    await unload();
  });

  it('is found where it was planted', async () => {
    for (const channel of channels) {
      const net = await Net.spread([]);
      const secret = canary();
      net.bench.send('leaky', { channel, payload: secret });
      if (channel === 'error') await net.bench.caught.next();
      else if (channel === 'msg') await net.bench.out.next();
      else await net.bench.completed.next();
      assert.equal((await net.sightings(secret))[channel], 'raw', channel);
      assert.deepEqual(await net.sightings(canary()), {});
      await unload();
      planted.length = 0;
    }
  });

  it('is found in every spelling', () => {
    const secret = canary();
    const bytes = Buffer.from(secret);
    const spellings: Record<string, unknown> = {
      raw: { a: [new Map([['b', `x${secret}y`]])] },
      hex: bytes.toString('hex').toUpperCase(),
      base64: Buffer.concat([Buffer.from('x'), bytes, Buffer.from('yz')]).toString('base64'),
      'buffer json': JSON.stringify(bytes),
    };
    for (const [spelling, value] of Object.entries(spellings)) assert.equal(spellingOf(secret, value), spelling);
    for (const value of [new Uint8Array(bytes), JSON.parse(JSON.stringify(bytes)), new Error(secret)]) {
      assert.equal(spellingOf(secret, { value }), 'raw');
    }
    assert.equal(spellingOf(secret, { value: canary() }), undefined);
  });
});

describe('a secret that keyway-secret was given', () => {
  afterEach(unload);

  const secretNode = (id: string, fields: object = {}): FlowNode => ({
    id,
    type: 'keyway-secret',
    wires: [['out']],
    ...fields,
  });

  it('is seen nowhere, wherever it came from', async () => {
    const [text, bytes, variable, stored] = [canary(), canary(), canary(), canary()];
    process.env.KEYWAY_CANARY = variable;
    const net = await Net.spread(
      [
        secretNode('store'),
        secretNode('buffer', { property: 'wifi.password' }),
        secretNode('env', { source: 'env', variable: 'KEYWAY_CANARY' }),
        secretNode('stored', { source: 'stored' }),
      ],
      { stored: { secret: stored } },
    );
    assert.equal(process.env.KEYWAY_CANARY, undefined);
    net.bench.send('store', { payload: text });
    net.bench.send('buffer', { wifi: { password: Buffer.from(bytes) } });
    for (const id of ['env', 'stored', 'env', 'stored']) net.bench.send(id, { payload: 'replaced' });
    const messages = await net.bench.out.many(6);
    const handles = messages.map((msg) => msg.wifi?.password ?? msg.payload);
    assert.ok(handles.every(isHandle));
    assert.equal(new Set(handles).size, 6);
    for (const secret of [text, bytes, variable, stored]) assert.deepEqual(await net.sightings(secret), {});
  });

  it('is seen nowhere when it could not be put away, nor in what is handed to Catch', async () => {
    const [typed, bytes, stored] = [canary(), canary(), canary()];
    const net = await Net.spread(
      [
        secretNode('store', { lifetime: 'soon', lifetimeType: 'str' }),
        secretNode('late', { timeout: 'never', timeoutType: 'str' }),
        secretNode('stored', { source: 'stored', redeemer: ' ' }),
        secretNode('blank', { source: 'stored' }),
      ],
      { stored: { secret: stored } },
    );
    const left = Buffer.from(bytes);
    assert.equal(await net.bench.failure('store', { payload: typed, kept: 1 }), 'BAD_FIELD');
    assert.equal(await net.bench.failure('late', { payload: left }), 'BAD_FIELD');
    assert.ok(left.every((byte) => byte === 0));
    assert.equal(await net.bench.failure('stored', {}), 'BAD_SECRET');
    assert.equal(await net.bench.failure('blank', { payload: 'mine' }), 'BAD_FIELD');
    const [first, , , last] = net.bench.caught.messages;
    assert.deepEqual(['payload' in (first as Msg), first?.kept, last?.payload], [false, 1, 'mine']);
    for (const secret of [typed, bytes, stored]) assert.deepEqual(await net.sightings(secret), {});
  });

  it('is not told by a variable that holds it instead of naming it', async () => {
    const [secret, name] = [canary(), `Secret_${randomBytes(8).toString('hex')}`];
    const net = await Net.spread([
      secretNode('env', { source: 'env', variable: secret }),
      secretNode('store', { source: 'env', variable: name }),
    ]);
    assert.equal(await net.bench.failure('env', {}), 'BAD_FIELD');
    assert.equal(await net.bench.failure('store', {}), 'SECRET_MISSING');
    for (const value of [secret, name]) {
      const { export: _typedThere, ...elsewhere } = await net.sightings(value);
      assert.deepEqual(elsewhere, {});
    }
  });

  it('is seen nowhere when its handle is refused; each refusal is written down', async () => {
    const [mine, other, old] = [canary(), canary(), canary()];
    const net = await Net.spread([
      secretNode('store', { redeemer: 'keyway-flash' }),
      secretNode('off', { operation: 'reveal' }),
      secretNode('on', { operation: 'reveal', allowReveal: true }),
    ]);
    net.bench.send('store', { payload: mine });
    const { payload } = await net.bench.out.next();
    const terms = { kind: 'secret', redeemableBy: ['keyway-secret'] };
    const good = createHandle(Buffer.from(other), { ...terms, expiresInMs: 60_000 });
    const expired = createHandle(Buffer.from(old), { ...terms, expiresInMs: 1 });
    await gone(expired);
    assert.equal(await net.bench.failure('off', { payload: good }), 'REVEAL_OFF');
    assert.equal(await net.bench.failure('on', { payload }), 'HANDLE_NOT_FOR_YOU');
    assert.equal(await net.bench.failure('on', { payload: expired }), 'HANDLE_EXPIRED');
    assert.equal(await net.bench.failure('on', { payload: `${good}0` }), 'HANDLE_UNKNOWN');
    for (const secret of [mine, other, old]) assert.deepEqual(await net.sightings(secret), {});
    const denied = helper.log().args.filter(([entry]) => (entry as Msg).event === 'keyway.secret.denied');
    assert.deepEqual(
      denied.map(([entry]) => (entry as Msg).code),
      ['REVEAL_OFF', 'HANDLE_NOT_FOR_YOU', 'HANDLE_EXPIRED', 'HANDLE_UNKNOWN'],
    );
  });

  it('is in the message alone when it is taken out', async () => {
    const secret = canary();
    const net = await Net.spread([secretNode('on', { operation: 'reveal', allowReveal: true })]);
    const terms = { kind: 'secret', redeemableBy: ['keyway-secret'], expiresInMs: 60_000 };
    net.bench.send('on', { payload: createHandle(Buffer.from(secret), terms) });
    await net.bench.out.next();
    assert.deepEqual(await net.sightings(secret), { msg: 'raw' });
  });

  it('does not leave a real Node-RED, which keeps it with its credentials', async () => {
    const secret = canary();
    const red = await NodeRed.start();
    try {
      const flow = [
        { id: 'a1', type: 'tab', label: 'test' },
        { id: 'a2', type: 'inject', z: 'a1', name: 'go', props: [{ p: 'payload' }], payload: '', wires: [['a3']] },
        { id: 'a3', type: 'keyway-secret', z: 'a1', name: 'wifi', source: 'stored', wires: [['a4']] },
        { id: 'a4', type: 'debug', z: 'a1', name: 'seen', active: true, tosidebar: true, complete: 'true', wires: [] },
      ];
      const withSecret = flow.map((node) => (node.id === 'a3' ? { ...node, credentials: { secret } } : node));
      await red.deploy(withSecret);
      await red.press('go');
      await red.status('wifi', ({ fill }) => fill === 'green');
      await red.shown('seen');
      const answers = ['flows', 'credentials/keyway-secret/a3'].map(async (path) =>
        (await fetch(`${red.address}/${path}`)).text(),
      );
      const [flows = '', credentials = ''] = await Promise.all(answers);
      assert.deepEqual(JSON.parse(credentials), { has_secret: true });
      assert.match(red.frames.join(), /keyway:handle:/);
      assert.equal(spellingOf(secret, [flows, credentials, red.frames, red.log]), undefined);
    } finally {
      await red.stop();
    }
  });
});

/** Waits until a handle's time is over. */
async function gone(handle: string): Promise<void> {
  for (;;) {
    try {
      describeHandle(handle);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
