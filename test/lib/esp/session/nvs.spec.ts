import assert from 'node:assert/strict';
import { encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import {
  buildNvs,
  decodeNvsKeys,
  type NvsEntry,
  type NvsItem,
  type NvsRecipe,
  parseNvs,
} from '../../../../lib/esp/nvs/index.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { type FlashOptions, flash } from '../../../../lib/esp/session/index.ts';
import type { FlashPlan } from '../../../../lib/esp/types.ts';
import type { VirtualChip } from '../../../../lib/virtual/index.ts';
import { app, imageSet, region } from '../plan/sets.ts';
import { chipInSocket, chipOnCable, clearBench, connecting, platform } from './bench.ts';
import { refused } from './refused.ts';

const fast: FlashOptions = { ...connecting, baudRate: 921_600 };
const NVS = { offset: 0x9000, size: 0x6000 };
const KEYS = 0xf000;
const table = encodePartitionTable(
  parsePartitionCsv(`nvs, data, nvs, 0x9000, 0x6000
nvs_keys, data, nvs_keys, 0xf000, 0x1000, encrypted
factory, app, factory, 0x20000, 0x100000
`),
);
const wifi: NvsEntry[] = [
  { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'workshop' },
  { namespace: 'wifi', key: 'channel', encoding: 'u8', value: 6 },
];
const plain = { scheme: 'none' } as const;
const SECRET = new TextEncoder().encode('-----BEGIN PRIVATE KEY-----\nnot one at all\n');
const certificate = (value: string | number = 'one'): NvsItem[] => [
  { namespace: 'scadable_certs', key: 'cert', encoding: 'string', value: String(value) },
  { namespace: 'scadable_certs', key: 'key', encoding: 'blob', handle: 'handle-1' },
];
const secrets = (handle: string): Uint8Array => {
  assert.equal(handle, 'handle-1');
  return SECRET.slice();
};

const planOf = (recipe: NvsRecipe, withTable = true): Promise<FlashPlan> =>
  planFlash(
    imageSet([
      region(0x20000, app, 'app', 'app'),
      ...(withTable ? [region(0x8000, table, 'table', 'partition-table')] : []),
    ]),
    { platform, nvs: [{ partition: 'nvs', recipe }] },
  );

/** A chip in the field: it holds the table and Wi-Fi credentials. */
async function used(entries: readonly NvsEntry[] = wifi): Promise<Uint8Array> {
  const flashed = new Uint8Array(4 << 20).fill(0xff);
  flashed.set(table, 0x8000);
  flashed.set(await buildNvs(entries, { size: NVS.size, platform }), NVS.offset);
  return flashed;
}

const partition = (chip: VirtualChip) => chip.flash.slice(NVS.offset, NVS.offset + NVS.size);

async function entriesOf(chip: VirtualChip, encrypted = false): Promise<Record<string, unknown>> {
  const keys = encrypted ? { keys: decodeNvsKeys(chip.flash.slice(KEYS, KEYS + 0x1000)) } : {};
  const { entries } = await parseNvs(partition(chip), { platform, ...keys });
  return Object.fromEntries(entries.map(({ namespace, key, value }) => [`${namespace}/${key}`, value]));
}

describe('NVS while flashing', () => {
  afterEach(clearBench);

  const merge: NvsRecipe = { mode: 'merge', items: certificate(), encryption: plain };

  for (const useStub of [true, false]) {
    it(`replaces one NVS namespace and keeps the rest, ${useStub ? 'with' : 'without'} the stub`, async () => {
      const { chip, link } = chipOnCable({ flash: await used() });
      const { steps } = await flash(link, await planOf(merge), { ...fast, secrets, useStub });
      const held = await entriesOf(chip);
      assert.deepEqual(held['wifi/ssid'], 'workshop');
      assert.deepEqual(held['scadable_certs/cert'], 'one');
      assert.deepEqual(held['scadable_certs/key'], SECRET);
      const step = steps.find(({ name }) => name === 'nvs');
      assert.equal(step?.outcome, 'patched');
      assert.equal(step?.verified, true);
      assert.ok((step?.written ?? 0) < NVS.size, 'only the pages that changed');
      assert.equal(step?.md5, undefined, 'a sum over secrets would let them be guessed at');
    });
  }

  it('the second time it is right already: nothing is written', async () => {
    const { chip, link } = chipOnCable({ flash: await used() });
    await flash(link, await planOf(merge), { ...fast, secrets });
    const before = partition(chip);
    const { steps } = await flash(link, await planOf(merge), { ...fast, secrets });
    assert.ok(steps.every(({ outcome, verified }) => outcome === 'skipped' && verified));
    assert.deepEqual(partition(chip), before);
  });

  it('finds the partition in the table on the chip, when the plan brings none', async () => {
    const { chip, link } = chipOnCable({ flash: await used() });
    const plan = await planOf(merge, false);
    assert.equal(plan.unplaced?.length, 1);
    await flash(link, plan, { ...fast, secrets });
    assert.deepEqual((await entriesOf(chip))['scadable_certs/cert'], 'one');
    const { link: blank } = chipOnCable();
    await refused('TABLE_MISSING', flash(blank, plan, { ...fast, secrets }));
  });

  it('a fresh partition', async () => {
    const { chip, link } = chipOnCable({ flash: await used() });
    await flash(link, await planOf({ ...merge, mode: 'replace' }), { ...fast, secrets });
    assert.deepEqual(Object.keys(await entriesOf(chip)).sort(), ['scadable_certs/cert', 'scadable_certs/key']);
    const { steps } = await flash(link, await planOf({ ...merge, mode: 'replace' }), { ...fast, secrets });
    assert.equal(steps.find(({ name }) => name === 'nvs')?.outcome, 'skipped');
  });

  it('encrypted with keys in a partition: made the first time, kept after', async () => {
    const { chip, link } = chipOnCable({ flash: await used([]) });
    const recipe: NvsRecipe = { mode: 'replace', items: certificate(), encryption: { scheme: 'nvs_keys' } };
    const { steps } = await flash(link, await planOf(recipe), { ...fast, secrets });
    assert.deepEqual(
      steps
        .filter(({ name }) => name.startsWith('nvs'))
        .map(({ name, outcome, verified }) => [name, outcome, verified]),
      [
        ['nvs_keys', 'written', true],
        ['nvs', 'written', true],
      ],
    );
    assert.deepEqual((await entriesOf(chip, true))['scadable_certs/key'], SECRET);
    assert.ok(!Buffer.from(chip.flash).includes(Buffer.from(SECRET)));
    const keys = chip.flash.slice(KEYS, KEYS + 0x1000);

    const again = await flash(link, await planOf({ ...recipe, mode: 'merge', items: certificate('two') }), {
      ...fast,
      secrets,
    });
    assert.deepEqual(chip.flash.slice(KEYS, KEYS + 0x1000), keys);
    assert.equal(again.steps.find(({ name }) => name === 'nvs_keys')?.outcome, 'skipped');
    assert.equal((await entriesOf(chip, true))['scadable_certs/cert'], 'two');
  });

  it('what is wrong on the chip is told before anything is written', async () => {
    const flashed = await used();
    flashed.fill(0x5a, NVS.offset, NVS.offset + NVS.size);
    const { chip, link } = chipOnCable({ flash: flashed });
    const before = chip.flash.slice();
    await assert.rejects(flash(link, await planOf(merge), { ...fast, secrets }));
    assert.deepEqual(chip.flash, before);
  });

  it('bad items and missing handles are refused before the port is opened', async () => {
    const { chip, link } = chipOnCable();
    const boots: unknown[] = [];
    chip.on('boot', (boot) => boots.push(boot));
    const long: NvsItem = { namespace: 'a', key: 'much too long a key', encoding: 'u8', value: 1 };
    const bad = { ...(await planOf(merge)) };
    bad.steps = bad.steps.map((step) =>
      step.nvs === undefined ? step : { ...step, nvs: { ...merge, items: [long] } },
    );
    await refused('BAD_NVS_KEY', flash(link, bad, { ...fast, secrets }));
    await refused('NO_SECRETS', flash(link, await planOf(merge), fast));
    assert.deepEqual(boots, []);
  });

  it('wipes what it made of secrets, however it ends', async () => {
    const given: Uint8Array[] = [];
    const seen: Uint8Array[] = [];
    const watched = {
      ...platform,
      deflate: (data: Uint8Array, request?: Parameters<typeof platform.deflate>[1]) => {
        if (request?.keep === false) seen.push(data);
        return platform.deflate(data, request);
      },
    };
    const holds = (bytes: Uint8Array) =>
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(Buffer.from(SECRET));
    for (const end of ['done', 'pulled', 'cancelled'] as const) {
      const { chip, link } = chipOnCable({ flash: await used() });
      const cancel = new AbortController();
      chip.on('command', ({ name }) => {
        if (name !== 'FLASH_DEFL_BEGIN') return;
        if (end === 'pulled') chip.setFault({ kind: 'pull', at: 3 });
        if (end === 'cancelled') cancel.abort();
      });
      const work = flash(link, await planOf(merge), {
        ...fast,
        platform: watched,
        signal: cancel.signal,
        secrets: (handle) => {
          const bytes = secrets(handle);
          given.push(bytes);
          return bytes;
        },
      });
      await (end === 'done' ? work : refused(end === 'pulled' ? 'PORT_GONE' : 'CANCELLED', work));
    }
    assert.equal(seen.length >= 3, true);
    assert.ok(
      seen.every((bytes) => !holds(bytes)),
      'no image with the secret is left',
    );
    assert.ok(given.every(holds), 'what the caller gave is the caller’s');
  });

  for (const at of [30, 800, 2000]) {
    it(`pulled ${at} bytes into the write of a merge: Wi-Fi is still there in the end`, async () => {
      const { chip, socket, target } = chipInSocket({ flash: await used() });
      chip.on('pull', () => setImmediate(() => socket.plug()));
      let begun = false;
      chip.on('command', ({ name }) => {
        if (name !== 'FLASH_DEFL_BEGIN' || begun) return;
        begun = true;
        chip.setFault({ kind: 'pull', at });
      });
      const { resumed } = await flash(target, await planOf(merge), { ...fast, secrets });
      assert.equal(resumed, 1);
      const held = await entriesOf(chip);
      assert.deepEqual([held['wifi/ssid'], held['scadable_certs/cert']], ['workshop', 'one']);
    });
  }
});
