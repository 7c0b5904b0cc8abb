import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPort, holderOf } from '../../../lib/link/index.ts';

describe('ownership of ports', () => {
  it('is exclusive, and given back once', () => {
    const release = claimPort('tcp://host:1', 'first');
    assert.throws(() => claimPort('tcp://host:1/', 'second'), {
      code: 'PORT_BUSY',
      message: 'The port tcp://host:1/ is held by first.',
    });
    release();
    const next = claimPort('tcp://HOST:1', 'third');
    release();
    assert.equal(holderOf('tcp://host:1'), 'third', 'an old release takes nothing from the next owner');
    next();
    assert.equal(holderOf('tcp://host:1'), undefined);
  });

  it('knows a device under all its names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyway-owner-'));
    try {
      const device = join(folder, 'ttyUSB0');
      const stable = join(folder, 'by-id');
      writeFileSync(device, '');
      symlinkSync(device, stable);
      const release = claimPort(stable, 'flash');
      assert.equal(holderOf(device), 'flash');
      assert.throws(() => claimPort(device, 'console'), { code: 'PORT_BUSY' });
      release();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('does not care how a Windows port is written', () => {
    const release = claimPort('com7', 'flash');
    assert.equal(holderOf('COM7'), 'flash');
    release();
  });
});
