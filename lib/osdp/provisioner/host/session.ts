import type { Channel } from '../link/channel.ts';
import type { Check } from '../link/check.ts';
import { type FromDevice, fromWire, ID_MOST, parseFromDevice } from '../link/envelope.ts';
import { fail } from '../link/errors.ts';
import type { Frame } from '../link/frame.ts';
import { type ParamsOf, REQUESTS, type RequestType, type ResultOf } from '../link/messages.ts';

/** What a device says without being asked. */
export type Notice = Extract<FromDevice, { type: 'edge' | 'status' | 'bye' }>;

/** More frames than any answer has. */
const PARTS_MOST = 256;

/** One frame of an answer. */
export interface Part<T extends RequestType> {
  readonly result: ResultOf<T>;
  /** The caller overwrites it. */
  readonly secret: Buffer | null;
}

interface Waiting {
  readonly type: RequestType;
  readonly parts: Part<RequestType>[];
  resolve(parts: Part<RequestType>[]): void;
  reject(error: Error): void;
}

/** One connection, as the host sees it: requests and their answers. */
export class Session {
  readonly #channel: Channel;
  readonly #notice: (notice: Notice) => void;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #over: Error | undefined;
  /** Settles when the connection is over, with what ended it. */
  readonly ended: Promise<Error>;

  constructor(channel: Channel, notice: (notice: Notice) => void) {
    this.#channel = channel;
    this.#notice = notice;
    this.ended = this.#run();
  }

  /** @throws what the device refuses with; LINK_LOST; BAD_MESSAGE the parameters cannot be sent */
  async request<T extends RequestType>(type: T, params: ParamsOf<T>, secret?: Uint8Array): Promise<Part<T>> {
    const parts = await this.requestParts(type, params, secret);
    return parts.at(-1) as Part<T>;
  }

  /** At least one. */
  requestParts<T extends RequestType>(type: T, params: ParamsOf<T>, secret?: Uint8Array): Promise<Part<T>[]> {
    return new Promise<Part<T>[]>((resolve, reject) => {
      const check: Check<unknown> = REQUESTS[type].params;
      const read = check(params, '') as object;
      if (this.#over !== undefined) throw lost(type, false);
      this.#next = this.#next === ID_MOST ? 1 : this.#next + 1;
      const id = this.#next;
      // The types of a request and its answer belong together: the table says so.
      const waiting = { type, parts: [], resolve, reject } as unknown as Waiting;
      this.#waiting.set(id, waiting);
      try {
        void this.#channel.send({ type, id, ...read }, secret);
      } catch (error) {
        this.#waiting.delete(id);
        throw error;
      }
    });
  }

  close(): void {
    this.#channel.end();
  }

  destroy(): void {
    this.#channel.destroy();
  }

  async #run(): Promise<Error> {
    let end: Error | undefined;
    try {
      for await (const frame of this.#channel.frames()) this.#take(frame);
    } catch (error) {
      end = error instanceof Error ? error : new Error(String(error));
    }
    this.#channel.destroy();
    this.#over = end ?? lost(null, false);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) {
      for (const part of one.parts) part.secret?.fill(0);
      one.reject(lost(one.type, (REQUESTS[one.type] as { changes?: true }).changes === true, end));
    }
    return this.#over;
  }

  #take({ message, secret }: Frame): void {
    const read = parseFromDevice(message);
    if (read?.type === 'answer') this.#answered(read.id, read.more, read.result, secret);
    else {
      secret?.fill(0);
      if (read?.type === 'refusal') this.#refused(read);
      else if (read !== undefined) this.#notice(read);
    }
  }

  #answered(id: number, more: boolean, result: unknown, secret: Buffer | null): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      secret?.fill(0);
      return;
    }
    const terms: { readonly result: Check<unknown>; readonly secret?: string } = REQUESTS[waiting.type];
    try {
      if ((secret !== null) !== (terms.secret === 'answer')) {
        throw fail('BAD_MESSAGE', `The answer to "${waiting.type}" ${secret === null ? 'lacks' : 'has'} a secret.`, {
          detail: { field: 'secret' },
        });
      }
      if (waiting.parts.length === PARTS_MOST) {
        throw fail('BAD_MESSAGE', `The answer to "${waiting.type}" does not end.`, { detail: { field: 'more' } });
      }
      waiting.parts.push({ result: terms.result(result, ''), secret } as Part<RequestType>);
    } catch (error) {
      secret?.fill(0);
      this.#waiting.delete(id);
      waiting.reject(error as Error);
      return;
    }
    if (more) return;
    this.#waiting.delete(id);
    waiting.resolve(waiting.parts);
  }

  #refused({ id, error }: Extract<FromDevice, { type: 'refusal' }>): void {
    const refused = fromWire(error);
    // A refusal without a number: something of ours could not be read. The link cannot go on.
    if (id === null) throw refused;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(refused);
  }
}

/** @param type the request that was under way; null when none was */
export function lost(type: RequestType | null, mayHaveHappened: boolean, cause?: unknown): Error {
  const what = type === null ? '' : ` during "${type}"`;
  return fail('LINK_LOST', `The link to the provisioner is gone${what}.`, {
    hint: mayHaveHappened
      ? 'It may have been done all the same: look at the slot once the link is back.'
      : 'Nothing was done. Try again once the link is back.',
    detail: { request: type, mayHaveHappened },
    ...(cause === undefined ? {} : { cause }),
  });
}
