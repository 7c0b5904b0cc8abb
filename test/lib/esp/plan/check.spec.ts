import assert from 'node:assert/strict';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import { checkPlan, encryptPlan, planFlash } from '../../../../lib/esp/plan/index.ts';
import type { FlashPlan, PlanStep } from '../../../../lib/esp/types.ts';
import { refused } from '../session/refused.ts';
import { chip, development } from './facts.ts';
import { bytes, imageSet, region, wholeSet } from './sets.ts';

const recipe = {
  mode: 'merge',
  items: [
    { namespace: 'a', key: 'n', encoding: 'u64', value: 5n },
    { namespace: 'a', key: 'b', encoding: 'blob', value: bytes(3), terminate: true },
    { namespace: 'a', key: 's', encoding: 'string', handle: 'h' },
  ],
  clears: ['old'],
  encryption: { scheme: 'hmac', handle: 'k' },
};

type Patch = Record<string, unknown>;

/** A plan of one NVS step, with things in it that no plan has. */
const withNvs = (change: Patch, more: Patch = {}): FlashPlan =>
  withStep({
    action: 'write',
    offset: 0x9000,
    size: 0x3000,
    name: 'nvs',
    kind: 'nvs',
    nvs: { ...recipe, ...change },
    ...more,
  });
const withStep = (step: Patch): FlashPlan => withPlan({ steps: [step] });
const withPlan = (more: Patch): FlashPlan =>
  ({
    name: 'came back',
    steps: [{ action: 'erase', offset: 0, size: 0x1000, name: 'e', kind: 'erase' }],
    keeps: [],
    bytes: 0,
    notes: [],
    force: [],
    ...more,
  }) as unknown as FlashPlan;
const item = (change: Patch) => withNvs({ items: [{ namespace: 'a', key: 'b', encoding: 'u8', value: 1, ...change }] });
const write: PlanStep = { action: 'write', offset: 0, size: 3, name: 'w', kind: 'data', data: bytes(3) };

const bad: Record<string, [string, FlashPlan, field?: string]> = {
  'nothing at all': ['EMPTY_PLAN', withPlan({ steps: [] })],
  'an action that is none': ['BAD_PLAN', withStep({ ...write, action: 'burn' }), 'steps[0].action'],
  'a kind that is none': ['BAD_PLAN', withStep({ ...write, kind: 'constructor' }), 'steps[0].kind'],
  'an erase of a kind': [
    'BAD_PLAN',
    withStep({ action: 'erase', offset: 0, size: 4096, name: 'e', kind: 'app' }),
    'steps[0].kind',
  ],
  'a write that is called an erase': ['BAD_PLAN', withStep({ ...write, kind: 'erase' }), 'steps[0].kind'],
  'a step without a name': ['BAD_PLAN', withStep({ ...write, name: undefined }), 'steps[0].name'],
  'an erase with bytes': ['BAD_PLAN', withStep({ ...write, action: 'erase', kind: 'erase', size: 4096 })],
  'a write without bytes': ['PLAN_WITHOUT_BYTES', withStep({ ...write, data: undefined })],
  'bytes that went through JSON': [
    'PLAN_WITHOUT_BYTES',
    withStep({ ...write, data: { type: 'Buffer', data: [1, 2, 3] } }),
  ],
  'bytes of another length': ['PLAN_WITHOUT_BYTES', withStep({ ...write, size: 4 })],
  'keys without NVS that wants them': [
    'PLAN_WITHOUT_BYTES',
    withStep({ ...write, kind: 'nvs-keys', size: 4096, data: undefined }),
  ],
  'an erase of half a sector': [
    'BAD_SIZE',
    withStep({ action: 'erase', offset: 0, size: 5, name: 'e', kind: 'erase' }),
  ],
  'an offset in a sector': ['BAD_OFFSET', withStep({ ...write, offset: 5 })],
  'two steps in one place': ['OVERLAP', withPlan({ steps: [write, { ...write, name: 'x' }] })],
  'a step that touches what it keeps': [
    'KEEPS_TOUCHED',
    withPlan({ keeps: [{ name: 'k', offset: 0, size: 0x1000 }] }),
    'keeps[0]',
  ],
  'rewriting that is no switch': ['BAD_PLAN', withPlan({ rewrite: 'yes' }), 'rewrite'],
  'encryption of another kind': ['BAD_PLAN', withPlan({ encryption: 'maybe' }), 'encryption'],
  'an encrypted erase': [
    'BAD_PLAN',
    withStep({ action: 'erase', offset: 0, size: 4096, name: 'e', kind: 'erase', encrypt: true }),
  ],
  'encrypted NVS': ['BAD_PLAN', withNvs({}, { encrypt: true }), 'steps[0].encrypt'],
  'encrypt as a word': ['BAD_PLAN', withStep({ ...write, encrypt: 'yes' }), 'steps[0].encrypt'],
  'keep as a word': ['BAD_PLAN', withPlan({ keep: 'nvs' }), 'keep'],
  'keep with a number': ['BAD_PLAN', withPlan({ keep: [1] }), 'keep'],
  'unplaced as an object': ['BAD_PLAN', withPlan({ unplaced: {} }), 'unplaced'],
  'unplaced with nothing in it': ['BAD_PLAN', withPlan({ unplaced: [null] }), 'unplaced[0].partition'],
  'unplaced without a label': ['BAD_PLAN', withPlan({ unplaced: [{ nvs: recipe }] }), 'unplaced[0].partition'],
  'unplaced without a recipe': ['BAD_PLAN', withPlan({ unplaced: [{ partition: 'nvs' }] }), 'unplaced[0].nvs'],
  'a recipe for an app': ['BAD_PLAN', withNvs({}, { kind: 'app' }), 'steps[0].nvs'],
  'a recipe and bytes': ['BAD_PLAN', withNvs({}, { data: bytes(0x3000) })],
  'a recipe that is none': ['BAD_PLAN', withNvs({}, { nvs: 'x' }), 'steps[0].nvs'],
  'an NVS partition of half a sector': ['BAD_SIZE', withNvs({}, { size: 0x3001 })],
  'a mode that is none': ['BAD_PLAN', withNvs({ mode: 'append' }), 'steps[0].nvs.mode'],
  'items that are no list': ['BAD_PLAN', withNvs({ items: {} }), 'steps[0].nvs.items'],
  'an item that is none': ['BAD_PLAN', withNvs({ items: [7] }), 'steps[0].nvs.items[0]'],
  'a key that is a number': ['BAD_PLAN', item({ key: 7 }), 'steps[0].nvs.items[0].key'],
  'a namespace that is missing': ['BAD_PLAN', item({ namespace: undefined }), 'steps[0].nvs.items[0].namespace'],
  'an encoding that is a number': ['BAD_PLAN', item({ encoding: 8 }), 'steps[0].nvs.items[0].encoding'],
  'an encoding that is none': ['BAD_NVS_ENCODING', item({ encoding: 'float' }), 'encoding'],
  'a key that is too long': ['BAD_NVS_KEY', item({ key: 'sixteen-bytes-16' }), 'key'],
  'a value out of range': ['BAD_NVS_VALUE', item({ value: 256 }), 'value'],
  'a key twice': [
    'NVS_DUPLICATE_KEY',
    withNvs({
      items: [1, 2].map((value) => ({ namespace: 'a', key: 'b', encoding: 'u8', value })),
    }),
    'key',
  ],
  'a value and a handle': ['BAD_PLAN', item({ handle: 'h' }), 'steps[0].nvs.items[0]'],
  'neither value nor handle': ['PLAN_WITHOUT_BYTES', item({ value: undefined }), 'steps[0].nvs.items[0]'],
  'a value that is an object': [
    'BAD_PLAN',
    item({ value: { type: 'Buffer', data: [] } }),
    'steps[0].nvs.items[0].value',
  ],
  'a handle that is a number': ['BAD_PLAN', item({ value: undefined, handle: 7 }), 'steps[0].nvs.items[0].handle'],
  'terminate as a word': ['BAD_PLAN', item({ terminate: 'no' }), 'steps[0].nvs.items[0].terminate'],
  'clears as a word': ['BAD_PLAN', withNvs({ clears: 'old' }), 'steps[0].nvs.clears'],
  'no encryption said': ['BAD_PLAN', withNvs({ encryption: undefined }), 'steps[0].nvs.encryption'],
  'a scheme that is none': ['BAD_PLAN', withNvs({ encryption: { scheme: 'rot13' } }), 'steps[0].nvs.encryption.scheme'],
  'HMAC without its key': ['BAD_PLAN', withNvs({ encryption: { scheme: 'hmac' } }), 'steps[0].nvs.encryption.handle'],
  'keys as a number': [
    'BAD_PLAN',
    withNvs({ encryption: { scheme: 'nvs_keys', handle: 1 } }),
    'steps[0].nvs.encryption.handle',
  ],
  'a guard that is none': ['BAD_FORCE', withPlan({ force: ['OVERLAP'] })],
};

describe('a plan that comes back', () => {
  for (const [name, [code, plan, field]] of Object.entries(bad)) {
    it(`${code}: ${name}`, async () => {
      const error = await refused(
        code,
        Promise.resolve().then(() => checkPlan(plan)),
      );
      if (field !== undefined) assert.equal(error.detail?.field, field);
      assert.ok(error.hint);
    });
  }

  it('never shows a value, which may be a secret', async () => {
    for (const plan of [
      item({ handle: 'canary-1' }),
      item({ value: { canary: 'canary-1' } }),
      item({ handle: ['canary-1'] }),
    ]) {
      const error = await refused(
        'BAD_PLAN',
        Promise.resolve().then(() => checkPlan(plan)),
      );
      assert.ok(!JSON.stringify([error.message, error.hint, error.detail]).includes('canary-1'));
    }
  });

  it('passes as it was made: with NVS, placed or not, encrypted or not, after a JSON of everything but bytes', async () => {
    checkPlan(withNvs({}));
    checkPlan(withPlan({ steps: [], unplaced: [{ partition: 'nvs', nvs: recipe }] }));
    const made = await planFlash(wholeSet(), { platform: nodePlatform, encryption: 'encrypt', keep: ['phy_init'] });
    checkPlan(made);
    checkPlan(encryptPlan(made, chip(development), null));
    checkPlan({ ...made, steps: made.steps.map((step) => ({ ...step })) });
    const keys = await planFlash(imageSet([region(0xf000, bytes(0x1000), 'keys.bin', 'nvs-keys')]), {
      platform: nodePlatform,
    });
    checkPlan(keys);
  });
});
