import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import {
  DeviceLog,
  type DeviceLogLine,
  type LogProblem,
  Store,
  verifyDeviceLog,
} from '../../../../lib/osdp/provisioner/store/index.ts';
import { judgeLog, type LogVerdict } from '../../../../lib/osdp/provisioner/store/log-verify.ts';
import { type Keystore, openKeystore } from '../../../../lib/vault/index.ts';
import { seeded } from './crash-model.ts';
import { DeviceBench, HOST, newKeystore, OK, OTHER, T0 } from './device-support.ts';
import { FATES, findsSecret, TestDisk, Wreck } from './store-support.ts';

const LOG: string = 'device.log';
const HEAD: string = 'device.log.head';
const CHAIN: string = 'device.log.chain';
const coded = (code: string) => (error: unknown) => isKeywayError(error, code);

type Files = Map<string, Buffer>;

const line = (i: number): DeviceLogLine => ({ at: T0 + i, event: 'seed-read', plan: 'slot-01', text: `event ${i}` });

describe('the log of a provisioner', () => {
  let keystore: Keystore;
  let damage: LogProblem[];
  before(async () => {
    keystore = await newKeystore();
  });
  after(() => keystore.close());
  beforeEach(() => {
    damage = [];
  });

  const openOn = (disk: TestDisk, with_ = keystore): Promise<DeviceLog> =>
    DeviceLog.open(disk.folder(), disk.content.has(LOG), {
      keystore: with_,
      now: () => T0,
      onDamage: (problem) => damage.push(problem),
    });
  /** A log of events after its first entry. */
  async function written(events: number, files?: ReadonlyMap<string, Buffer>, first = 0): Promise<Files> {
    const disk = new TestDisk(files);
    const log = await openOn(disk);
    for (let i = 0; i < events; i++) await log.add(line(first + i));
    await log.close();
    return copyOf(disk.content);
  }
  const copyOf = (files: ReadonlyMap<string, Buffer>): Files =>
    new Map([...files].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  const judge = (files: ReadonlyMap<string, Buffer>, with_ = keystore): LogVerdict =>
    judgeLog({ log: files.get(LOG), head: files.get(HEAD), key: files.get(CHAIN) }, with_);
  const lines = (files: ReadonlyMap<string, Buffer>): string[] =>
    (files.get(LOG) ?? '').toString().split('\n').slice(0, -1);
  const withLines = (files: Files, all: readonly string[]): Files =>
    copyOf(files).set(LOG, Buffer.from(all.map((one) => `${one}\n`).join('')));
  const events = (files: ReadonlyMap<string, Buffer>): string[] =>
    lines(files).map((one) => /"event":"([^"]+)"/.exec(one)?.[1] ?? '');

  /** It does not hold, is opened all the same, tells of it once, and never holds again. */
  async function isSeen(files: Files, problem: LogProblem): Promise<void> {
    const about = `${problem.what} ${problem.entry}`;
    assert.deepEqual(judge(files).problem, problem, about);
    const disk = new TestDisk(files);
    damage = [];
    const log = await openOn(disk);
    assert.deepEqual(damage, [problem], about);
    await log.add(line(90));
    await log.close();
    assert.equal(judge(disk.content).holds, false, `${about} was healed`);
    const again = new TestDisk(disk.content);
    await (await openOn(again)).close();
    assert.equal(damage.length, 1, `${about} is told again`);
    assert.equal(judge(again.content).holds, false, `${about} was healed by a second start`);
    assert.equal(events(again.content).filter((event) => event === 'log-damaged').length, 1, about);
    // What is added from then on is under guard as before.
    const known = judge(again.content);
    assert.ok(known.entries > (judge(files).problem?.entry ?? 0) - 1);
  }

  it('is a chain that begins with an entry of its own, goes on after a restart, and holds', async () => {
    const files = await written(3);
    const more = await written(2, files);
    const told = lines(more).map((one) => JSON.parse(one) as { n: number; event: string; text?: string });
    assert.deepEqual(
      told.map(({ n, event, text }) => [n, event, text]),
      [
        [1, 'chain-begun', undefined],
        [2, 'seed-read', 'event 0'],
        [3, 'seed-read', 'event 1'],
        [4, 'seed-read', 'event 2'],
        [5, 'seed-read', 'event 0'],
        [6, 'seed-read', 'event 1'],
      ],
    );
    const { holds, entries, newest, mac, problem } = judge(more);
    assert.deepEqual([holds, entries, newest, problem], [true, 6, T0 + 1, undefined]);
    assert.ok(lines(more).at(-1)?.includes(mac));
    assert.equal(lines(more).join('\n').startsWith(lines(files).join('\n')), true);
    assert.deepEqual(damage, []);
  });

  it('shows every line that was altered, in every byte of it', async () => {
    const files = await written(3);
    const log = files.get(LOG) as Buffer;
    for (let at = 0; at < log.length; at++) {
      const other = copyOf(files);
      (other.get(LOG) as Buffer)[at] = (log[at] as number) ^ 1;
      assert.equal(judge(other).holds, false, `byte ${at}`);
    }
    const all = lines(files);
    for (const [i, one] of all.entries()) {
      const altered = all.with(i, one.replace(/"at":\d+/, '"at":1'));
      await isSeen(withLines(files, altered), { entry: i + 1, what: 'altered' });
    }
  });

  it('shows lines that were taken out, moved, put in, or cut off', async () => {
    const files = await written(6);
    const all = lines(files);
    const with_ = (...some: (string | undefined)[]): Files => withLines(files, some as string[]);
    const [a, b, c, d, e, f, g] = all;
    await isSeen(with_(a, b, d, e, f, g), { entry: 3, what: 'missing' });
    await isSeen(with_(b, c, d, e, f, g), { entry: 1, what: 'missing' });
    await isSeen(with_(a, b, d, c, e, f, g), { entry: 3, what: 'moved' });
    await isSeen(with_(a, b, c, '{"at":1,"event":"exported"}', d, e, f, g), { entry: 4, what: 'moved' });
    await isSeen(with_(a, b, c, d, e, f, g, g), { entry: 8, what: 'appended' });
    await isSeen(with_(a, b, c, d, e, f, g, '{"at":1,"event":"exported"}'), { entry: 8, what: 'appended' });
    const forged = (g ?? '').replace('"n":7', '"n":8');
    await isSeen(with_(a, b, c, d, e, f, g, forged), { entry: 8, what: 'appended' });
    for (let kept = 0; kept < all.length; kept++) {
      await isSeen(withLines(files, all.slice(0, kept)), { entry: kept + 1, what: 'cut-off' });
      const torn = withLines(files, all.slice(0, kept));
      torn.set(LOG, Buffer.concat([torn.get(LOG) as Buffer, Buffer.from((all[kept] ?? '').slice(0, -1))]));
      await isSeen(torn, { entry: kept + 1, what: 'cut-off' });
    }
  });

  it('shows a head that is gone, damaged, older, or of another log; and names a key that is gone', async () => {
    const older = await written(2);
    const files = await written(4, older);
    const headOf = (head: Buffer): Files => copyOf(files).set(HEAD, head);
    await isSeen(headOf(older.get(HEAD) as Buffer), { entry: 5, what: 'head-old' });
    const next = await written(2, older);
    await isSeen(next.set(HEAD, older.get(HEAD) as Buffer), { entry: 5, what: 'head-old' });
    await isSeen(headOf(Buffer.alloc(0)), { entry: 8, what: 'head' });
    // Nothing of a damaged head is kept, also when nothing happens before the next start.
    const idle = new TestDisk(headOf(Buffer.alloc(4168)));
    damage = [];
    for (let start = 0; start < 2; start++) await (await openOn(idle)).close();
    assert.equal(damage.length, 1);
    const gone = copyOf(files);
    gone.delete(HEAD);
    await isSeen(gone, { entry: 8, what: 'head' });
    const other = await written(6);
    await isSeen(headOf(other.get(HEAD) as Buffer), { entry: 8, what: 'head' });
    // One of its places damaged, with or without the entry that it told of.
    for (const at of [0, 4096]) {
      const head = Buffer.from(files.get(HEAD) as Buffer);
      head.fill(0, at, at + 72);
      const odd = headOf(head);
      const { problem } = judge(odd);
      assert.equal(problem?.what, at === 0 ? 'head' : undefined, 'only the newest may a crash have torn');
    }
    const head = Buffer.from(files.get(HEAD) as Buffer).fill(0, 4096);
    const cut = withLines(files, lines(files).slice(0, -1)).set(HEAD, head);
    assert.deepEqual(judge(cut).problem, { entry: 7, what: 'head' });
    // Two chains that share a beginning: the other one's head.
    const fork = await written(4, withLines(older, lines(older)), 50);
    assert.equal(judge(fork).holds, true);
    await isSeen(headOf(fork.get(HEAD) as Buffer), { entry: 7, what: 'head' });
    const keyless = copyOf(files);
    keyless.delete(CHAIN);
    assert.throws(() => judge(keyless), coded('STORE_DAMAGED'));
    await assert.rejects(openOn(new TestDisk(keyless)), coded('STORE_DAMAGED'));
  });

  it('is only opened, and verified, by the key of the keystore, which may be rotated', async () => {
    const names = ['KEYWAY_TEST_LOG_OLD', 'KEYWAY_TEST_LOG_NEW'] as const;
    for (const name of names) process.env[name] = randomBytes(32).toString('hex');
    const [old, next] = names.map((environment) => ({ environment })) as [
      { environment: string },
      { environment: string },
    ];
    const first = await openKeystore({ source: old });
    const both = await openKeystore({ source: next, previous: [old] });
    const second = await openKeystore({ source: next });
    try {
      const disk = new TestDisk();
      const log = await openOn(disk, first);
      await log.add(line(0));
      await log.close();
      assert.throws(() => judge(disk.content, keystore), coded('KEYSTORE_WRONG_KEY'));
      await assert.rejects(openOn(new TestDisk(disk.content)), coded('KEYSTORE_WRONG_KEY'));
      assert.equal(judge(disk.content, both).holds, true);
      const before = judge(disk.content, first);
      const rotated = new TestDisk(disk.content);
      const later = await openOn(rotated, both);
      await later.add(line(1));
      await later.close();
      assert.equal(second.keyIdOf(rotated.content.get(CHAIN) ?? Buffer.alloc(0)), second.keyId);
      assert.throws(() => judge(rotated.content, first), coded('KEYSTORE_WRONG_KEY'));
      const { holds, entries } = judge(rotated.content, second);
      assert.deepEqual([holds, entries, before.entries], [true, 3, 2]);
      await (await openOn(new TestDisk(rotated.content), second)).close();
    } finally {
      for (const one of [first, both, second]) one.close();
    }
  });

  it('leaves the plain lines of an older version as they are, and begins after them with their hash', async () => {
    const plain = Buffer.from(`${JSON.stringify(line(1))}\n${JSON.stringify(line(2))}\n`);
    const torn = Buffer.concat([plain, Buffer.from('{"at":17')]);
    assert.throws(() => judge(new Map([[LOG, plain]])), coded('LOG_NOT_CHAINED'));
    const files = await written(1, new Map([[LOG, torn]]));
    const log = files.get(LOG) as Buffer;
    assert.ok(log.subarray(0, plain.length).equals(plain));
    const begun = JSON.parse(lines(files)[2] ?? '') as { n: number; event: string; before: object };
    const sha256 = createHash('sha256').update(plain).digest('hex');
    assert.deepEqual([begun.n, begun.event, begun.before], [1, 'chain-begun', { bytes: plain.length, sha256 }]);
    assert.deepEqual([judge(files).holds, judge(files).entries], [true, 2]);
    const all = lines(files);
    await isSeen(withLines(files, all.with(0, all[1] ?? '')), { entry: 1, what: 'before' });
    await isSeen(withLines(files, all.slice(1)), { entry: 1, what: 'before' });
    await isSeen(withLines(files, all.slice(0, 2)), { entry: 1, what: 'cut-off' });
  });

  it('tells the truth after a power cut at any of its writes, with unsynced ones lost, torn or kept', async () => {
    const plain = Buffer.from(`${JSON.stringify(line(1))}\n`);
    for (const start of [undefined, new Map([[LOG, plain]])]) {
      const disk = new TestDisk(start);
      const log = await openOn(disk);
      for (let i = 0; i < 8; i++) {
        await log.add(line(i));
        disk.mark(`event ${i}`);
      }
      await log.close();
      const wreck = new Wreck();
      // What was there before is on the disk.
      for (const act of start === undefined ? [] : asActs(start)) wreck.do(act);
      const random = seeded(disk.acts.length);
      let happened = -1;
      for (const [i, act] of disk.acts.entries()) {
        if (act.act === 'mark') happened = Number(act.text.split(' ')[1]);
        else wreck.do(act);
        for (const fate of wreck.pending ? FATES : (['lost'] as const)) {
          const when = `after act ${i} (${act.act}), unsynced writes ${fate}`;
          const files = wreck.files(fate, random);
          if (files.has(CHAIN)) assert.equal(judge(files).problem, undefined, when);
          const next = new TestDisk(files);
          const again = await openOn(next);
          const told = lines(next.content).filter((one) => one.includes('"seed-read"') && one.includes('"mac"'));
          assert.ok(
            told.length > happened && told.length <= happened + 2,
            `${when}: ${told.length} of ${happened + 1}`,
          );
          for (const [k, one] of told.entries()) assert.ok(one.includes(`"event ${k}"`), when);
          await again.add(line(99));
          await again.close();
          const { holds, problem } = judge(next.content);
          assert.ok(holds, `${when}: ${JSON.stringify(problem)}`);
          // An entry that was there in whole, taken away from what a crash left, is missed.
          if (happened < 0) continue;
          const chained = lines(files).filter((one) => one.includes('"mac"'));
          const known = chained.findIndex((one) => one.includes(`"event ${happened}"`));
          const cut = withLines(files, [
            ...lines(files).filter((one) => !chained.includes(one)),
            ...chained.slice(0, known),
          ]);
          assert.equal(judge(cut).holds, false, `${when}: a cut is hidden`);
        }
      }
      assert.deepEqual(damage, []);
    }
  });

  it('raises no false alarm when the process was killed at any act, and the power goes after the next start', async () => {
    const random = seeded(7);
    for (let killed = 0, more = true; more; killed++) {
      const disk = new TestDisk();
      disk.trouble = () => (disk.acts.length >= killed ? 'EIO' : undefined);
      const first = await openOn(disk).catch(() => undefined);
      for (let i = 0; i < 3; i++) await first?.add(line(i)).catch(() => undefined);
      more = disk.acts.length >= killed;
      disk.trouble = () => undefined;
      const second = await openOn(disk);
      await second.add(line(9));
      await second.close();
      const wreck = new Wreck();
      for (const [i, act] of disk.acts.entries()) {
        wreck.do(act);
        if (i < killed) continue;
        for (const fate of wreck.pending ? FATES : (['lost'] as const)) {
          const when = `killed at ${killed}, power gone after act ${i} (${act.act}), unsynced writes ${fate}`;
          const next = new TestDisk(wreck.files(fate, random));
          await (await openOn(next)).close();
          assert.deepEqual([judge(next.content).problem, damage], [undefined, []], when);
        }
      }
    }
  });

  it('is not healed by a power cut while the provisioner finds the damage', async () => {
    const files = await written(4);
    const cut = withLines(files, lines(files).slice(0, 3));
    const headless = copyOf(cut);
    headless.delete(HEAD);
    const wounded = copyOf(cut).set(HEAD, Buffer.alloc(4168));
    for (const found of [cut, headless, wounded]) {
      const disk = new TestDisk(found);
      const log = await openOn(disk);
      await log.add(line(9));
      await log.close();
      const wreck = new Wreck();
      for (const act of asActs(found)) wreck.do(act);
      const random = seeded(3);
      for (const [i, act] of disk.acts.entries()) {
        wreck.do(act);
        for (const fate of wreck.pending ? FATES : (['lost'] as const)) {
          const next = new TestDisk(wreck.files(fate, random));
          const when = `after act ${i} (${act.act}), unsynced writes ${fate}`;
          assert.equal(judge(next.content).holds, false, when);
          const again = await openOn(next);
          await again.add(line(10));
          await again.close();
          assert.equal(judge(next.content).holds, false, when);
        }
      }
    }
  });

  it('cuts off a line of which only the size reached the disk', async () => {
    const files = await written(2);
    const holed = copyOf(files).set(
      LOG,
      Buffer.concat([files.get(LOG) as Buffer, Buffer.alloc(40), Buffer.from('"}\n')]),
    );
    assert.equal(judge(holed).holds, true);
    const disk = new TestDisk(holed);
    await (await openOn(disk)).close();
    assert.deepEqual([lines(disk.content), damage], [lines(files), []]);
    // Not one that the head tells of.
    const log = Buffer.from(files.get(LOG) as Buffer);
    log[log.length - 90] = 0;
    await isSeen(copyOf(files).set(LOG, log), { entry: 3, what: 'altered' });
  });

  it('has no line of an event that was refused because the line could not be written', async () => {
    const disk = new TestDisk();
    const log = await openOn(disk);
    const ofLog = disk.acts.find((act) => act.act === 'create');
    assert.ok(ofLog?.act === 'create');
    await log.add(line(0));
    for (const act of ['write', 'sync'] as const) {
      disk.trouble = (one) =>
        (one.act === act || one.act === 'truncate') && one.file === ofLog.file ? 'ENOSPC' : undefined;
      await assert.rejects(log.add(line(1)), coded('STORE_FULL'));
      await assert.rejects(log.add({ ...line(1), text: 'short' }), coded('STORE_FULL'));
      disk.trouble = () => undefined;
      await log.add({ at: T0, event: 'removed' });
      assert.equal(judge(disk.content).holds, true);
    }
    assert.deepEqual(events(disk.content), ['chain-begun', 'seed-read', 'removed', 'removed']);
    await log.close();
  });

  it('refuses the event when the head cannot be written, and holds with the line that is there', async () => {
    const disk = new TestDisk();
    const log = await openOn(disk);
    await log.add(line(0));
    const [, head] = disk.acts.filter((act) => act.act === 'create');
    assert.ok(head?.act === 'create');
    disk.trouble = (one) => (one.act === 'write' && one.file === head.file ? 'EIO' : undefined);
    await assert.rejects(log.add(line(1)), coded('STORE_IO'));
    await assert.rejects(log.add(line(2)), coded('STORE_IO'));
    // No second line goes beyond the head.
    assert.deepEqual(events(disk.content), ['chain-begun', 'seed-read', 'seed-read']);
    assert.equal(judge(disk.content).holds, true);
    disk.trouble = () => undefined;
    await log.add(line(3));
    await log.close();
    assert.deepEqual([judge(disk.content).holds, judge(disk.content).entries], [true, 4]);
  });

  it('opens on a disk that takes nothing, and begins the chain with the first event', async () => {
    const disk = new TestDisk(await written(0));
    const files = withLines(copyOf(disk.content), []);
    const begun = new TestDisk(files.set(HEAD, (await headOfNothing(keystore, files)) as Buffer));
    begun.trouble = (act) => (act.act === 'write' ? 'ENOSPC' : undefined);
    const log = await openOn(begun);
    begun.trouble = () => undefined;
    await log.add(line(0));
    await log.close();
    assert.deepEqual(events(begun.content), ['chain-begun', 'seed-read']);
    assert.equal(judge(begun.content).holds, true);
  });

  it('is the same on a disk, where it goes on after damage too', async () => {
    const path = mkdtempSync(join(tmpdir(), 'keyway-log-'));
    try {
      const add = async (i: number): Promise<void> => {
        const { store } = await Store.open(path, { keystore });
        await store.log.add(line(i)).finally(() => store.close());
      };
      for (let i = 0; i < 2; i++) await add(i);
      const { holds, entries } = await verifyDeviceLog(path, keystore);
      assert.deepEqual([holds, entries], [true, 3]);
      writeFileSync(join(path, LOG), '');
      await add(2);
      assert.equal(readFileSync(join(path, LOG), 'utf8').match(/"event":"(log-damaged|seed-read)"/g)?.length, 2);
      assert.deepEqual((await verifyDeviceLog(path, keystore)).problem, { entry: 1, what: 'missing' });
    } finally {
      rmSync(path, { recursive: true });
    }
  });

  it('has all that a provisioner does with seeds and is told of hosts, and never a secret', async () => {
    const bench = await DeviceBench.start();
    try {
      bench.attach();
      const key = await bench.seal(1);
      await bench.device.seed(1, HOST);
      await assert.rejects(bench.device.seed(1, OTHER), coded('NOT_YOUR_SLOT'));
      for (let i = 0; i < 3; i++) {
        await bench.device.verb(1, i, 'try');
        (await bench.attempt()).end(OK);
        await bench.settle();
      }
      await bench.device.exported(1, key.session);
      bench.device.noteHost('paired', 'enrolled', OTHER);
      bench.device.noteHost('pairing-open');
      await bench.device.remove(1, null, HOST);
      await bench.settle();
      const files = bench.disk.content;
      const told = [
        'chain-begun',
        'sealed',
        'seed-read',
        'seed-denied',
        'exported',
        'paired',
        'pairing-open',
        'removed',
      ];
      assert.deepEqual(events(files), told);
      const exported = JSON.parse(lines(files)[4] ?? '') as { host: object; session: string };
      assert.deepEqual([exported.host, exported.session], [HOST, key.session]);
      const { holds, entries } = judge(files, bench.keystore);
      assert.deepEqual([holds, entries], [true, 8]);
      for (const name of [LOG, HEAD, CHAIN]) {
        assert.ok(!findsSecret(files.get(name) as Buffer, key.seed), name);
      }
    } finally {
      await bench.close();
    }
  });

  it('is told of by the provisioner when it was altered, which works on', async () => {
    const bench = await DeviceBench.start();
    try {
      bench.device.noteHost('pairing-open');
      await bench.seal(1);
      await bench.device.remove(1, null, HOST);
      await bench.settle();
      const files = copyOf(bench.disk.content);
      await bench.cut(withLines(files, lines(files).slice(0, 2)));
      assert.equal(bench.log.filter(({ event }) => event === 'log-damaged').length, 1);
      await bench.seal(1);
      await bench.settle();
      assert.deepEqual(events(bench.disk.content), ['chain-begun', 'pairing-open', 'log-damaged', 'sealed']);
      assert.deepEqual(judge(bench.disk.content, bench.keystore).problem, { entry: 3, what: 'missing' });
    } finally {
      await bench.close();
    }
  });
});

/** The head as it is before the first entry: that of a store whose first entry could not be written. */
async function headOfNothing(keystore: Keystore, files: Files): Promise<Buffer | undefined> {
  const disk = new TestDisk(new Map([...files].filter(([name]) => name === CHAIN)));
  const { HeadFile } = await import('../../../../lib/osdp/provisioner/store/log-head.ts');
  const { unsealLogKey } = await import('../../../../lib/osdp/provisioner/store/log-key.ts');
  const { GENESIS } = await import('../../../../lib/osdp/provisioner/store/log-chain.ts');
  const key = unsealLogKey(keystore, files.get(CHAIN) as Buffer);
  await HeadFile.make(disk.folder(), key, GENESIS);
  return disk.content.get(HEAD);
}

/** Files that are on the disk already. */
function asActs(files: ReadonlyMap<string, Buffer>): Parameters<Wreck['do']>[0][] {
  return [...files].flatMap(([name, bytes], file) => [
    { act: 'create' as const, file, name },
    { act: 'write' as const, file, at: 0, bytes },
    { act: 'sync' as const, file },
    { act: 'sync-folder' as const },
  ]);
}
