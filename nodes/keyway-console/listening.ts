import { codeOf } from '../../lib/errors/index.ts';
import { type ConsoleLine, ConsoleParser } from '../../lib/esp/index.ts';
import { listenPort, type PortListener, writePort } from '../shared/broker.ts';
import type { PortTarget } from '../shared/deployed.ts';
import type { StatusLine } from '../shared/status.ts';
import type { Device, Message, Red, RedNode } from '../shared/types.ts';
import { type ConsoleConfig, levels } from './config.ts';

/** After how long without bytes a line that has not ended is told all the same, as a prompt. */
const QUIET_MS = 300;

/** One console on one port, from start to stop. */
export class Listening {
  readonly #red: Red;
  readonly #node: RedNode;
  readonly #config: ConsoleConfig;
  readonly #status: StatusLine;
  readonly #target: PortTarget;
  #msg: Message;
  #parser = new ConsoleParser();
  #device: Device | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #reported = '';
  readonly #stop: () => Promise<void>;

  constructor(red: Red, node: RedNode, config: ConsoleConfig, status: StatusLine, target: PortTarget, msg: Message) {
    this.#red = red;
    this.#node = node;
    this.#config = config;
    this.#status = status;
    this.#target = target;
    this.#msg = msg;
    const listener: PortListener = {
      onData: (chunk, device) => this.#data(chunk, device),
      onState: (state, error) => this.#state(state, error),
    };
    this.#stop = listenPort(target, `${node.name || node.type} (${target.name})`, listener);
  }

  isFor(target: PortTarget, baudRate: number): boolean {
    return this.#target.address === target.address && this.#target.baudRate === baudRate;
  }

  /** From now on lines belong to this unit. */
  follow(msg: Message): void {
    this.#msg = msg;
  }

  /** @throws BUSY while a job has the port, PORT_GONE */
  async send(payload: string | Uint8Array): Promise<void> {
    await writePort(this.#target, typeof payload === 'string' ? new TextEncoder().encode(payload) : payload);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#quiet);
    await this.#stop();
  }

  #data(chunk: Uint8Array, device: Device | undefined): void {
    this.#device = device;
    clearTimeout(this.#quiet);
    for (const line of this.#parser.feed(chunk)) this.#tell(line);
    if (this.#parser.pending === 0) return;
    this.#quiet = setTimeout(() => {
      for (const line of this.#parser.flush()) this.#tell(line);
    }, QUIET_MS);
    this.#quiet.unref();
  }

  #state(state: 'open' | 'paused' | 'gone', error: Error | undefined): void {
    const word = (key: string): string => this.#red._(`keyway-console.status.${key}`);
    if (state !== 'open') {
      clearTimeout(this.#quiet);
      for (const line of this.#parser.flush(true)) this.#tell(line);
    }
    if (state === 'open') {
      this.#reported = '';
      this.#status.set('green', 'dot', word('listening'));
    } else if (state === 'paused') this.#status.set('yellow', 'ring', word('paused'));
    else this.#gone(error, word('gone'));
  }

  /** A port that is not there is waited for; any other reason somebody has to know, once. */
  #gone(error: Error | undefined, word: string): void {
    const code = codeOf(error);
    if (code === 'PORT_GONE' || code === 'PORT_NOT_FOUND') {
      this.#status.set('grey', 'ring', word);
      return;
    }
    this.#status.set('red', 'dot', code);
    if (code === this.#reported) return;
    this.#reported = code;
    this.#node.error(error, {});
  }

  #tell(line: ConsoleLine): void {
    if (line.level !== null && levels.indexOf(line.level) > levels.indexOf(this.#config.level)) return;
    const { raw: _coloured, ...payload } = line;
    const device = this.#device ?? this.#msg.device;
    this.#node.send({
      topic: 'console/line',
      payload,
      ...(device === undefined ? {} : { device: { ...device } }),
      ...(this.#msg.job === undefined ? {} : { job: this.#msg.job }),
    });
  }
}
