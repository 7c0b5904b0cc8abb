import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Edge, StepStatus } from '../../../../lib/osdp/provisioner/types.ts';
import { makeKeyFile } from '../../../../lib/vault/index.ts';
import { ReaderBus, VirtualReader } from '../../../../lib/virtual/readers/index.ts';
import { serveRfc2217 } from '../../../../lib/virtual/serve/rfc2217.ts';
import { derived, seeded } from './crash-model.ts';
import { findsSecret } from './store-support.ts';

const SCRIPT = fileURLToPath(new URL('./crash-host.ts', import.meta.url));
/** How many times the power of the process goes: about a second each. */
const KILLS = Number(process.env.KEYWAY_KILLS ?? (process.env.KEYWAY_PEERS === 'required' ? 50 : 15));
const READERS = 12;
/** How long a process lives at most, ms: some steps. */
const LONGEST_MS = 600;

interface Told {
  readonly edge?: Edge;
  readonly opened?: true;
  readonly complete?: readonly StepStatus[];
  readonly kept?: readonly number[];
}

/** A bus whose next reader is connected when the one before has got its address. */
class DoorRow {
  static #made = 0;
  readonly bus = new ReaderBus({ name: `kill-${++DoorRow.#made}`, mode: 'free' });
  readonly readers: VirtualReader[] = [];

  constructor() {
    this.#connect();
  }

  #connect(): void {
    if (this.readers.length === READERS) return;
    const reader = new VirtualReader({ address: 0, id: { serial: 0x2000_0000 + this.readers.length } });
    this.readers.push(reader);
    reader.once('moved', () => setImmediate(() => this.#connect()));
    this.bus.add(reader);
  }
}

describe('a provisioner whose process is killed', () => {
  let folder: string;
  const open: (() => void | Promise<void>)[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keyway-kill-'));
  });
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
    rmSync(folder, { recursive: true, force: true });
  });

  it(`at ${KILLS} points keys every reader with a key that its seed derives, and locks none out`, async function () {
    this.timeout(60_000 + KILLS * 8000);
    const random = seeded(Number(process.env.KEYWAY_SEED ?? 3));
    let kills = 0;
    let batches = 0;
    for (; kills < KILLS; batches++) kills += await batch(join(folder, `${batches}`), KILLS - kills, random);
    console.log(`      ${kills} kills in ${batches} batches of ${READERS} readers`);
  });

  /** One batch from the sealing to its end. @returns how many times it was killed */
  async function batch(place: string, most: number, random: () => number): Promise<number> {
    await makeKeyFile(join(place, 'key'));
    const row = new DoorRow();
    open.push(() => row.bus.close());
    const service = await serveRfc2217(row.bus.cable(), { port: 0 });
    open.push(() => service.close());
    const key = { seed: randomBytes(16), session: randomBytes(16).toString('hex') };
    const plan = JSON.stringify({ seed: key.seed.toString('hex'), session: key.session, count: READERS });
    const seen: number[] = [];
    let kills = 0;
    for (;;) {
      // The last one lives.
      const killed = kills < most;
      const mode = !killed || random() < 0.5 ? 'host' : 'alone';
      const args = [SCRIPT, place, service.address, mode, String(seen.at(-1) ?? 0), plan];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const stop = (): void => void child.kill('SIGKILL');
      open.push(stop);
      let complaints = '';
      child.stderr.on('data', (chunk: Buffer) => {
        complaints += chunk;
      });
      const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
      let timer: NodeJS.Timeout | undefined;
      let end: Told | undefined;
      for await (const line of createInterface({ input: child.stdout })) {
        const told = JSON.parse(line) as Told;
        if (told.edge !== undefined) {
          const { seq } = told.edge;
          assert.ok(seq > (seen.at(-1) ?? 0), `edge ${seq} came after ${seen.at(-1)}`);
          seen.push(seq);
        }
        if (told.opened === true && killed) timer = setTimeout(stop, random() * LONGEST_MS);
        if (told.complete !== undefined) end = told;
      }
      clearTimeout(timer);
      const [code, signal] = await exited;
      open.splice(open.indexOf(stop), 1);
      assert.ok(signal === 'SIGKILL' || code === 0, `it ended with ${code}: ${complaints}`);
      if (signal === 'SIGKILL') kills++;
      if (end === undefined) continue;
      check(row, key, end, mode === 'host' ? seen : undefined);
      secretsAreSealed(join(place, 'store'), key);
      return kills;
    }
  }

  function check(row: DoorRow, key: { seed: Buffer; session: string }, end: Told, seen: readonly number[] | undefined) {
    for (const { index, state, outcome, keyVersion, address } of end.complete ?? []) {
      assert.deepEqual([state, outcome], ['success', 'ok'], `step ${index}`);
      const reader = row.readers.find((one) => one.address === address);
      const scbk = Buffer.from(derived(key, address, keyVersion ?? -1), 'hex');
      assert.ok(reader?.holdsKey(scbk), `the reader at ${address} does not open with its key`);
    }
    assert.equal(row.readers.length, READERS);
    assert.equal(new Set(row.readers.map(({ address }) => address)).size, READERS, 'two readers have one address');
    if (seen === undefined) return;
    const told = new Set(seen);
    for (const seq of end.kept ?? []) assert.ok(told.has(seq), `edge ${seq} was never told`);
  }

  function secretsAreSealed(store: string, key: { seed: Buffer; session: string }): void {
    const secrets = [key.seed, ...[1, READERS].map((address) => Buffer.from(derived(key, address, 0), 'hex'))];
    for (const name of readdirSync(store)) {
      for (const secret of secrets) assert.ok(!findsSecret(readFileSync(join(store, name)), secret), name);
    }
  }
});
