import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArguments } from '../../../lib/virtual/cli/args.ts';
import { runChip } from '../../../lib/virtual/cli/run.ts';
import { inRom } from './registers.ts';

/** HMAC_UP of the key purposes. */
const HMAC_UP = 8;
const key = Uint8Array.from({ length: 32 }, (_, i) => i);

describe('the key of the HMAC engine', () => {
  it('takes up an efuse block of its own, whose purpose hosts can read', async () => {
    for (const [model, security, purposes] of [
      ['esp32c3', { hmacKey: key }, [8, 0, 0]],
      ['esp32s3', { hmacKey: key, flashCryptCount: 1 }, [4, 8, 0]],
      ['esp32c3', { hmacKey: key, secureBoot: 'v2' }, [8, 9, 0]],
      ['esp32c3', {}, [0, 0, 0]],
    ] as const) {
      const bench = await inRom({ model, security });
      const { body } = await bench.ask(0x14, new Uint8Array(0));
      assert.deepEqual([...body.slice(5, 8)], purposes, model);
      assert.equal([...body.slice(5, 11)].includes(HMAC_UP), 'hmacKey' in security);
      bench.chip.powerOff();
    }
  });

  it('comes from a file on the command line, and its length is checked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyway-hmac-'));
    try {
      const output = { line: () => undefined, error: () => undefined };
      const start = (model: string, path: string) => {
        const args = parseArguments([
          'chip',
          '--model',
          model,
          '--mac',
          '60:55:f9:00:00:0c',
          '--tcp',
          '127.0.0.1:0',
          '--hmac-key',
          path,
        ]);
        return args === 'help' ? assert.fail() : runChip(args, output);
      };
      const [good, short] = [join(folder, 'good'), join(folder, 'short')];
      writeFileSync(good, key);
      writeFileSync(short, key.subarray(1));
      const { chip, close } = await start('esp32c3', good);
      await close();
      chip.powerOff();
      await assert.rejects(start('esp32c3', short), { code: 'BAD_CHIP_OPTION' });
      await assert.rejects(start('esp32', good), { code: 'BAD_CHIP_OPTION' });
      const missing = start('esp32c3', join(folder, 'missing'));
      await assert.rejects(missing, (error: { code?: string; detail?: { field?: string } }) => {
        assert.deepEqual([error.code, error.detail?.field], ['BAD_ARGUMENT', 'hmac-key']);
        return true;
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
