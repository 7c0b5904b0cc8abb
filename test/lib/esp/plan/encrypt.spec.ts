import assert from 'node:assert/strict';
import { encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import {
  checkPlan,
  encryptPlan,
  type PlanOptions,
  planFlash,
  planNeedsTable,
  settlePlan,
} from '../../../../lib/esp/plan/index.ts';
import type { ChipFacts, FlashPlan, ImageSet } from '../../../../lib/esp/types.ts';
import { refused } from '../session/refused.ts';
import { chip, development, release, virtualPort } from './facts.ts';
import { app, bootloader, bytes, imageSet, otaSlot0, region } from './sets.ts';

const table = parsePartitionCsv(`nvs, data, nvs, 0x9000, 0x4000
keys, data, nvs_keys, 0xd000, 0x1000, encrypted
otadata, data, ota, 0xe000, 0x2000
plain, data, 0x40, 0x10000, 0x1000
hidden, data, 0x40, 0x11000, 0x1000, encrypted
ota_0, app, ota_0, 0x20000, 0x100000
`);
const recipe = { mode: 'replace', items: [], encryption: { scheme: 'nvs_keys' } } as const;
const whole = imageSet([
  region(0, bootloader, 'bootloader', 'bootloader'),
  region(0x8000, encodePartitionTable(table), 'table', 'partition-table'),
  region(0xe000, otaSlot0, 'otadata', 'otadata'),
  region(0x10000, bytes(9), 'plain'),
  region(0x11000, bytes(9), 'hidden'),
  region(0x20000, app, 'app', 'app'),
]);
const make = (set: ImageSet, options: Partial<PlanOptions> = {}) =>
  planFlash(set, { platform: nodePlatform, encryption: 'encrypt', nvs: [{ partition: 'nvs', recipe }], ...options });
const marked = (plan: FlashPlan) => plan.steps.filter(({ encrypt }) => encrypt === true).map(({ name }) => name);
const all = ['keys', 'hidden', 'table', 'app', 'otadata', 'bootloader'];
const settle = (plan: FlashPlan, facts: ChipFacts, onChip: typeof table | null = null, force: string[] = []) =>
  Promise.resolve().then(() => settlePlan(plan, { facts, link: virtualPort, table: onChip, force }));
const codes = ({ notes }: FlashPlan) => notes.map(({ code }) => code);

describe('encrypted writes', () => {
  it('cover programs, tables, keys and flagged partitions, never NVS, never data in plain', async () => {
    const plan = await make(whole);
    assert.deepEqual(marked(plan), []);
    const encrypted = encryptPlan(plan, chip(development), null);
    assert.deepEqual(marked(encrypted), all);
    checkPlan(encrypted);
    const settled = await settle(plan, chip(development));
    assert.deepEqual(marked(settled), all);
    assert.deepEqual(codes(settled), ['UNVERIFIED']);
    assert.match(settled.notes[0]?.message ?? '', /"app".*"bootloader"/);
  });

  it('are only for chips that encrypt and may still be asked to', async () => {
    const encrypted = encryptPlan(await make(whole), chip(development), null);
    assert.deepEqual(marked(encryptPlan(encrypted, chip(), null)), []);
    assert.deepEqual(marked(encryptPlan(encrypted, chip(release), null)), []);
    assert.deepEqual(marked(encryptPlan({ ...encrypted, encryption: 'refuse' }, chip(development), null)), []);
    assert.deepEqual(codes(await settle(await make(whole), chip())), []);
    await refused('FLASH_ENCRYPTION_RELEASE', settle(await make(whole), chip(release)));
  });

  it('follow the table on the chip where the plan brings none', async () => {
    const data = [region(0x10000, bytes(9), 'plain'), region(0x11000, bytes(9), 'hidden')];
    const plan = await make(imageSet(data));
    assert.equal(planNeedsTable(plan), true);
    const settled = await settle(plan, chip(development), table);
    assert.deepEqual(marked(settled), ['keys', 'hidden']);
    assert.deepEqual(
      settled.steps.map(({ name }) => name),
      ['keys', 'nvs', 'plain', 'hidden'],
    );
    const plain = await make(imageSet(data), { encryption: 'refuse' });
    await refused('FLASH_ENCRYPTION', settle(plain, chip(development), table));
    const forced = await settle(plain, chip(development), table, ['FLASH_ENCRYPTION']);
    assert.deepEqual([marked(forced), codes(forced)], [[], ['FLASH_ENCRYPTION']]);
  });

  it('are refused by default', async () => {
    const plan = await make(whole, { encryption: undefined });
    assert.equal(plan.encryption, undefined);
    await refused('FLASH_ENCRYPTION', settle(plan, chip(development)));
  });
});

describe('settlePlan', () => {
  it('gives the better reason where no table can be read', async () => {
    const plan = await planFlash(imageSet([]), { platform: nodePlatform, nvs: [{ partition: 'nvs', recipe }] });
    const closed = chip({ secureDownload: true }, { mac: null });
    await refused('SECURE_DOWNLOAD', settle(plan, closed));
    await refused('TABLE_MISSING', settle(plan, closed, null, ['SECURE_DOWNLOAD']));
    await refused('TABLE_MISSING', settle(plan, chip()));
  });

  it('asks the guards of what was placed', async () => {
    const plan = await planFlash(imageSet([]), { platform: nodePlatform, nvs: [{ partition: 'nvs', recipe }] });
    const tiny = chip({}, { flash: { manufacturer: 1, device: 1, size: 0x8000 } });
    await refused('BEYOND_FLASH', settle(plan, tiny, table));
    const settled = await settle(plan, tiny, table, ['BEYOND_FLASH']);
    assert.deepEqual(codes(settled), ['BEYOND_FLASH', 'BEYOND_FLASH']);
  });

  it('carries the notes of the plan on, each once', async () => {
    const plan = await planFlash(whole, { platform: nodePlatform, chip: 'ESP32-S3', force: ['WRONG_CHIP'] });
    assert.deepEqual(codes(plan), ['WRONG_CHIP', 'WRONG_CHIP']);
    const settled = await settle(plan, chip());
    assert.equal(new Set(settled.notes.map(({ message }) => message)).size, settled.notes.length);
  });
});
