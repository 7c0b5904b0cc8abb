import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { parsePem, toPemBytes } from '../../../pki/index.ts';
import { wipe } from '../../../vault/index.ts';
import { fail } from './errors.ts';
import { fingerprintOf, type LinkIdentity } from './identity.ts';
import { EXPORTER_BYTES, EXPORTER_LABEL } from './pairing.ts';

/** One end of a TLS session whose other end proved that it holds the key of its certificate. Nobody trusts it yet. */
export interface Secured {
  readonly stream: Duplex;
  /** SHA-256 of the other side's certificate in DER, hex. */
  readonly fingerprint: string;
  /** See Binding. */
  readonly exporter: Buffer;
}

const contexts = new WeakMap<LinkIdentity, tls.SecureContext>();

/** TLS 1.3 (RFC 8446) alone. */
function contextOf(identity: LinkIdentity): tls.SecureContext {
  const known = contexts.get(identity);
  if (known !== undefined) return known;
  const pkcs8 = identity.key.export({ type: 'pkcs8', format: 'der' });
  const key = Buffer.from(toPemBytes('PRIVATE KEY', pkcs8));
  try {
    const made = tls.createSecureContext({ key, cert: identity.certificate, minVersion: 'TLSv1.3' });
    contexts.set(identity, made);
    return made;
  } finally {
    wipe(pkcs8);
    wipe(key);
  }
}

/** The certificate of an identity in DER. */
export function certificateOf(identity: LinkIdentity): Uint8Array {
  return parsePem(identity.certificate)[0]?.bytes ?? new Uint8Array(0);
}

/**
 * Both certificates are asked for and shown; that they are the right ones is for the caller to say, by their
 * fingerprints: no authority stands behind them.
 * @throws LINK_NO_PROVISIONER no handshake within the time
 */
export function secure(
  raw: Duplex,
  role: 'host' | 'provisioner',
  identity: LinkIdentity,
  timeoutMs: number,
): Promise<Secured> {
  const secureContext = contextOf(identity);
  const socket =
    role === 'host'
      ? tls.connect({ socket: raw, secureContext, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
      : new tls.TLSSocket(raw as Socket, {
          isServer: true,
          secureContext,
          requestCert: true,
          rejectUnauthorized: false,
        });
  // Both tell of errors, each in its time.
  raw.on('error', () => undefined);
  return new Promise<Secured>((resolve, reject) => {
    const give = (cause: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      raw.destroy();
      reject(noHandshake(cause));
    };
    const timer = setTimeout(() => give(undefined), timeoutMs);
    const gone = (): void => give(undefined);
    socket.once('error', give);
    socket.once('close', gone);
    socket.once(role === 'host' ? 'secureConnect' : 'secure', () => {
      clearTimeout(timer);
      socket.off('close', gone);
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) return give(undefined);
      socket.off('error', give);
      socket.on('error', () => undefined);
      resolve({
        stream: socket,
        fingerprint: fingerprintOf(certificate.raw),
        exporter: socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0)),
      });
    });
  });
}

function noHandshake(cause: unknown): Error {
  return fail('LINK_NO_PROVISIONER', 'What answers there does not speak TLS 1.3 as a provisioner or its host does.', {
    hint: 'Check the address, and that a provisioner listens there.',
    ...(cause === undefined ? {} : { cause }),
  });
}
