import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type Migration, migrate } from '../../nodes/shared/migrate.ts';

interface Config {
  defaults: Record<string, unknown> & { version: number };
  migrations?: readonly Migration[];
}

/** What version 1 of each node saved, as it lies in flows that were made with it. */
const FIRST: Record<string, Record<string, unknown>> = {
  'keyway-bench': { chip: 'c', action: 'swap', actionType: 'op', newMac: '', newMacType: 'str', fault: 'drop' },
  'keyway-chip': { port: 'p', operation: 'read', operationType: 'op', whole: true, offset: '0x0', offsetType: 'str' },
  'keyway-flash': { port: 'p', plan: 'plan', planType: 'msg', mac: 'device.mac', macType: 'msg', force: 'WRONG_CHIP' },
  'keyway-flash-plan': { source: 'files', files: [{ path: 'a', offset: '0x0' }], mode: 'provisioning', force: '' },
  'keyway-image': { operation: 'build', operationType: 'op', what: 'app', chip: 'ESP32-C3', chipType: 'str' },
  'keyway-ports': { only: 'deployed', watch: false, match: 'usb', matchType: 'str' },
  'keyway-secret': { operation: 'store', source: 'env', variable: 'WIFI', property: 'payload', kind: 'token' },
  'keyway-virtual-chip': { model: 'esp32c3', mac: '', flashSize: '4MB', line: 'paced', start: 'demo', ptyPath: '' },
};

/** What a flow of version 1 must go on doing although new nodes do otherwise. */
const KEPT: Record<string, Record<string, unknown>> = {
  'keyway-flash': { patience: '0', patienceType: 'num', skip: false, cache: false, stepDown: false },
};

async function configOf(type: string): Promise<Config> {
  return (await import(`../../nodes/${type}/config.ts`)) as Config;
}

describe('a flow that an older release saved', () => {
  const types = readdirSync(new URL('../../nodes', import.meta.url)).filter((name) => name.startsWith('keyway-'));

  for (const type of types) {
    it(`${type} has a step for every version`, async () => {
      const { defaults, migrations = [] } = await configOf(type);
      assert.equal(defaults.version, migrations.length + 1);
      assert.ok(defaults.version === 1 || type in FIRST, 'what version 1 saved is not among the tests');
    });
  }

  for (const [type, first] of Object.entries(FIRST)) {
    it(`${type} keeps what was chosen, and does what it did`, async () => {
      const { defaults, migrations = [] } = await configOf(type);
      // The editor gives an old node the new properties without a value.
      const blank = Object.fromEntries(Object.keys(defaults).map((key) => [key, undefined]));
      for (const saved of [{ ...first, version: 1 }, first, { ...blank, ...first, version: 1 }]) {
        const before = structuredClone(saved);
        const migrated = migrate(saved, defaults, migrations);
        assert.deepEqual(migrated, { ...defaults, ...KEPT[type], ...first, version: defaults.version });
        assert.deepEqual(saved, before, 'the saved node itself was changed');
      }
    });
  }
});
