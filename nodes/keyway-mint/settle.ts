import type { By } from '../../lib/registry/index.ts';
import type { DeployedAuthority } from '../shared/authority.ts';
import type { Identity } from '../shared/identity.ts';
import { settledElsewhere } from '../shared/identity-pending.ts';
import type { Job, Outcome } from '../shared/jobs.ts';
import { addDevice } from '../shared/registry.ts';
import { bringToSetup } from '../shared/states.ts';

/** CRLReason, RFC 5280 §5.3.1: cessationOfOperation. */
const CESSATION = 5;

interface Settling {
  readonly authority: DeployedAuthority;
  readonly operation: 'confirm' | 'discard';
  readonly serial: string;
  readonly job: Job;
  readonly by: By;
}

/**
 * What is known of a certificate by other means than flashing: the device holds it, or never will.
 * @throws CERTIFICATE_UNKNOWN, CERTIFICATE_STATE, DEVICE_HAS_LIVE
 */
export async function settle({ authority: deployed, operation, serial, job, by }: Settling): Promise<Outcome> {
  const { authority, registry } = await deployed.open();
  const state = operation === 'confirm' ? 'live' : 'revoked';
  if (operation === 'confirm') await authority.markLive(serial);
  else await authority.revoke(serial, CESSATION);
  settledElsewhere(serial);
  const record = await registry.certificate(serial);
  if (operation === 'confirm' && record?.device) {
    const name = { namespace: record.namespace, mac: record.device };
    const device = await bringToSetup(registry, name, `certificate ${serial}`, by);
    if (device !== undefined) job.msg.device = addDevice(job.msg.device, device);
  }
  const { identity } = job.msg as { identity?: Identity };
  if (identity?.serial === serial) (job.msg as { identity?: Identity }).identity = { ...identity, state };
  return { topic: operation === 'confirm' ? 'mint/confirmed' : 'mint/discarded', payload: { serial, state } };
}
