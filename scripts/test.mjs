// `npm test`: builds, checks, and runs every suite. `npm test -- lib nodes` runs only those.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { begin, mocha, run } from './tools.mjs';

const PARSERS = [
  'lib/esp/slip.ts',
  'lib/esp/aes-xts.ts',
  'lib/esp/nvs/**',
  'lib/esp/formats/**',
  'lib/esp/inputs/**',
  'lib/esp/console/**',
  'lib/link/rfc2217/codec.ts',
  'lib/esp/identity/**',
  'lib/osdp/codec/**',
  'lib/osdp/frame/**',
  'lib/osdp/trace/**',
  'lib/osdp/provisioner/link/**',
  'lib/osdp/provisioner/profile/**',
  'lib/endpoint/framer.ts',
  'lib/endpoint/packets.ts',
  'lib/endpoint/topics.ts',
  'lib/pki/csr/parse.ts',
  'lib/pki/der/**',
  'lib/pki/pem.ts',
  'lib/registry/import/**',
  'lib/record/csv.ts',
  'lib/record/scan.ts',
];
const SUITES = ['house', 'lib', 'nodes', 'examples', 'e2e', 'peers'];

const wished = process.argv.slice(2);
const unknown = wished.filter((name) => !SUITES.includes(name));
if (unknown.length > 0) {
  console.error(`No suite is called ${unknown.join(', ')}. There are: ${SUITES.join(', ')}.`);
  process.exit(2);
}

mkdirSync('build', { recursive: true });
const counts = process.env.KEYWAY_COUNTS ?? resolve('build', 'test-counts.jsonl');
if (process.env.KEYWAY_COUNTS === undefined) rmSync(counts, { force: true });

run('check', [join('scripts', 'check.mjs')]);
const failed = [];
const suites = wished.length > 0 ? wished : SUITES;
const env = { KEYWAY_COUNTS: counts };
// Programs of others, and examples that show what time does, sleep most of theirs: they run beside the rest.
const BESIDE = ['peers', 'examples'];
let beside;
for (const suite of suites) {
  if (BESIDE.includes(suite)) continue;
  if (suite !== 'house' && suite !== 'lib') beside ??= beginBeside();
  console.log(`\n── ${suite} ──`);
  const spec = [mocha, `test/${suite}/**/*.spec.ts`];
  // The specs of lib mostly wait for lines and timers: three files at a time leave no processor idle.
  const command = suite === 'lib' ? covered([...spec, '--parallel', '--jobs', '3']) : spec;
  if (run(suite, command, { env, allowFailure: true }) !== 0) failed.push(suite);
}
beside ??= beginBeside();
for (const { suite, ended } of beside) {
  console.log(`\n── ${suite} ──`);
  if ((await ended()) !== 0) failed.push(suite);
}
report();

function beginBeside() {
  return BESIDE.filter((suite) => suites.includes(suite)).map((suite) => ({
    suite,
    ended: begin(suite, [mocha, `test/${suite}/**/*.spec.ts`], { env }),
  }));
}

/** The parsers' branch coverage is part of the lib suite: at least 90 %. */
function covered(command) {
  const c8 = join('node_modules', 'c8', 'bin', 'c8.js');
  const include = PARSERS.flatMap((pattern) => ['--include', pattern]);
  const limits = ['--check-coverage', '--branches', '90', '--lines', '90', '--functions', '0', '--statements', '0'];
  return [c8, '--reporter', 'text', '--temp-directory', 'build/coverage', ...include, ...limits, ...command];
}

function report() {
  const total = { passes: 0, failures: 0, pending: 0 };
  if (existsSync(counts)) {
    for (const line of readFileSync(counts, 'utf8').trim().split('\n')) {
      const one = JSON.parse(line);
      for (const key of Object.keys(total)) total[key] += one[key];
    }
  }
  console.log(
    `\nTests: ${total.passes} passed, ${total.failures} failed, ${total.pending} left out (each says why above).`,
  );
  if (failed.length > 0) {
    console.error(`Failed: ${failed.join(', ')}.`);
    process.exit(1);
  }
}
