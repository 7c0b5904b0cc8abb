import { isAbsolute, resolve } from 'node:path';
import { isKeywayError } from '../../lib/errors/index.ts';
import type { SlotId } from '../../lib/osdp/index.ts';
import { checkExportable, type ExportFormat, exportScbks, type ScbkExport, writeExport } from '../../lib/osdp/node.ts';
import { fail as failField } from './errors.ts';
import type { Provisioner } from './provisioner.ts';
import { openUsed } from './provisioner-job.ts';

/** How many names are tried where none was given. */
const NAMES = 1000;

/** The folder of a node's dialog; relative ones lie in the user folder. @throws BAD_FIELD */
export function exportFolder(folder: string, userDir: unknown): string {
  const typed = folder.trim();
  if (isAbsolute(typed)) return resolve(typed);
  if (typeof userDir === 'string' && userDir !== '') return resolve(userDir, typed === '' ? 'keyway/exports' : typed);
  throw failField('BAD_FIELD', 'Node-RED names no user folder that exports could lie in.', {
    hint: 'Type the whole path of the folder.',
    detail: { field: 'folder' },
  });
}

/**
 * Makes the export of a complete slot, hands it to `deliver`, overwrites it, and tells the provisioner.
 * @throws SLOT_EMPTY, SLOT_NOT_COMPLETE and what else exportScbks and the provisioner refuse; then nothing was delivered
 */
export async function withExport<T>(
  provisioner: Provisioner,
  slot: SlotId,
  format: ExportFormat,
  signal: AbortSignal,
  deliver: (made: ScbkExport, name: string) => Promise<T>,
): Promise<T> {
  const host = await provisioner.host(signal);
  const picture = await openUsed(host, slot);
  const { name, slot: number } = picture.summary;
  // Before the seed is read back, which the provisioner writes down.
  checkExportable(picture);
  const made = await host.withSeed(slot, (seed) => exportScbks(picture, seed, format));
  try {
    signal.throwIfAborted();
    const result = await deliver(made, `${safe(name ?? '')}${number}-${made.session.slice(0, 8)}`);
    // The keys have left: that the provisioner does not know of it costs a question when the slot is deleted.
    await host.exported(slot, made.session).catch(() => undefined);
    provisioner.changed(slot);
    return result;
  } finally {
    made.bytes.fill(0);
  }
}

/** Writes it under its name, or under the first free one that is made from the slot. @returns the path */
export async function writeNamed(
  folder: string,
  asked: string | undefined,
  base: string,
  made: ScbkExport,
): Promise<string> {
  if (asked !== undefined) return await writeExport(folder, asked, made.bytes);
  for (let n = 1; ; n++) {
    const name = `${base}${n === 1 ? '' : `-${n}`}.${made.format}`;
    try {
      return await writeExport(folder, name, made.bytes);
    } catch (error) {
      if (n >= NAMES || !isKeywayError(error, 'EXPORT_EXISTS')) throw error;
    }
  }
}

/** What of a slot's name may stand in a file name. */
function safe(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
  return plain === '' ? 'slot-' : `${plain}-`;
}
