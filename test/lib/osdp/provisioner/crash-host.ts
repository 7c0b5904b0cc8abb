/** A provisioner at work in a process of its own, which is killed. `crash-host.ts <folder> <port> <mode> <after> <plan>` */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../../../lib/errors/index.ts';
import { openLink } from '../../../../lib/link/index.ts';
import { KDF } from '../../../../lib/osdp/index.ts';
import { openProvisioner } from '../../../../lib/osdp/provisioner/device/index.ts';
import { openKeystore } from '../../../../lib/vault/index.ts';

const HOST = { id: 'aa'.repeat(32), name: 'test' };
const [folder = '', port = '', mode = '', after = '0', plan = ''] = process.argv.slice(2);
const { seed, session, count } = JSON.parse(plan) as { seed: string; session: string; count: number };

/** One write a line: what was told before the end was told. */
const say = (what: unknown): void => void writeSync(1, `${JSON.stringify(what)}\n`);

const device = await openProvisioner({
  folder: join(folder, 'store'),
  keystore: await openKeystore({ source: { file: join(folder, 'key') } }),
  openPort: () => openLink(port, { owner: 'test', baudRate: 9600 }),
  panel: { replyTimeoutMs: 60 },
  rewriteBytes: 4096,
});
if (device.open(1).summary.state === 'empty') {
  const terms = {
    name: 'killed',
    bus: 'multi' as const,
    factory: { address: 0, baudRate: 9600 },
    capabilities: [],
    timeoutMs: 0,
    autoVerify: true,
    autonomous: true,
    armingHours: 8,
  };
  await device.begin(1, terms, { seed: Buffer.from(seed, 'hex'), session, kdf: KDF }, HOST);
  const steps = Array.from({ length: count }, (_, i) => ({ address: i + 1, baudRate: 9600 }));
  await device.addSteps(1, steps, HOST);
  await device.seal(1, HOST);
}
const complete = (): boolean => device.open(1).summary.state === 'complete';
if (mode === 'host') {
  let last = Number(after);
  device.attach(HOST, (edge) => {
    last = edge.seq;
    say({ edge });
  });
  for (const edge of device.edges(1, last)) say({ edge });
}
say({ opened: true });
while (!complete()) {
  const { steps } = device.open(1);
  const busy = steps.some(({ state, queued }) => state === 'attempting' || queued === true);
  if (mode === 'host' && !busy) {
    const next = steps.find(({ state }) => state === 'pending' || state === 'failure');
    // The device may have begun with it by itself, a moment before.
    const late = (error: unknown): void => {
      if (codeOf(error) !== 'VERB_NOT_LEGAL') throw error;
    };
    if (next !== undefined) await device.verb(1, next.index, next.state === 'pending' ? 'try' : 'retry').catch(late);
  }
  await new Promise((resolve) => setTimeout(resolve, 2));
}
say({ complete: device.open(1).steps, kept: device.edges(1, 0).map(({ seq }) => seq) });
await device.close();
