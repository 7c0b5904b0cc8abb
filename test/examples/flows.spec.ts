import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { filesBelow, readJson } from '../house/sources.ts';
import { spellingOf } from '../support/canary.ts';
import { type FlowNode, NodeRed } from '../support/node-red.ts';
import { exportedKeys } from './provisioner-scenarios.ts';
import { scenarios, secrets } from './scenarios.ts';

const paths = filesBelow('examples', (path) => path.endsWith('.json'));
/** As the scenarios name them: "01-flash/Start here.json", "dashboards/Bench of 8.json". */
const nameOf = (path: string) => path.replace(/^examples\/(flows\/)?/, '');

/** How every private key of P-256 begins, as PKCS#8 and as PEM: those that the examples make are not known beforehand. */
const PRIVATE_KEYS = [
  '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420',
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg',
  'BEGIN PRIVATE KEY',
];

/** Programs that an example runs besides. */
const NEEDS = [
  ['Serial port', 'socat|python3'],
  ['Mosquitto', 'mosquitto', 'openssl'],
  ['A gateway', 'openssl'],
  ['Wrong namespace', 'openssl'],
] as const;

describe('the example flows, in a real Node-RED', function () {
  this.timeout(90000);
  let red: NodeRed;
  let scratch: string;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'keyway-examples-'));
    process.env.KEYWAY_DEMO_DIR = join(scratch, 'download');
    red = await NodeRed.start({ KEYWAY_LINE: 'free' });
  });

  after(async () => {
    await red?.stop();
    delete process.env.KEYWAY_DEMO_DIR;
    rmSync(scratch, { recursive: true, force: true });
  });

  it('each have a scenario', () => assert.deepEqual(paths.map(nameOf).sort(), Object.keys(scenarios).sort()));

  for (const path of paths) {
    const file = nameOf(path);
    it(`${file} reaches its end`, async function () {
      const missing = NEEDS.find(([title, ...programs]) => file.includes(title) && !programs.every(isThere));
      if (missing !== undefined) {
        const [, ...programs] = missing;
        const said = `not all of ${programs.join(', ')} on this machine`;
        assert.notEqual(process.env.KEYWAY_PEERS, 'required', said);
        console.log(`      left out: ${said}`);
        this.skip();
      }
      // The one path that the examples fix: elsewhere here, so that a running bench of yours keeps its own.
      const flow = JSON.stringify(readJson<FlowNode[]>(path));
      await red.deploy(JSON.parse(flow.replaceAll('/tmp/keyway-serial-1', join(scratch, 'serial-1'))) as FlowNode[]);
      await scenarios[file]?.(red);
    });
  }

  it('showed no secret in any message, status, comms frame, log line, HTTP body or file', async () => {
    const bodies = ['keyway/ports', 'settings', 'diagnostics', 'context/global'].map(async (path) => {
      const answer = await fetch(`${red.address}/${path}`);
      assert.ok(answer.ok, path);
      return await answer.text();
    });
    const kept = filesIn(red.userDir);
    const seen = [red.frames, red.log, await Promise.all(bodies), [...kept.values()]];
    // The net holds: what was shown, recorded and remembered is found.
    assert.notEqual(spellingOf('keyway:handle:', red.frames), undefined);
    assert.notEqual(spellingOf('Started flows', red.log), undefined);
    for (const folder of ['records', join('keyway', 'images')]) {
      assert.ok(
        [...kept.keys()].some((path) => path.startsWith(folder)),
        `nothing is kept in ${folder}`,
      );
    }
    assert.notEqual(spellingOf('line-unit', [...kept.values()]), undefined);
    // Keys of readers are in the files that they were exported to, and in no other.
    assert.ok(exportedKeys.length > 0);
    const keys = exportedKeys.map((hex) => Buffer.from(hex, 'hex'));
    for (const secret of [...secrets, ...PRIVATE_KEYS, ...keys])
      assert.equal(spellingOf(secret, seen), undefined, String(secret));
  });
});

/** Whether one of the programs, with | between, is installed; some lie where only a superuser looks. */
function isThere(programs: string): boolean {
  return programs.split('|').some((name) => {
    try {
      execFileSync('which', [name], { stdio: 'ignore', env: { PATH: `${process.env.PATH}:/usr/sbin` } });
      return true;
    } catch {
      return false;
    }
  });
}

/** What was written below a folder, but for the flows (what is typed into an inject node stands there) and exports. */
function filesIn(folder: string): Map<string, Buffer> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const own = ['node_modules', join('keyway', 'exports')];
  const wanted = paths.filter((path) => !/flows[^/]*\.json/.test(path) && !own.some((one) => path.startsWith(one)));
  return new Map(wanted.map((path) => [path, readFileSync(join(folder, path))]));
}
