import { isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import { namespaceName, normaliseMac } from '../../lib/pki/index.ts';
import type { Device } from '../../lib/registry/index.ts';
import { authorityById, type DeployedAuthority, type OpenAuthority } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Identity, mintForRequest, mintIdentity } from '../shared/identity.ts';
import { fail as failIdentity } from '../shared/identity-errors.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { addDevice, byNode } from '../shared/registry.ts';
import type { DeviceName } from '../shared/states.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type MintConfig, operations } from './config.ts';
import { csrIn } from './request.ts';
import { mintService } from './service.ts';
import { settle } from './settle.ts';

export default function register(RED: Red): void {
  function MintNode(this: RedNode, saved: MintConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as MintConfig;
    onInput<MintConfig>({
      red: RED,
      node: this,
      config,
      verb: 'mint',
      inOrder: true,
      run: async (job, fields) => {
        const operation = await fields.choice('operation', operations);
        const authority = authorityById(config.authority);
        if (operation === 'service') return await mintService({ authority, job, fields });
        if (operation === 'confirm' || operation === 'discard') {
          return await settle({ authority, operation, serial: await textOf(fields, 'serial'), job, by: byNode(this) });
        }
        return await mint({ node: this, config, authority, operation, job, fields });
      },
    });
  }
  RED.nodes.registerType('keyway-mint', MintNode);
}

interface Minting {
  readonly node: RedNode;
  readonly config: MintConfig;
  readonly authority: DeployedAuthority;
  readonly operation: 'vault' | 'csr';
  readonly job: Job;
  readonly fields: Fields<MintConfig>;
}

async function mint(minting: Minting): Promise<Outcome> {
  const { config, authority, operation, job, fields } = minting;
  const namespace = namespaceName(await textOf(fields, 'namespace'));
  const mac = normaliseMac(await textOf(fields, 'mac'));
  const replace = await fields.boolean('replace');
  const csr = operation === 'csr' ? csrIn(await fields.value('csr')) : '';
  const minutes = await fields.number('lifetime', { min: 1, max: 35_000, blank: 60 });
  const redeemableBy = config.redeemer.split(/[\s,]+/).filter((type) => type !== '');
  if (redeemableBy.length === 0) throw bad('redeemer', 'names no node type that may use the key');
  const open = await authority.openFor(namespace);
  // A namespace that does not exist must not leave a device behind.
  await open.authority.settings(namespace);
  const device = await deviceFor(minting, open, { namespace, mac });
  job.signal.throwIfAborted();
  const terms = { authority, namespace, mac, replace, serial: device.serial, deviceName: device.name };
  const { identity, reused } =
    operation === 'csr'
      ? { identity: await mintForRequest(terms, csr), reused: false }
      : await mintIdentity({ ...terms, redeemableBy, lifetimeMs: minutes * 60_000 });
  job.msg.device = addDevice(job.msg.device, device);
  (job.msg as { identity?: Identity }).identity = identity;
  return {
    topic: 'mint/issued',
    payload: { ...facts(identity), reused },
    status: `ok · ${identity.serial.slice(0, 8)}`,
  };
}

/** What is shown of an identity: neither texts of PEM nor the handle. */
function facts({ serial, namespace, mac, state, notBefore, notAfter }: Identity): object {
  return { serial, namespace, mac, state, notBefore, notAfter };
}

/** The device as the registry has it; added where it is not there yet. @throws DEVICE_UNKNOWN, DEVICE_STATE */
async function deviceFor({ node, config, job }: Minting, open: OpenAuthority, name: DeviceName): Promise<Device> {
  const { registry } = open;
  const known = await registry.device(name);
  if (known !== undefined) return usable(known);
  if (!config.register) {
    throw new KeywayError('DEVICE_UNKNOWN', `The registry has no device ${name.mac} in "${name.namespace}".`, {
      hint: 'Add it with a device node, or let this node add it.',
      detail: { field: 'mac', value: name.mac },
    });
  }
  const own = job.msg.device ?? {};
  const word = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
  try {
    const { serial, name: called } = own;
    return await registry.addDevice({ ...name, serial: word(serial), name: word(called) }, byNode(node));
  } catch (error) {
    // Another message was first. Where its name or serial number is another device's, that is told.
    const there = isKeywayError(error, 'DEVICE_EXISTS') ? await registry.device(name) : undefined;
    if (there === undefined) throw error;
    return usable(there);
  }
}

function usable(device: Device): Device {
  if (device.state !== 'retired') return device;
  throw failIdentity('DEVICE_RETIRED', `The device ${device.mac} of "${device.namespace}" is retired.`, {
    hint: 'Take it back with a device node first, if it is to be used again.',
    detail: { field: 'mac', value: device.mac },
  });
}

async function textOf(fields: Fields<MintConfig>, field: 'namespace' | 'mac' | 'serial'): Promise<string> {
  const text = await fields.text(field);
  if (text !== undefined) return text;
  throw bad(field, 'is blank');
}

function bad(field: string, what: string): Error {
  return fail('BAD_FIELD', `The field "${field}" ${what}.`, {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field },
  });
}
