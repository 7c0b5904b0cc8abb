import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, demoImageSet } from '../../lib/esp/index.ts';
import { Bench, type FlowNode, type Msg, unload } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyway-plan-'));
const app = join(folder, 'app.bin');

function plan(fields: Record<string, unknown> = {}): FlowNode[] {
  return [{ id: 'plan', type: 'keyway-flash-plan', wires: [['out']], ...fields }];
}

describe('keyway-image and keyway-flash-plan', () => {
  before(() => {
    writeFileSync(app, buildImage({ kind: 'app', chip: 'esp32c3', project: 'mine', version: '2.0.0' }));
    writeFileSync(join(folder, 'empty.bin'), '');
    const builds = [{ chipFamily: 'ESP32-C3', parts: [{ path: 'app.bin', offset: 0x10000 }] }];
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ name: 'mine', version: '2.0.0', builds }));
    writeFileSync(join(folder, 'broken.json'), '{ "name": ');
    const args = { flash_files: { '0x10000': 'app.bin' }, extra_esptool_args: { chip: 'esp32c3' } };
    writeFileSync(join(folder, 'flasher_args.json'), JSON.stringify(args));
  });
  after(() => rmSync(folder, { recursive: true }));
  afterEach(unload);

  it('build a demo set and plan it', async () => {
    const bench = await Bench.load([{ id: 'image', type: 'keyway-image', wires: [['plan']] }, ...plan()]);
    bench.send('image', { payload: 1, kept: 'mine' });
    const msg = await bench.out.next();
    assert.equal(msg.topic, 'plan/made');
    assert.equal(msg.kept, 'mine');
    assert.ok(
      msg.images.regions.every((region: Msg) => Buffer.isBuffer(region.data)),
      'bytes for other nodes',
    );
    assert.equal(msg.plan.chip, 'ESP32-C3');
    assert.ok(msg.plan.steps.some((step: Msg) => step.data instanceof Uint8Array));
    assert.ok(msg.payload.steps.every((step: Msg) => step.data === undefined));
    await bench.completed.many(2);
  });

  it('build one image, and inspect it from bytes or a file', async () => {
    const bench = await Bench.load([
      { id: 'build', type: 'keyway-image', what: 'app', project: 'gate', imageVersion: '3.1.0', wires: [['inspect']] },
      { id: 'inspect', type: 'keyway-image', operation: 'inspect', wires: [['out']] },
    ]);
    bench.send('build', { device: { chip: 'esp32-c3' } });
    const { payload, topic } = await bench.out.next();
    assert.equal(topic, 'image/inspected');
    assert.equal(payload.ok, true);
    assert.deepEqual([payload.image.app.project, payload.image.app.version], ['gate', '3.1.0']);
    assert.ok(payload.findings.some((finding: Msg) => finding.code === 'DEMO_IMAGE'));
    bench.send('inspect', { payload: app });
    const [, file] = await bench.out.many(2);
    assert.equal(file?.payload.image.app.project, 'mine');
    bench.send('inspect', { payload: Buffer.from('nothing of the kind') });
    const [, , broken] = await bench.out.many(3);
    assert.equal(broken?.payload.ok, false);
    assert.equal(await bench.failure('inspect', { payload: join(folder, 'none.bin') }), 'FILE_UNREADABLE');
    assert.equal(await bench.failure('inspect', { payload: 7 }), 'BAD_FIELD');
    assert.equal(await bench.failure('build', { device: { chip: 'z80' } }), 'UNKNOWN_CHIP');
  });

  it('plan without bytes for a dry run', async () => {
    const bench = await Bench.load(plan({ source: 'demo', dryRun: 'dry', dryRunType: 'msg' }));
    bench.send('plan', { dry: true });
    const msg = await bench.out.next();
    assert.equal(msg.topic, 'plan/dry-run');
    assert.ok(msg.plan.steps.every((step: Msg) => step.data === undefined));
  });

  it('read files, a manifest, a build, its folder and a merged image', async () => {
    const sources = {
      files: { files: [{ path: app, offset: '0x10000' }] },
      'web-tools': { path: join(folder, 'manifest.json') },
      'flasher-args': { path: join(folder, 'flasher_args.json') },
      folder: { path: folder },
      merged: { path: 'image', pathType: 'msg' },
    };
    const nodes = Object.entries(sources).map(([source, fields]) => ({
      id: source,
      type: 'keyway-flash-plan',
      source,
      wires: [['out']],
      ...fields,
    }));
    const bench = await Bench.load(nodes);
    const { regions } = demoImageSet('esp32c3');
    const image = Buffer.alloc(0x60000, 0xff);
    for (const { offset, data } of regions) image.set(data, offset);
    for (const id of Object.keys(sources)) bench.send(id, { image });
    const plans = await bench.out.many(nodes.length);
    assert.deepEqual(bench.caught.messages, []);
    for (const { payload } of plans) assert.ok(payload.steps.some((step: Msg) => step.action === 'write'));
  });

  it('lay a set out for provisioning', async () => {
    const bench = await Bench.load(plan({ source: 'demo', mode: 'provisioning' }));
    bench.send('plan', {});
    const { payload } = await bench.out.next();
    assert.deepEqual([payload.steps[0].action, payload.steps[0].name], ['erase', 'otadata']);
    assert.equal(payload.steps.at(-1).kind, 'bootloader');
  });

  it('lay a set out for direct use: the app in ota_0, factory kept', async () => {
    const bench = await Bench.load(plan({ source: 'demo', mode: 'direct', keep: 'factory', nvs: 'none' }));
    bench.send('plan', {});
    const { payload } = await bench.out.next();
    const offsets = Object.fromEntries(payload.steps.map((step: Msg) => [step.kind, step.offset]));
    assert.deepEqual([offsets.app, offsets.otadata], [0x140000, 0x10000]);
    assert.ok(payload.keeps.some((kept: Msg) => kept.name === 'factory'));
  });

  it('refuse what cannot go well, with a code', async () => {
    const files = (...list: [string, string][]) => ({
      source: 'files',
      files: list.map(([path, offset]) => ({ path, offset })),
    });
    const cases: Record<string, [Record<string, unknown>, Msg, string]> = {
      nothing: [{}, {}, 'NO_IMAGES'],
      lost: [{}, { images: { regions: [{ offset: 0, data: { type: 'Buffer', data: [1] } }] } }, 'NO_IMAGES'],
      'no-path': [{ source: 'folder' }, {}, 'BAD_FIELD'],
      missing: [files([join(folder, 'none.bin'), '0x10000']), {}, 'FILE_MISSING'],
      empty: [files([join(folder, 'empty.bin'), '0x10000']), {}, 'FILE_EMPTY'],
      negative: [files([app, '-4096']), {}, 'BAD_OFFSET'],
      unaligned: [files([app, '0x10001']), {}, 'BAD_OFFSET'],
      overlap: [files([app, '0x10000'], [app, '0x10000']), {}, 'OVERLAP'],
      none: [files(), {}, 'EMPTY_INPUT'],
      json: [{ source: 'web-tools', path: join(folder, 'broken.json') }, {}, 'BAD_MANIFEST'],
      chip: [files([app, '0x10000']), { device: { chip: 'ESP32' } }, 'WRONG_CHIP'],
      unknown: [files([app, '0x10000']), { device: { chip: 'z80' } }, 'UNKNOWN_CHIP'],
      beyond: [files([app, '0x10000']), { device: { flashSize: 0x10000 } }, 'BEYOND_FLASH'],
      force: [{ source: 'demo', force: 'EVERYTHING' }, {}, 'BAD_FORCE'],
      size: [{ source: 'demo' }, { device: { flashSize: 'large' } }, 'BAD_FIELD'],
    };
    const nodes = Object.entries(cases).map(([id, [fields]]) => ({
      id,
      type: 'keyway-flash-plan',
      wires: [['out']],
      ...fields,
    }));
    const bench = await Bench.load(nodes);
    const found: Record<string, string> = {};
    for (const [id, [, msg]] of Object.entries(cases)) found[id] = await bench.failure(id, msg);
    assert.deepEqual(found, Object.fromEntries(Object.entries(cases).map(([id, [, , code]]) => [id, code])));
    assert.deepEqual(bench.out.messages, []);
    const broken = bench.caught.messages.find((msg) => msg.error.code === 'BAD_MANIFEST');
    assert.match(broken?.error.message, /broken\.json: /);
  });

  it('force a guard, and note it', async () => {
    const bench = await Bench.load(
      plan({
        source: 'files',
        files: [{ path: app, offset: '0x10000' }],
        chip: 'ESP32',
        chipType: 'str',
        force: 'WRONG_CHIP',
      }),
    );
    bench.send('plan', {});
    const { payload } = await bench.out.next();
    assert.deepEqual([payload.force, payload.notes[0].code], [['WRONG_CHIP'], 'WRONG_CHIP']);
  });
});
