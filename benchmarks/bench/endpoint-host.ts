/** A device endpoint on a registry, in a process of its own, and identities of devices for it. Talks to endpoint.ts. */
import { generateKeyPairSync } from 'node:crypto';
import { DeviceEndpoint } from '../../lib/endpoint/index.ts';
import { createCsr } from '../../lib/pki/index.ts';
import { createJudge, type Issued, nodePki, signingKey } from '../../lib/pki/node.ts';
import { installation, NAMESPACE } from './authority.ts';

/** What a client connects with, PEM. */
export interface DeviceIdentity {
  readonly mac: string;
  readonly key: string;
  readonly cert: string;
}

export type HostQuestion =
  | { readonly ask: 'open'; readonly devices: number; readonly sessionsPerDevice: number }
  | { readonly ask: 'renew'; readonly mac: string }
  | { readonly ask: 'revoke'; readonly mac: string }
  | { readonly ask: 'state' }
  | { readonly ask: 'stop' };

export interface Opened {
  readonly port: number;
  readonly devices: readonly DeviceIdentity[];
  /** The service's own, and what devices and service verify each other with. */
  readonly service: { readonly key: string; readonly cert: string };
  readonly authorities: string;
  readonly deviceAuthorities: string;
}

export interface HostState {
  readonly sessions: number;
  readonly messages: number;
  readonly cut: readonly string[];
  readonly refused: Readonly<Record<string, number>>;
}

const here = await installation();
const { authority, registry } = here;
const passphrase = (): Buffer => Buffer.from('of no value to anybody');
let endpoint: DeviceEndpoint | undefined;
let messages = 0;
const cut: string[] = [];
const refused: Record<string, number> = {};

async function requested(): Promise<{ key: string; csr: Uint8Array }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { der } = await createCsr(nodePki, 'device', signingKey(privateKey));
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, csr: der };
}

async function mint(mac: string, renew = false): Promise<DeviceIdentity & { issued: Issued }> {
  const { key, csr } = await requested();
  const issued = await authority.issueDevice({ namespace: NAMESPACE, mac, csr, renew });
  if (!renew) await authority.markLive(issued.serial);
  return { mac, key, cert: issued.chain, issued };
}

async function open(count: number, sessionsPerDevice: number): Promise<Opened> {
  await authority.createServices({ passphrase: passphrase() });
  const { key, csr } = await requested();
  const service = await authority.issueService({ names: ['127.0.0.1'], csr });
  const macs = Array.from({ length: count }, (_, i) => (0x240000000000 + i).toString(16));
  const made: (DeviceIdentity & { issued: Issued })[] = [];
  for (let at = 0; at < count; at += 256) {
    const some = macs.slice(at, at + 256);
    await Promise.all(some.map((mac) => registry.addDevice({ namespace: NAMESPACE, mac })));
    made.push(...(await Promise.all(some.map((mac) => mint(mac)))));
  }
  const judge = createJudge({ store: registry, authority });
  const most = 1_000_000;
  endpoint = new DeviceEndpoint({
    judge,
    tls: { key, cert: service.chain, ca: made[0]?.issued.authorities ?? '' },
    port: 0,
    cutNow: true,
    limits: { sessionsPerDevice, connections: most, connectionsPerAddress: most, handshakes: most, connectMs: 120_000 },
    audit: (entry) => registry.audit(entry, { actor: 'endpoint' }),
  });
  endpoint.on('message', () => {
    messages++;
  });
  endpoint.on('cut', ({ mac }) => cut.push(mac));
  endpoint.on('refused', ({ code }) => {
    refused[code] = (refused[code] ?? 0) + 1;
  });
  const { port } = await endpoint.listen();
  return {
    port,
    devices: made.map(({ mac, key: own, cert }) => ({ mac, key: own, cert })),
    service: { key, cert: service.chain },
    authorities: service.authorities,
    deviceAuthorities: made[0]?.issued.authorities ?? '',
  };
}

async function stop(): Promise<void> {
  await endpoint?.close();
  await here.close();
  process.exit(0);
}

/** Milliseconds since 1970 with fractions: another process of this machine can compare it. */
const now = (): number => performance.timeOrigin + performance.now();

async function answer(question: HostQuestion): Promise<unknown> {
  switch (question.ask) {
    case 'open':
      return await open(question.devices, question.sessionsPerDevice);
    case 'renew': {
      const { mac, key, cert } = await mint(question.mac, true);
      return { mac, key, cert };
    }
    case 'revoke': {
      const at = now();
      const serials = await authority.revokeDevice(NAMESPACE, question.mac, 1);
      return { at, serials: serials.length };
    }
    case 'state':
      return { sessions: endpoint?.sessions().length ?? 0, messages, cut, refused } satisfies HostState;
    case 'stop':
      return await stop();
  }
}

process.on('disconnect', () => void stop());
process.on('message', (question: HostQuestion) => {
  answer(question).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
