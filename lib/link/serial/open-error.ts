import { access, constants, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { codeOf } from '../../errors/index.ts';
import { fail } from '../errors.ts';
import { listSerialPorts } from './list.ts';

export type OpenFailure = 'missing' | 'denied' | 'busy' | 'other';

/** Reads the driver's text: node-serialport hands no error number through. */
export function classifyOpenFailure(text: string): OpenFailure {
  if (/cannot lock|resource temporarily unavailable|resource busy|EBUSY|EAGAIN/i.test(text)) return 'busy';
  if (/permission denied|EACCES|operation not permitted|EPERM/i.test(text)) return 'denied';
  if (/no such (file|device)|file not found|ENOENT|ENXIO|ENODEV/i.test(text)) return 'missing';
  // Windows says this of a port that another program holds.
  if (/access (is )?denied/i.test(text)) return 'busy';
  return 'other';
}

/** The coded error for a port that did not open, with what to do about it. */
export async function openError(path: string, cause: unknown): Promise<Error> {
  const text = driverText(cause);
  switch (await classify(path, text)) {
    case 'missing':
      return notFound(path, cause);
    case 'denied':
      return fail('PORT_PERMISSION', `You may not open ${path}: the operating system refuses access.`, {
        hint:
          'On Linux the port usually belongs to the group dialout: run "sudo usermod -aG dialout $USER", log out and ' +
          `in again, and restart Node-RED. In Docker start the container with "--device ${path}".`,
        detail: { field: 'address', value: path },
        cause,
      });
    case 'busy':
      return busy(path, cause);
    default:
      return fail('PORT_FAILED', `The port ${path} cannot be opened: ${text}.`, {
        detail: { field: 'address', value: path },
        cause,
      });
  }
}

/** What the driver said, without its "Error:" and full stop. */
export function driverText(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).replace(/^Error:?\s*/i, '').replace(/\.$/, '');
}

async function classify(path: string, text: string): Promise<OpenFailure> {
  const byText = classifyOpenFailure(text);
  if (byText !== 'other' || process.platform === 'win32') return byText;
  // The text may be in another language: ask the file system.
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return 'other';
  } catch (error) {
    return classifyOpenFailure(codeOf(error));
  }
}

async function notFound(path: string, cause: unknown): Promise<Error> {
  const there = await listSerialPorts().then(
    (ports) => ports.map((port) => port.address),
    () => [],
  );
  return fail('PORT_NOT_FOUND', `There is no port ${path}.`, {
    hint:
      there.length === 0
        ? 'No serial port is plugged in. In Docker start the container with "--device" and the port.'
        : `Ports that are there: ${there.join(', ')}.`,
    detail: { field: 'address', value: path, available: there },
    cause,
  });
}

async function busy(path: string, cause: unknown): Promise<Error> {
  const holder = await findHolder(path);
  return fail('PORT_BUSY', `The port ${path} is held by ${holder ?? 'another program'}.`, {
    hint: 'Close the program that uses it (a serial monitor, ModemManager, another flow), then try again.',
    detail: { field: 'address', value: path, ...(holder === undefined ? {} : { heldBy: holder }) },
    cause,
  });
}

/**
 * Which process has the device open, as "name (pid n)". Best effort: only on Linux, and only processes that the
 * user of this one may look into.
 */
export async function findHolder(path: string): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const device = await realpath(path).catch(() => path);
  const pids = (await readdir('/proc').catch((): string[] => [])).filter((name) => /^\d+$/.test(name));
  // Another process is the likelier culprit, so this one is looked at last.
  pids.sort((a, b) => Number(a === String(process.pid)) - Number(b === String(process.pid)));
  for (const pid of pids) {
    if (!(await hasOpen(pid, device))) continue;
    if (pid === String(process.pid)) return `this Node.js process itself (pid ${pid})`;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a process');
    return `${name.trim()} (pid ${pid})`;
  }
  return undefined;
}

async function hasOpen(pid: string, device: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const files = await readdir(folder).catch((): string[] => []);
  for (const file of files) {
    const target = await readlink(`${folder}/${file}`).catch(() => '');
    if (target === device) return true;
  }
  return false;
}
