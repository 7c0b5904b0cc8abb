import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodePlatform as platform } from '../../lib/esp/node.ts';
import {
  buildNvs,
  encodeNvsKeys,
  formatNvsCsv,
  type NvsEncoding,
  type NvsEntry,
  nvsKeysFrom,
  nvsKeysFromHmac,
  parseNvs,
  parseNvsCsv,
  sizeOfNvs,
} from '../../lib/esp/nvs/index.ts';
import { Random } from '../lib/esp/formats/fuzz.ts';

const DRIVER = fileURLToPath(new URL('./nvs_gen.py', import.meta.url));
const INPUTS = 100;
const SEED = 20261123;
const RUN_MS = 120_000;

const INTEGERS: readonly NvsEncoding[] = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64'];
const TEXT = ['a', 'Z', '0', ' ', ',', '"', "'", '\n', '\t', ';', '=', 'ä', '漢', '😀', '\\'];
/** Around what fills entries, pages and the rest of pages. */
const LENGTHS = [0, 1, 31, 32, 33, 500, 1983, 1984, 3900, 3967, 3999, 4000, 4001, 4032, 7999, 8000, 8001, 12345];

interface Input {
  readonly entries: NvsEntry[];
  /** By name: what rows of type `file` name. */
  readonly files: Map<string, Uint8Array>;
  readonly csv: string;
  readonly size: number;
  readonly key: Uint8Array;
}

function integer(random: Random, encoding: NvsEncoding): bigint | number {
  const bits = BigInt(encoding.slice(1));
  const raw = (BigInt(random.word()) << 32n) | BigInt(random.word());
  const edges = [0n, 1n, (1n << (bits - 1n)) - 1n, 1n << (bits - 1n), (1n << bits) - 1n];
  const value = random.chance(2) ? random.pick(edges) : raw;
  const cut = encoding.startsWith('i') ? BigInt.asIntN(Number(bits), value) : BigInt.asUintN(Number(bits), value);
  return bits === 64n ? cut : Number(cut);
}

function text(random: Random): string {
  if (random.chance(8)) return 'long '.repeat(800).slice(0, random.pick(LENGTHS.filter((length) => length <= 3967)));
  return Array.from({ length: random.below(90) }, () => random.pick(TEXT)).join('');
}

function entry(random: Random, namespace: string, key: string): NvsEntry {
  const kind = random.below(10);
  if (kind < 5) {
    const encoding = random.pick(INTEGERS);
    return { namespace, key, encoding, value: integer(random, encoding) };
  }
  if (kind < 8) return { namespace, key, encoding: 'string', value: text(random) };
  const length = random.chance(2) ? random.pick(LENGTHS) : random.below(300);
  return { namespace, key, encoding: 'blob', value: random.bytes(length) };
}

function input(random: Random, run: number): Input {
  const entries: NvsEntry[] = [];
  // Every fifth has many small entries, so that pages end between any two of them.
  const most = run % 5 === 0 ? 300 : 25;
  for (let space = 1 + random.below(4); space > 0; space--) {
    const namespace = `space${space}`.padEnd(1 + random.below(15), 'x').slice(0, 15);
    for (let count = 1 + random.below(most); count > 0; count--) {
      entries.push(entry(random, `${space}${namespace}`.slice(0, 15), `k${count}`.padEnd(1 + random.below(15), '_')));
    }
  }
  const files = new Map<string, Uint8Array>();
  const csv = run % 2 === 0 ? formatNvsCsv(entries) : ownCsv(entries, files, random, run);
  const size = sizeOfNvs(entries).bytes + 4096 * random.below(3);
  return { entries, files, csv, size, key: random.bytes(64) };
}

/** The same as CSV, with comments, other line ends, and values in every way that a row may have them. */
function ownCsv(entries: readonly NvsEntry[], files: Map<string, Uint8Array>, random: Random, run: number): string {
  const lines = ['# made by a test', 'key,type,encoding,value'];
  let namespace = '';
  for (const { namespace: name, key, encoding, value } of entries) {
    if (name !== namespace) lines.push(`${name},namespace,,`);
    namespace = name;
    if (random.chance(10)) lines.push('#, a comment');
    const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(String(value));
    const path = `input-${run}-${lines.length}.dat`;
    const way = random.below(3);
    if (encoding === 'blob' && way === 0) lines.push(`${key},data,hex2bin,${Buffer.from(bytes).toString('hex')}`);
    else if (encoding === 'blob' && way === 1)
      lines.push(`${key},data,base64,${Buffer.from(bytes).toString('base64')}`);
    else if (encoding === 'blob' || way === 0) {
      lines.push(`${key},file,${encoding === 'blob' ? 'binary' : encoding},${path}`);
      files.set(path, bytes);
    } else lines.push(`${key},data,${encoding},"${String(value).replaceAll('"', '""')}"`);
  }
  return [...lines, ''].join(run % 4 === 1 ? '\r\n' : '\n');
}

const same = (is: Uint8Array, should: Uint8Array, what: string): void => {
  if (Buffer.compare(is, should) === 0) return;
  const offset = is.findIndex((byte, i) => byte !== should[i]);
  assert.fail(
    `${what}: ${is.length} bytes beside ${should.length}, the first that differs is at 0x${offset.toString(16)}`,
  );
};

describe("peers: Espressif's NVS generator", function () {
  this.timeout(RUN_MS + 30_000);
  const python = process.env.KEYWAY_NVS_GEN;
  const inputs: Input[] = [];
  let folder: string;

  const load = (name: string): Promise<Uint8Array> => readFile(join(folder, name)).then((file) => new Uint8Array(file));

  before(async function () {
    if (python === undefined || !existsSync(python)) {
      const what = 'a Python with esp-idf-nvs-partition-gen (KEYWAY_NVS_GEN) not found';
      if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
      console.log(`    left out: ${what}`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'keyway-nvs-'));
    const random = new Random(SEED);
    const jobs: object[] = [{ hmac: 'hmac.bin', keyfile: 'hmac-keys.bin' }];
    await writeFile(join(folder, 'hmac.bin'), random.bytes(32));
    for (let run = 0; run < INPUTS; run++) {
      const made = input(random, run);
      inputs.push(made);
      await writeFile(join(folder, `${run}.csv`), made.csv);
      for (const [name, bytes] of made.files) await writeFile(join(folder, name), bytes);
      const job = { input: `${run}.csv`, size: `0x${made.size.toString(16)}` };
      jobs.push({ ...job, output: `${run}-plain.bin`, key: null });
      jobs.push({ ...job, output: `${run}-encrypted.bin`, key: Buffer.from(made.key).toString('hex') });
    }
    await writeFile(join(folder, 'jobs.json'), JSON.stringify(jobs));
    assert.equal((await generate(python, folder)).trim(), String(jobs.length));
  });

  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it(`makes the same bytes of ${INPUTS} inputs, plain`, async () => {
    for (const [run, { csv, size }] of inputs.entries()) {
      const built = await buildNvs(await parseNvsCsv(csv, load), { size, platform });
      same(built, await load(`${run}-plain.bin`), `input ${run}`);
    }
  });

  it(`makes the same bytes of ${INPUTS} inputs, encrypted`, async () => {
    for (const [run, { entries, size, key }] of inputs.entries()) {
      const built = await buildNvs(entries, { size, platform, keys: nvsKeysFrom(key) });
      same(built, await load(`${run}-encrypted.bin`), `input ${run}`);
    }
  });

  it('makes images that we read', async () => {
    for (const [run, { entries, key }] of inputs.entries()) {
      const plain = await parseNvs(await load(`${run}-plain.bin`), { platform });
      assert.deepEqual(plain.entries, entries, `input ${run}`);
      const encrypted = await parseNvs(await load(`${run}-encrypted.bin`), { platform, keys: nvsKeysFrom(key) });
      assert.deepEqual(encrypted.entries, entries, `input ${run}, encrypted`);
    }
  });

  it('makes the same keys of an HMAC key', async () => {
    const keys = await nvsKeysFromHmac(await load('hmac.bin'), platform);
    same(encodeNvsKeys(keys), await load('keys/hmac-keys.bin'), 'keys');
  });
});

function generate(python: string, folder: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(python, [DRIVER, folder], { timeout: RUN_MS, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${DRIVER}\n${out}${err}`, { cause: error }));
    });
  });
}
