import { appendFile, readFile, rename, stat } from 'node:fs/promises';

/** A line of the link's log. Never a secret. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly event: string;
  readonly [fact: string]: unknown;
}

/** Then a new file is begun, and the one before is kept beside it. */
const SIZE_MOST = 1 << 20;
/** Lines that wait for the disk; more are left out. */
const WAITING_MOST = 1000;

/** One line of JSON an event, in a file of mode 0600. */
export class FileLog {
  readonly #path: string;
  readonly #failed: (error: unknown) => void;
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(path: string, failed: (error: unknown) => void) {
    this.#path = path;
    this.#failed = failed;
  }

  add(line: LogLine): void {
    if (this.#waiting >= WAITING_MOST) return;
    this.#waiting++;
    this.#work = this.#work
      .then(() => this.#write(`${JSON.stringify(line)}\n`))
      .catch(this.#failed)
      .finally(() => {
        this.#waiting--;
      });
  }

  async close(): Promise<void> {
    await this.#work;
  }

  async #write(text: string): Promise<void> {
    const { size } = await stat(this.#path).catch(() => ({ size: 0 }));
    if (size + text.length > SIZE_MOST) await rename(this.#path, `${this.#path}.1`);
    await appendFile(this.#path, text, { mode: 0o600 });
  }
}

/** The lines of a log; those that are torn are left out, and a file that is missing has none. */
export async function readLog(path: string): Promise<LogLine[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null && 'at' in value && 'event' in value ? [value as LogLine] : [];
    } catch {
      return [];
    }
  });
}
