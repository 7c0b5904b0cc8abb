import { open, readFile, rename, rm } from 'node:fs/promises';
import { codeOf } from '../../errors/index.ts';
import { fail } from '../errors.ts';

/** From a change of the flash to its being saved, in ms. */
const SAVE_AFTER_MS = 500;

/** Reads a flash file; undefined when there is none yet. @throws FLASH_FILE */
export async function readFlashFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw fail('FLASH_FILE', `The flash file ${path} cannot be read (${codeOf(cause)}).`, {
      hint: 'Check the path and who may read it.',
      detail: { field: 'flash', value: path },
      cause,
    });
  }
}

/** Keeps a file equal to the flash: written beside it, synced and renamed, so that it is whole at any moment. */
export class FlashFile {
  readonly #path: string;
  readonly #bytes: Uint8Array;
  readonly #failed: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(path: string, bytes: Uint8Array, failed: (error: Error) => void) {
    this.#path = path;
    this.#bytes = bytes;
    this.#failed = failed;
  }

  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#save();
    }, SAVE_AFTER_MS);
  }

  /** Saves what has not been saved yet. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#save();
    }
    await this.#work;
  }

  /** Writes the file once, whether or not anything changed. */
  async save(): Promise<void> {
    this.#save();
    await this.#work;
  }

  #save(): void {
    this.#work = this.#work.then(() => this.#write()).catch((error: unknown) => this.#failed(this.#explain(error)));
  }

  async #write(): Promise<void> {
    const beside = `${this.#path}.${process.pid}.tmp`;
    try {
      const file = await open(beside, 'w', 0o600);
      try {
        await file.writeFile(this.#bytes.slice());
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, this.#path);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }

  #explain(cause: unknown): Error {
    return fail('FLASH_FILE', `The flash file ${this.#path} cannot be written (${codeOf(cause)}).`, {
      hint: 'Check the folder, who may write there, and the space left.',
      detail: { field: 'flash', value: this.#path },
      cause,
    });
  }
}
