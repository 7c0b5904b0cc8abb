/** A registry at work in a process of its own, which is recorded or killed. `crash-host.ts <path> <kind> <count>` */
import { writeSync } from 'node:fs';
import { openSqliteRegistry, type Registry } from '../../../lib/registry/index.ts';
import { certificate, KEY, NAMESPACE, sealer, serialOf, T0 } from './support.ts';

const [path = '', kind = '', count = '0'] = process.argv.slice(2);
const registry = await openSqliteRegistry({ path, keystore: sealer(KEY), clock: { now: () => T0 } });

/** One write a line, so that what was told before the end was told. */
const answered = (what: string): void => void writeSync(1, `answered ${what}\n`);

if (kind === 'record') {
  await registry.putNamespace({ name: NAMESPACE, settings: {} });
  answered('start');
  for (let i = 0; i < Number(count); i++) {
    await operation(registry, i);
    answered(String(i));
  }
  await registry.close();
} else {
  await registry.putNamespace({ name: NAMESPACE, settings: {} });
  let next = Number(count);
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (;;) {
        const name = `device ${next++}`;
        await registry.addDevice({ namespace: NAMESPACE, name, labels: ['a', 'b'] });
        answered(name);
      }
    }),
  );
}

/** In turn a device, a certificate, and the revocation of that. Each writes one line of the audit log. */
async function operation(to: Registry, i: number): Promise<void> {
  const n = Math.floor(i / 3);
  if (i % 3 === 0) {
    const attributes = { filler: 'x'.repeat(i * 40) };
    await to.addDevice({ namespace: NAMESPACE, name: `device ${n}`, labels: ['a', `label ${n}`], attributes });
  } else if (i % 3 === 1) await to.addCertificate(certificate(n, { device: null }));
  else await to.revoke(serialOf(n), 1, T0);
}
