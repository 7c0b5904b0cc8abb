import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../../../errors/index.ts';
import { fail } from './errors.ts';

/**
 * A unix socket carries seeds in clear: the folder that it is in must let nobody but its owner in.
 * @throws LINK_FOLDER_OPEN; LINK_UNREACHABLE there is no such folder
 */
export async function checkSocketFolder(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  let facts: Awaited<ReturnType<typeof stat>>;
  try {
    facts = await stat(folder);
  } catch (cause) {
    throw fail('LINK_UNREACHABLE', `The folder ${folder} cannot be looked at (${codeOf(cause)}).`, {
      hint: 'Make it, with the mode 0700, as the user that runs this.',
      detail: { field: 'path', value: folder },
      cause,
    });
  }
  const self = process.getuid?.();
  // Windows keeps no such bits.
  if (self === undefined) return;
  if ((facts.mode & 0o077) === 0 && (facts.uid === self || self === 0)) return;
  throw fail('LINK_FOLDER_OPEN', `The folder ${folder} of the socket lets other users in.`, {
    hint: `Close it: \`chmod 700 ${folder}\`, as the user that runs this. Else use tls:127.0.0.1:port.`,
    detail: { field: 'path', value: folder, mode: (facts.mode & 0o7777).toString(8) },
  });
}
