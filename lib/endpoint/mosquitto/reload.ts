import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { codeOf } from '../../errors/index.ts';
import { fail } from '../errors.ts';

/** How mosquitto is told to read its revocation lists again. */
export type MosquittoReload =
  /** SIGHUP to this process. */
  | { readonly pid: number }
  /** SIGHUP to the process whose number is in this file: `pid_file` of mosquitto.conf. */
  | { readonly pidFile: string }
  /** A program that does it, run without a shell: for a mosquitto of another user, or in a container. */
  | { readonly command: string; readonly args?: readonly string[] };

const COMMAND_MS = 15_000;

/**
 * Has mosquitto read its `crlfile` again. Open sessions stay: see `MosquittoControl.kick`.
 * @throws MOSQUITTO_NOT_THERE, MOSQUITTO_REFUSED
 */
export async function reloadMosquitto(how: MosquittoReload): Promise<void> {
  if ('command' in how) {
    await run(how.command, how.args ?? []);
    return;
  }
  const pid = 'pid' in how ? how.pid : await pidIn(how.pidFile);
  if (!Number.isInteger(pid) || pid < 2) throw notThere(`${pid} is no number of a process.`);
  // A number that was left behind may be another process's by now, and SIGHUP ends most of them.
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined);
  if (name !== undefined && !name.startsWith('mosquitto')) {
    throw notThere(`The process ${pid} is ${JSON.stringify(name.trim())}, not mosquitto.`);
  }
  try {
    process.kill(pid, 'SIGHUP');
  } catch (cause) {
    if (codeOf(cause) !== 'EPERM') throw notThere(`There is no process ${pid}.`, cause);
    throw fail('MOSQUITTO_REFUSED', `This user may not signal the process ${pid}.`, {
      hint: 'Run as the user of mosquitto, or name a command that may.',
      detail: { field: 'pid', value: pid },
      cause,
    });
  }
}

async function pidIn(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw notThere(`The file ${JSON.stringify(path)} with the number of its process cannot be read.`, cause);
  });
  if (/^\s*\d{1,10}\s*$/.test(text)) return Number(text);
  throw notThere(`The file ${JSON.stringify(path)} holds no number of a process.`);
}

function notThere(what: string, cause?: unknown): Error {
  return fail('MOSQUITTO_NOT_THERE', `mosquitto was not found. ${what}`, {
    hint: 'Start mosquitto, and set pid_file in its configuration.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: COMMAND_MS }, (error) => {
      if (error === null) {
        resolve();
        return;
      }
      const missing = codeOf(error) === 'ENOENT';
      const what = missing ? 'cannot be found' : `ended with ${error.code ?? error.signal ?? 'an error'}`;
      reject(
        fail(
          missing ? 'MOSQUITTO_NOT_THERE' : 'MOSQUITTO_REFUSED',
          `The command ${JSON.stringify(command)} that reloads mosquitto ${what}.`,
          { hint: 'Try it by hand as the user that runs this.', detail: { field: 'command', value: command } },
        ),
      );
    });
  });
}
