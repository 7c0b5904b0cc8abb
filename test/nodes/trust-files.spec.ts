import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepFiles, settleFiles } from '../../nodes/keyway-renew/files.ts';

describe("a gateway's own files", () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-files-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('keep the old certificate where the new key cannot take its place: never one without the other', async () => {
    const files = { key: join(folder, 'gw.key'), certificate: join(folder, 'gw.pem'), ca: join(folder, 'ca.pem') };
    await writeFile(files.certificate, 'the old one');
    // Nothing can be put in the place of a folder that holds something.
    await mkdir(join(files.key, 'something'), { recursive: true });
    const fresh = { key: Buffer.from('a new key'), certificate: 'the new one' };
    await assert.rejects(keepFiles(files, fresh), { code: 'IDENTITY_FILE' });
    assert.equal(await readFile(files.certificate, 'utf8'), 'the old one');
    await settleFiles(files);
    assert.deepEqual((await readdir(folder)).sort(), ['gw.key', 'gw.pem']);
    assert.equal(await readFile(files.certificate, 'utf8'), 'the old one');
  });
});
