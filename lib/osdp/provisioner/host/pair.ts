import type { Peer } from '../link/book.ts';
import { fail } from '../link/errors.ts';
import { isProof, proofOf } from '../link/pairing.ts';
import type { Where } from './dial.ts';
import { type GreetOptions, greet } from './greet.ts';

/**
 * Pairs this host with the provisioner that shows `code`. What it returns is to be kept (a PeerBook does): by its
 * certificate the provisioner is known again, wherever it is plugged in.
 * @throws PAIRING_WRONG_CODE, PAIRING_CLOSED, PAIRING_FAILED the other side does not know the code; what greet throws
 */
export async function pairProvisioner(where: Where, code: string, options: GreetOptions): Promise<Peer> {
  // A code that is none is refused before anybody is asked.
  const blank = { exporter: new Uint8Array(0), host: '', provisioner: '' };
  proofOf('host', code, blank);
  const { session, hello, binding, released } = await greet(where, options, () => undefined);
  try {
    if (binding === null) {
      throw fail('PAIRING_CLOSED', 'A host at the unix socket needs no pairing.', { hint: 'Connect: it is known.' });
    }
    const { result } = await session.request('pair', { proof: proofOf('host', code, binding) });
    if (!isProof(result.proof, proofOf('provisioner', code, binding))) {
      throw fail('PAIRING_FAILED', 'The other side does not know the pairing code: it is not the provisioner.', {
        hint: 'Somebody may stand between. Look after the network, and make a new code.',
        detail: { fingerprint: binding.provisioner },
      });
    }
    return { fingerprint: binding.provisioner, name: hello.name, pairedAt: Date.now(), enrolled: false };
  } finally {
    session.close();
    await released;
  }
}
