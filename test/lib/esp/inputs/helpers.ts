import assert from 'node:assert/strict';
import { KeywayError } from '../../../../lib/errors/index.ts';
import { demoImageSet, type Load, type Region } from '../../../../lib/esp/index.ts';

/** Files by path; what is not there is missing. */
export function loader(files: Record<string, Uint8Array>): Load & { asked: string[] } {
  const asked: string[] = [];
  const load = async (path: string): Promise<Uint8Array> => {
    asked.push(path);
    const data = files[path];
    if (data === undefined) throw new Error('no such file');
    return data;
  };
  return Object.assign(load, { asked });
}

export const demo = demoImageSet('esp32c3', 'factory', { size: 8000, version: '4.5.6' });
const data = (kind: Region['kind']): Uint8Array =>
  demo.regions.find((region) => region.kind === kind)?.data ?? assert.fail();
export const BOOTLOADER = data('bootloader');
export const TABLE = data('partition-table');
export const APP = data('app');

export async function refused(
  work: Promise<unknown> | (() => unknown),
  code: string,
  field?: string,
): Promise<KeywayError> {
  let caught: unknown;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof KeywayError, `refused with ${code}, got ${String(caught)}`);
  assert.equal(caught.code, code, caught.message);
  if (field !== undefined) assert.equal(caught.detail?.field, field);
  return caught;
}
