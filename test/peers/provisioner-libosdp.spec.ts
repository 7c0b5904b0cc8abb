import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deriveScbk, Panel } from '../../lib/osdp/index.ts';
import { runStep, type StepResult, type StepRun } from '../../lib/osdp/provisioner/engine/index.ts';
import { endProvisioners } from '../../nodes/shared/provisioner-child.ts';
import { hasSocat } from '../lib/link/support/pty.ts';
import { hex, KEY, OTHER_KEY } from '../lib/osdp/support.ts';
import { Bench, type FlowNode, type Msg, unload } from '../nodes/harness.ts';
import { node, provisionerUserDir, result, shown } from '../nodes/provisioner-bench.ts';
import { findPython, joinPeers, linkTo, needLibosdp, Peer } from './libosdp.ts';

const ADDRESS = 17;
const BAUD = 57600;

describe('peers: a libosdp reader is commissioned', function () {
  this.timeout(90_000);
  const python = findPython();
  const closers: (() => unknown)[] = [];
  const userDir = provisionerUserDir();

  before(function () {
    needLibosdp(this, python);
    if (hasSocat()) return;
    assert.notEqual(process.env.KEYWAY_PEERS, 'required', 'socat not found, and KEYWAY_PEERS is "required"');
    console.log('    left out: no socat');
    this.skip();
  });

  afterEach(async () => {
    const failures: unknown[] = [];
    for (const close of closers.splice(0).reverse()) await Promise.resolve(close()).catch((e) => failures.push(e));
    assert.deepEqual(failures, []);
  });

  const peer = async (config: Record<string, unknown>): Promise<Peer> => {
    const made = new Peer(python as string, config);
    closers.push(() => made.stop());
    await made.until(({ ready }) => ready, 'ready');
    return made;
  };

  /** A reader as it comes from the factory. */
  const newReader = (): Promise<Peer> => peer({ role: 'reader', address: 0, flags: ['InstallMode'] });

  const ptyPath = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'keyway-osdp-pty-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    return join(folder, 'bus');
  };

  /** A pseudo-terminal with that reader at its far end. @returns what pulls its cable */
  const plug = async (reader: Peer, path: string): Promise<() => Promise<void>> => {
    const socat = spawn('socat', ['-d', '-d', `pty,raw,echo=0,link=${path}`, '-'], { stdio: 'pipe' });
    closers.push(() => ended(socat));
    socat.stdin.on('error', () => undefined);
    let said = '';
    await new Promise<void>((resolve, reject) => {
      socat.once('error', reject);
      socat.once('exit', () => reject(new Error(`socat ended: ${said}`)));
      socat.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('starting data transfer loop')) resolve();
      });
    });
    socat.stdout.on('data', (bytes: Buffer) => reader.wire.write(bytes));
    reader.wire.removeAllListeners('data');
    reader.wire.on('data', (bytes: Buffer) => socat.stdin.write(bytes));
    return () => ended(socat);
  };

  const ptyAt = async (reader: Peer): Promise<string> => {
    const path = ptyPath();
    await plug(reader, path);
    return path;
  };

  /** A port on that pty, and a provisioner of its own on it. */
  const provisionerAt = (path: string): FlowNode[] => [
    { id: 'port', type: 'keyway-port', name: 'bench bus', kind: 'address', address: path },
    { id: 'provisioner', type: 'keyway-provisioner', name: 'bench', port: 'port' },
  ];

  /** What the world of others says of a reader that is done: the default key is refused, the exported one opens it. */
  const proved = async (reader: Peer, key: Buffer): Promise<void> => {
    // The provisioner is gone from the wires.
    await unload();
    await endProvisioners();
    const ours = new Panel(linkTo(reader));
    closers.push(() => ours.close());
    await assert.rejects(ours.reader(ADDRESS).openSession({ key: 'default' }), { code: 'SC_WRONG_KEY' });
    await ours.reader(ADDRESS).identify();
    await ours.close();
    const theirs = await peer({ role: 'panel', address: ADDRESS, scbk: hex(key) });
    joinPeers(theirs, reader);
    await theirs.until(({ state }) => state?.secure, 'a secure channel under the exported key', 30_000);
    theirs.order({ kind: 'Command.Buzzer', reader: 0, control_code: 1, on_count: 2, off_count: 2, rep_count: 3 });
    await reader.until(({ command }) => command?.rep_count === 3, 'the buzzer');
  };

  it('through the nodes, over a pty, from a plan to the file that their own panel opens it with', async () => {
    const reader = await newReader();
    const bench = await Bench.load([
      ...provisionerAt(await ptyAt(reader)),
      node('keyway-provisioning-plan', {
        count: '1',
        startAddress: String(ADDRESS),
        baudRate: String(BAUD),
        capabilities: 'secure-channel, led',
        wires: [['slots']],
      }),
      node('keyway-slots', { operation: 'create', wires: [['step']] }),
      node('keyway-step', { wires: [['export'], ['progress'], ['out']] }),
      node('keyway-export', { allow: true }),
      node('keyway-step', { id: 'reset', operation: 'reset', steps: '0', stepsType: 'num' }),
      node('keyway-step', { id: 'again' }),
    ]);
    const exported = await result(bench, 'provisioning-plan', { job: 'bench' });
    const { step } = exported;
    assert.deepEqual(
      [step.outcome, step.address, step.baudRate, step.detail.keyed],
      ['ok', ADDRESS, BAUD, true],
      step.text,
    );
    assert.deepEqual([step.serial, step.model], ['01020304', 7]);
    const csv = readFileSync(exported.payload.file, 'utf8');
    const [header, row = '', ...more] = csv.trimEnd().split('\n');
    const [address, baud, text = ''] = row.split(',');
    assert.deepEqual([header, address, baud, more], ['pd_address,baudrate,scbk', String(ADDRESS), String(BAUD), []]);
    assert.match(text, /^[0-9A-F]{32}$/i);
    assert.deepEqual(keysets(reader), [text.toUpperCase()]);

    const reset = await result(bench, 'reset', { slot: exported.slot });
    assert.deepEqual([reset.payload.state, reset.slot.state], ['pending', 'ready']);
    const again = await result(bench, 'again', {});
    assert.deepEqual([again.payload.outcome, again.step.detail.keyedBefore], ['ok', true], again.payload.text);
    assert.equal(keysets(reader).length, 1, 'it was keyed a second time');
    const { payload } = await result(bench, 'export', {});
    assert.notEqual(payload.file, exported.payload.file);
    assert.equal(readFileSync(payload.file, 'utf8'), csv);
    assert.ok(payload.file.startsWith(userDir()));
    const seen = shown(bench);
    for (const form of [text, text.toLowerCase(), Buffer.from(text, 'hex').toString('base64')]) {
      assert.equal(seen.includes(form), false, 'a key was shown');
    }
    await proved(reader, Buffer.from(text, 'hex'));
  });

  it('by a live quick step through the nodes, whose queue is exported as JSON', async () => {
    const reader = await newReader();
    const bench = await Bench.load([
      ...provisionerAt(await ptyAt(reader)),
      node('keyway-quick-step', { bus: 'single' }),
      node('keyway-quick-step', { id: 'close', operation: 'close' }),
      node('keyway-export', { allow: true, format: 'json' }),
    ]);
    const done = await result(bench, 'quick-step', { step: { address: ADDRESS, baudRate: BAUD } });
    assert.deepEqual(
      [done.payload.outcome, done.payload.address, done.slot.number],
      ['ok', ADDRESS, 'live'],
      done.payload.text,
    );
    const again = await result(bench, 'quick-step', { step: { address: ADDRESS, baudRate: BAUD } });
    assert.deepEqual([again.payload.outcome, again.step.detail.keyedBefore], ['ok', true], again.payload.text);
    assert.equal(keysets(reader).length, 1, 'it was keyed a second time');
    await result(bench, 'close', {});
    const { payload } = await result(bench, 'export', { slot: { number: 'live' } });
    const { kind, scbks } = JSON.parse(readFileSync(payload.file, 'utf8'));
    assert.equal(kind, 'osprio-provisioned-scbks');
    const row = (scbks as Msg[]).findLast(({ pdAddress }) => pdAddress === ADDRESS);
    assert.equal(row?.baudrate, BAUD);
    await proved(reader, Buffer.from(row?.scbkHex, 'hex'));
  });

  it('when the cable was pulled in mid-step, by a retry once it is back', async () => {
    const reader = await newReader();
    const path = ptyPath();
    const pull = await plug(reader, path);
    const bench = await Bench.load([
      ...provisionerAt(path),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      node('keyway-step', { id: 'retry', operation: 'retry' }),
      node('keyway-export', { allow: true }),
    ]);
    const profile = { kind: 'keyway-provisioning-profile', version: 1, name: 'bench', count: 1, baudRate: BAUD };
    const pulled = reader.until(({ command }) => command?.baud_rate === BAUD, 'its new rate').then(pull);
    await result(bench, 'slots', { payload: { ...profile, startAddress: ADDRESS } });
    const failed = await result(bench, 'step', {});
    await pulled;
    assert.deepEqual([failed.payload.outcome, failed.payload.state], ['port_error', 'failure'], failed.payload.text);
    await plug(reader, path);
    const { payload } = await result(bench, 'retry', {});
    assert.deepEqual([payload.outcome, payload.attempts], ['ok', 2], payload.text);
    const exported = await result(bench, 'export', {});
    const key = readFileSync(exported.payload.file, 'utf8').trim().split(',').at(-1) as string;
    await proved(reader, Buffer.from(key, 'hex'));
  });

  it('by the engine alone, and is not keyed again by the next attempt', async () => {
    const reader = await newReader();
    const panel = new Panel(linkTo(reader));
    closers.push(() => panel.close());
    const stages: string[] = [];
    const scbk = (keyVersion: number): Uint8Array =>
      deriveScbk({ seed: KEY, sessionId: OTHER_KEY, address: ADDRESS, keyVersion }).key;
    let intents = 0;
    const attempt = (more: Partial<StepRun>): Promise<StepResult> =>
      runStep(panel, {
        plan: { address: ADDRESS, baudRate: BAUD, serial: '01020304' },
        terms: {
          name: 'bench',
          bus: 'single',
          factory: { address: 0, baudRate: 9600 },
          capabilities: ['secure-channel'],
          timeoutMs: 0,
          autoVerify: true,
          autonomous: false,
          armingHours: 8,
        },
        key: scbk,
        keyVersion: 0,
        earlierVersions: [],
        waitForReader: false,
        beforeKeyset: async () => {
          intents++;
        },
        onStage: (stage, state) => {
          if (state === 'reached') stages.push(stage);
        },
        signal: AbortSignal.timeout(60_000),
        ...more,
      });
    const first = await attempt({ waitForReader: true });
    assert.deepEqual([first.outcome, first.keyVersion, first.maybeKeyed], ['ok', 0, null], first.detail.text);
    assert.deepEqual(stages, [
      'locate',
      'comset',
      'confirm',
      'challenge',
      'keyset',
      'lock-check',
      'verify',
      'auto-verify',
      'done',
    ]);
    const second = await attempt({ again: true, earlierVersions: [0] });
    assert.deepEqual([second.outcome, second.detail.keyedBefore], ['ok', true], second.detail.text);
    assert.deepEqual([intents, keysets(reader)], [1, [hex(scbk(0))]]);
    const other = await attempt({ plan: { address: ADDRESS, baudRate: BAUD, serial: '0A0B0C0D' }, again: true });
    assert.equal(other.outcome, 'wrong_serial', other.detail.text);
    await panel.close();
    await proved(reader, Buffer.from(scbk(0)));
  });
});

/** The keys that it was given, in hex: of its commands these alone are of type 1. */
function keysets({ told }: Peer): string[] {
  return told.flatMap(({ command }) => (command?.type === 1 ? [String(command.data).toUpperCase()] : []));
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
