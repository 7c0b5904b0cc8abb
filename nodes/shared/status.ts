import type { RedNode } from './types.ts';

type Fill = 'red' | 'green' | 'yellow' | 'blue' | 'grey';

/** Status texts stay under 20 characters, as the editor has no room for more. */
export function shorten(text: string): string {
  return text.length < 20 ? text : `${text.slice(0, 18)}…`;
}

/** The first text that a status shows whole, or the last one. */
export function fitting(...texts: readonly [string, ...string[]]): string {
  return texts.find((text) => text === shorten(text)) ?? (texts.at(-1) as string);
}

/**
 * A node's status while jobs come and go. While one works its own words are shown, while several do their number;
 * when the last has ended, how it ended stays.
 */
export class StatusLine {
  readonly #node: RedNode;
  readonly #jobs = new Map<string, { fill: Fill; text: string }>();
  #manyText: (count: number) => string;
  #shown = '';
  #muted = false;
  #rest: { fill: Fill; shape: 'ring' | 'dot'; text: string } = { fill: 'grey', shape: 'ring', text: '' };

  constructor(node: RedNode, manyText: (count: number) => string = (count) => `${count} ×`) {
    this.#node = node;
    this.#manyText = manyText;
    this.set('grey', 'ring', '');
  }

  /** Blue ring: it works. */
  working(job: string, text: string): void {
    this.#jobs.set(job, { fill: 'blue', text });
    this.#show();
  }

  /** Yellow ring: a person, or another job, has to do something first. */
  waiting(job: string, text: string): void {
    this.#jobs.set(job, { fill: 'yellow', text });
    this.#show();
  }

  /** Green dot, unless other jobs go on. */
  ok(job: string, text: string): void {
    this.#end(job, 'green', text);
  }

  /** Red dot with the code. */
  failed(job: string, code: string): void {
    this.#end(job, 'red', code);
  }

  /** A job ended that says nothing of its own: what the node rests at is shown again. */
  ended(job: string): void {
    this.#jobs.delete(job);
    if (this.#jobs.size > 0) this.#show();
    else this.#set(this.#rest.fill, this.#rest.shape, this.#rest.text);
  }

  /** What the node rests at while no job works. An empty text clears it. */
  set(fill: Fill, shape: 'ring' | 'dot', text: string): void {
    this.#rest = { fill, shape, text };
    if (this.#jobs.size === 0) this.#set(fill, shape, text);
  }

  /** Nothing is shown any more: another node has the id by now. */
  mute(): void {
    this.#muted = true;
  }

  #set(fill: Fill, shape: 'ring' | 'dot', text: string): void {
    const key = `${fill} ${shape} ${text}`;
    if (this.#muted || key === this.#shown) return;
    this.#shown = key;
    this.#node.status(text === '' ? {} : { fill, shape, text: shorten(text) });
  }

  #end(job: string, fill: Fill, text: string): void {
    this.#jobs.delete(job);
    if (this.#jobs.size > 0) this.#show();
    else this.#set(fill, 'dot', text);
  }

  #show(): void {
    const [first] = this.#jobs.values();
    if (first === undefined) return;
    if (this.#jobs.size === 1) this.#set(first.fill, 'ring', first.text);
    else this.#set('blue', 'ring', this.#manyText(this.#jobs.size));
  }
}
