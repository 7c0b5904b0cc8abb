import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export interface FlowNode {
  id: string;
  type: string;
  name?: string;
  [property: string]: unknown;
}

/** What a debug node showed. `value` is the message's payload, parsed where it was an object. */
export interface DebugEntry {
  readonly id: string;
  readonly name: string;
  readonly value: unknown;
}

export interface StatusEntry {
  readonly id: string;
  readonly text: string;
  readonly fill: string;
  readonly shape: string;
}

export interface Installation {
  /** The Node that runs it. */
  readonly node: string;
  /** Folder of the package node-red. */
  readonly nodeRed: string;
  readonly userDir: string;
  /** Whether the user folder goes when Node-RED stops. */
  readonly temporary: boolean;
}

const root = resolve(import.meta.dirname, '..', '..');

/** This Node, the Node-RED of the checkout, and a new user folder in which the checkout is an installed package. */
function checkout(): Installation {
  const userDir = mkdtempSync(join(tmpdir(), 'keyway-red-'));
  mkdirSync(join(userDir, 'node_modules', '@keyway'), { recursive: true });
  symlinkSync(root, join(userDir, 'node_modules', '@keyway', 'node-red-provisioning'), 'dir');
  return { node: process.execPath, nodeRed: join(root, 'node_modules', 'node-red'), userDir, temporary: true };
}

/** A real Node-RED in a process of its own, with the checkout installed as a package, watched through its comms. */
export class NodeRed {
  readonly address: string;
  readonly debug: DebugEntry[] = [];
  readonly statuses: StatusEntry[] = [];
  /** Every comms frame as it came: what any logged-in editor sees. */
  readonly frames: string[] = [];
  log = '';
  readonly #child: ChildProcess;
  readonly #installation: Installation;
  #socket: WebSocket | undefined;
  #flow: FlowNode[] = [];
  readonly #waiters = new Set<() => void>();

  private constructor(child: ChildProcess, installation: Installation, address: string) {
    this.#child = child;
    this.#installation = installation;
    this.address = address;
  }

  get userDir(): string {
    return this.#installation.userDir;
  }

  /** Starts Node-RED with the checkout as a package, or another installation of both. */
  static async start(env: Record<string, string> = {}, installation: Installation = checkout()): Promise<NodeRed> {
    const { userDir } = installation;
    const port = await freePort();
    const settings = {
      uiHost: '127.0.0.1',
      uiPort: port,
      flowFile: 'flows.json',
      credentialSecret: randomBytes(16).toString('hex'),
      telemetry: { enabled: false, updateNotification: false },
      debugMaxLength: 200000,
      serialReconnectTime: 300,
      editorTheme: { tours: false, projects: { enabled: false }, palette: { catalogues: [] } },
    };
    writeFileSync(join(userDir, 'settings.cjs'), `module.exports = ${JSON.stringify(settings)};`);
    const args = [join(installation.nodeRed, 'red.js'), '-u', userDir, '-s', join(userDir, 'settings.cjs')];
    const child = spawn(installation.node, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, NODE_V8_COVERAGE: '' },
    });
    const red = new NodeRed(child, installation, `http://127.0.0.1:${port}`);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        red.log += chunk.toString();
        red.#wake();
      });
    }
    child.once('exit', () => red.#wake());
    // A run that is ended early must not leave it behind.
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    try {
      await red.until('Node-RED starts', () => red.log.includes('Started flows'), 60000);
      await red.#listen();
    } catch (error) {
      await red.stop();
      throw error;
    }
    return red;
  }

  /** Replaces all flows. Forgets what was seen before. */
  async deploy(flow: FlowNode[]): Promise<void> {
    this.#flow = flow;
    this.forget();
    const starts = () => this.log.split('Started flows').length;
    const before = starts();
    const answer = await fetch(`${this.address}/flows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'node-red-deployment-type': 'full' },
      body: JSON.stringify(flow),
    });
    if (!answer.ok) throw new Error(`deploying answered ${answer.status}: ${await answer.text()}`);
    await this.until('the flows are started', () => starts() > before);
  }

  /** Forgets what was shown so far. */
  forget(): void {
    this.debug.length = 0;
    this.statuses.length = 0;
  }

  /** Presses the button of the inject node of that name. */
  async press(name: string): Promise<void> {
    const answer = await fetch(`${this.address}/inject/${this.idOf(name, 'inject')}`, { method: 'POST' });
    if (!answer.ok) throw new Error(`inject "${name}" answered ${answer.status}`);
  }

  idOf(name: string, type?: string): string {
    const found = this.#flow.filter((node) => node.name === name && (type === undefined || node.type === type));
    if (found.length !== 1) throw new Error(`${found.length} nodes are named "${name}" in this flow`);
    return (found[0] as FlowNode).id;
  }

  /** Waits for the debug node of that name to show a value that `accept` takes. */
  async shown(name: string, accept: (value: unknown) => boolean = () => true, timeoutMs = 30000): Promise<unknown> {
    const find = () => this.debug.find((entry) => entry.name === name && accept(entry.value));
    await this.until(`the debug node "${name}" shows what it should`, () => find() !== undefined, timeoutMs);
    return find()?.value;
  }

  /** Waits for a node's status to read so. */
  async status(name: string, accept: (status: StatusEntry) => boolean, timeoutMs = 30000): Promise<StatusEntry> {
    const id = this.idOf(name);
    const find = () => this.statuses.find((entry) => entry.id === id && accept(entry));
    await this.until(`the status of "${name}" is what it should be`, () => find() !== undefined, timeoutMs);
    return find() as StatusEntry;
  }

  /** Waits for a condition, looking again whenever anything arrives from Node-RED. */
  until(what: string, condition: () => boolean, timeoutMs = 30000): Promise<void> {
    return new Promise((done, refuse) => {
      const look = (): void => {
        if (condition()) finish(done);
        else if (this.#child.exitCode !== null) finish(() => refuse(new Error(`Node-RED ended.\n${this.log}`)));
      };
      const timer = setTimeout(
        () => finish(() => refuse(new Error(`Waited in vain: ${what}.\n${this.#story()}`))),
        timeoutMs,
      );
      const finish = (then: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        then();
      };
      this.#waiters.add(look);
      look();
    });
  }

  async stop(): Promise<void> {
    this.#socket?.close();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((done) => this.#child.once('exit', done));
      this.#child.kill('SIGTERM');
      const forced = setTimeout(() => this.#child.kill('SIGKILL'), 15000);
      await ended;
      clearTimeout(forced);
    }
    if (this.#installation.temporary) rmSync(this.#installation.userDir, { recursive: true, force: true });
  }

  async #listen(): Promise<void> {
    const socket = await this.#openComms(Date.now() + 30000);
    this.#socket = socket;
    socket.addEventListener('message', (event) => this.#receive(String(event.data)));
    for (const topic of ['debug', 'status/#', 'notification/#', 'keyway/#'])
      socket.send(JSON.stringify({ subscribe: topic }));
  }

  /** The flows start before the comms do: until then the server refuses them, and it is asked again. */
  async #openComms(until: number): Promise<WebSocket> {
    for (;;) {
      const socket = new WebSocket(`${this.address.replace('http', 'ws')}/comms`);
      const opened = await new Promise<boolean>((done) => {
        socket.addEventListener('open', () => done(true));
        socket.addEventListener('error', () => done(false));
      });
      if (opened) return socket;
      if (Date.now() > until || this.#child.exitCode !== null) {
        throw new Error(`The comms of Node-RED did not open.\n${this.log}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  #receive(text: string): void {
    this.frames.push(text);
    const parsed = JSON.parse(text) as { topic?: string; data?: Record<string, unknown> }[] | object;
    for (const { topic = '', data } of Array.isArray(parsed) ? parsed : []) {
      if (topic === 'debug' && data !== undefined) {
        this.debug.push({ id: String(data.id), name: String(data.name), value: shownValue(data) });
      } else if (topic.startsWith('status/') && data !== undefined) {
        const { text: words = '', fill = '', shape = '' } = data as Record<string, string>;
        this.statuses.push({ id: topic.slice('status/'.length), text: words, fill, shape });
      }
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** What was seen, for the message of a test that waited in vain. */
  #story(): string {
    const shown = this.debug.slice(-8).map((entry) => `  ${entry.name}: ${JSON.stringify(entry.value).slice(0, 300)}`);
    const statuses = this.statuses.slice(-12).map((entry) => {
      const node = this.#flow.find((one) => one.id === entry.id);
      return `  ${node?.type ?? '?'} ${node?.name ?? entry.id}: ${entry.fill} ${entry.shape} ${entry.text}`;
    });
    return ['debug:', ...shown, 'statuses:', ...statuses, 'log:', this.log.slice(-1500)].join('\n');
  }
}

function shownValue(data: Record<string, unknown>): unknown {
  const text = String(data.msg);
  switch (data.format) {
    case 'number':
      return Number(text);
    case 'boolean':
      return text === 'true';
    default:
      if (!/^[[{]/.test(text)) return text;
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return text;
      }
  }
}

export function freePort(): Promise<number> {
  return new Promise((answer, refuse) => {
    const probe = createServer();
    probe.once('error', refuse);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => answer(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
