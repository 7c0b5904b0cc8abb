import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A process that answers one question at a time. */
export class Answering<Q> {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  constructor(file: string) {
    this.#child = fork(new URL(file, import.meta.url), { serialization: 'advanced' });
    this.#exit = once(this.#child, 'exit');
  }

  async ask<A>(question: Q): Promise<A> {
    const gone = this.#exit.then(() => {
      throw new Error('A process of the benchmark stopped.');
    });
    gone.catch(() => undefined);
    const said = once(this.#child, 'message') as Promise<[{ value?: A; error?: string }]>;
    this.#child.send(question as object);
    const [{ value, error }] = await Promise.race([said, gone]);
    if (error !== undefined) throw new Error(error);
    return value as A;
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exit;
  }
}
