import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { buildImage, findSignature, parseImage } from '../../lib/esp/formats/index.ts';

const RUN_MS = 120_000;
const run = promisify(execFile);

function findEspsecure(): string | undefined {
  const named = process.env.KEYWAY_ESPSECURE;
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'espsecure'))
    .find((path) => existsSync(path));
}

describe('signatures that espsecure makes', function () {
  this.timeout(RUN_MS);
  let espsecure = '';
  let folder = '';
  const image = buildImage({ kind: 'app', chip: 'ESP32-C3', size: 9000 });
  const { length } = parseImage(image);

  before(async function () {
    const found = findEspsecure();
    if (found === undefined) {
      assert.notEqual(process.env.KEYWAY_PEERS, 'required', 'espsecure must be installed');
      console.log('      left out: espsecure is not installed');
      this.skip();
    }
    espsecure = found;
    folder = await mkdtemp(join(tmpdir(), 'keyway-signature-'));
    await writeFile(join(folder, 'image.bin'), image);
  });

  after(async () => {
    if (folder !== '') await rm(folder, { recursive: true, force: true });
  });

  const signed = async (version: string, scheme: string) => {
    const [key, out] = ['pem', 'bin'].map((type) => join(folder, `v${version}-${scheme}.${type}`)) as [string, string];
    await run(espsecure, ['generate-signing-key', '--version', version, '--scheme', scheme, key], { timeout: RUN_MS });
    const input = join(folder, 'image.bin');
    await run(espsecure, ['sign-data', '--version', version, '--keyfile', key, '--output', out, input], {
      timeout: RUN_MS,
    });
    return new Uint8Array(await readFile(out));
  };

  const schemes: [string, string, boolean | null][] = [
    ['rsa3072', 'RSA-3072', true],
    ['ecdsa192', 'ECDSA-P192', true],
    ['ecdsa256', 'ECDSA-P256', true],
    ['ecdsa384', 'ECDSA-P384', null],
  ];
  for (const [scheme, algorithm, digestValid] of schemes) {
    it(`v2, ${scheme}`, async () => {
      const bytes = await signed('2', scheme);
      const found = findSignature(bytes, length);
      assert.deepEqual([found?.scheme, found?.offset, found?.sound], ['v2', 0x3000, true]);
      assert.deepEqual(
        found?.blocks.map((block) => [block.algorithm, block.digestValid, block.crcValid]),
        [[algorithm, digestValid, true]],
      );
      bytes[0x100] = (bytes[0x100] as number) ^ 1;
      assert.equal(findSignature(bytes, length)?.sound, digestValid === null);
    });
  }

  it('v1', async () => {
    const bytes = await signed('1', 'ecdsa256');
    assert.deepEqual(findSignature(bytes, length), { scheme: 'v1', offset: length, blocks: [], sound: true });
  });
});
