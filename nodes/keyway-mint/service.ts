import type { DeployedAuthority } from '../shared/authority.ts';
import type { Fields } from '../shared/evaluate.ts';
import type { Job, Outcome } from '../shared/jobs.ts';
import type { MintConfig } from './config.ts';
import { csrIn } from './request.ts';

interface Minting {
  readonly authority: DeployedAuthority;
  readonly job: Job;
  readonly fields: Fields<MintConfig>;
}

/**
 * A certificate for a server that devices are to trust, a broker mostly: from the services' intermediate, for
 * serverAuth alone. @throws BAD_FIELD, BAD_NAME, and what the authority throws
 */
export async function mintService({ authority, job, fields }: Minting): Promise<Outcome> {
  const names = await fields.words('names');
  const csr = csrIn(await fields.value('csr'));
  const validityDays = await fields.number('days', { min: 1, max: 825, blank: 90 });
  const open = await authority.open();
  job.signal.throwIfAborted();
  const issued = await open.authority.issueService({ names, csr, validityDays });
  const { serial, state, pem, chain, authorities } = issued;
  const [notBefore, notAfter] = [issued.notBefore, issued.notAfter].map((ms) => new Date(ms).toISOString());
  const facts = { serial, state, notBefore, notAfter };
  (job.msg as { identity?: object }).identity = { ...facts, names, certificate: pem, chain, ca: authorities };
  return { topic: 'mint/service', payload: { ...facts, names }, status: `ok · ${serial.slice(0, 8)}` };
}
