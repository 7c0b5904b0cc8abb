import { type DeviceStatus, type Discovered, discoverProvisioners, pairProvisioner } from '../../lib/osdp/node.ts';
import { fail } from '../shared/errors.ts';
import type { Ask } from '../shared/http.ts';
import { provisionerById } from '../shared/provisioner.ts';
import { fail as failNode } from '../shared/provisioner-errors.ts';
import type { Red } from '../shared/types.ts';
import { keySources } from './config.ts';
import { hostName, identityOf } from './host.ts';

/** How long the Test button waits, in ms. */
const TEST_MS = 15_000;

/** What the Test button tells of one that is deployed. */
type Attached = Pick<DeviceStatus, 'name' | 'version' | 'modes' | 'limits' | 'bus'> & { readonly attached: true };

/** The dialog as it stands. */
function asked(ask: Ask) {
  const body = (ask.body ?? {}) as Record<string, unknown>;
  const text = (field: string): string => (typeof body[field] === 'string' ? body[field] : '');
  return {
    id: text('id'),
    kind: text('kind'),
    address: text('address').trim(),
    device: text('device').trim().toLowerCase(),
    code: text('code'),
    key: {
      keySource: keySources.find((known) => known === body.keySource) ?? 'file',
      keyFile: text('keyFile'),
      keyVariable: text('keyVariable'),
      keyCredential: text('keyCredential'),
    },
  };
}

/** The Test button: whether the provisioner answers, and what it says of itself. */
export async function test(RED: Red, ask: Ask): Promise<unknown> {
  const { id, kind, address, device, key } = asked(ask);
  if (kind !== 'link') return await deployedStatus(id);
  const [found] = await discoverProvisioners({
    addresses: [addressIn(address)],
    ...(await greeting(RED, address, key)),
  });
  if (found === undefined) {
    const silent = fail('BAD_FIELD', `No provisioner answers at ${address}.`, {
      hint: 'Look whether it runs, and whether the address is right.',
      detail: { field: 'address', value: address },
    });
    // Its line may be open already: by this very node as it is deployed.
    if (deployedAt(id) !== address) throw silent;
    return await deployedStatus(id).catch(() => {
      throw silent;
    });
  }
  return { ...found, known: found.fingerprint === null || found.fingerprint === device };
}

/** The address that the node is deployed with, if it is. */
function deployedAt(id: string): string | undefined {
  try {
    return provisionerById(id).address;
  } catch {
    return undefined;
  }
}

async function deployedStatus(id: string): Promise<Attached> {
  if (deployedAt(id) === undefined) {
    throw failNode('PROVISIONER_NOT_SET', 'This provisioner is not deployed yet.', {
      hint: 'Deploy it, and press Test again: what is tried is the provisioner as it is deployed.',
    });
  }
  const status = await provisionerById(id)
    .host(AbortSignal.timeout(TEST_MS))
    .then((host) => host.status);
  const { name, version, modes, limits, bus } = status as DeviceStatus;
  return { attached: true, name, version, modes, limits, bus };
}

/** The Find button: asks the free USB ports of this machine. */
export async function find(RED: Red, ask: Ask): Promise<readonly Discovered[]> {
  const { key } = asked(ask);
  return await discoverProvisioners({ ports: true, ...(await greeting(RED, '', key)) });
}

/** The Pair button: the device is known by its certificate from then on. */
export async function pair(RED: Red, ask: Ask): Promise<unknown> {
  const { address, code, key } = asked(ask);
  const { fingerprint, name } = await pairProvisioner(addressIn(address), code, await greeting(RED, address, key));
  return { fingerprint, name };
}

async function greeting(RED: Red, address: string, key: ReturnType<typeof asked>['key']) {
  const name = hostName();
  return address.startsWith('unix:') ? { name } : { name, identity: await identityOf(key, RED.settings.userDir) };
}

function addressIn(address: string): string {
  if (address !== '') return address;
  throw fail('BAD_FIELD', 'The field "address" is blank.', {
    hint: 'Say where the provisioner is reached: unix:…, tls:host:port or serial:….',
    detail: { field: 'address' },
  });
}
