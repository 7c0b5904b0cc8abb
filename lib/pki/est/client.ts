import { isKeywayError } from '../../errors/index.ts';
import { type Certificate, parseCertificate } from '../certificate/inspect.ts';
import { parseCsr } from '../csr/parse.ts';
import { fromBase64, parsePem, toBase64, toPem } from '../pem.ts';
import { attributesIn } from './attributes.ts';
import { badAnswer, pathOf, verifiedAuthorities } from './chain.ts';
import { fail } from './errors.ts';
import { type Asked, ask, serverOf } from './exchange.ts';
import { certsIn } from './pkcs7.ts';
import { commonNameOf } from './request.ts';
import type { EstCertificate, EstClient, EstClientOptions } from './types.ts';

const LABEL = /^[A-Za-z0-9._-]{1,51}$/;

/**
 * A client for an EST server (RFC 7030), for a device or a gateway. It trusts only what it was given, and takes only a
 * certificate for its own key that those authorities have issued.
 * @throws EST_BAD_OPTIONS, BAD_PEM, BAD_CERTIFICATE
 */
export function createEstClient(options: EstClientOptions): EstClient {
  const { label } = options;
  if (label !== undefined && !LABEL.test(label)) {
    throw fail('EST_BAD_OPTIONS', `${JSON.stringify(String(label).slice(0, 64))} is no label of an EST server.`, {
      hint: 'Give the name of the certificate namespace.',
      detail: { field: 'label' },
    });
  }
  const anchors = anchorsOf(options.trust);
  const server = serverOf(options, anchors.map(({ der }) => toPem('CERTIFICATE', der)).join(''));
  const now = options.clock === null ? null : (options.clock ?? Date.now);
  const path = (operation: string): string => `/.well-known/est/${label === undefined ? '' : `${label}/`}${operation}`;

  const cacerts = async (signal: AbortSignal | undefined): Promise<Certificate[]> => {
    const got = await ask(server, { method: 'GET', path: path('cacerts') }, signal);
    const found = certificatesIn(bytesOf(got, 'application/pkcs7-mime'));
    return verifiedAuthorities(found, anchors, now?.() ?? null);
  };

  const enrolled = async (csr: Uint8Array, asked: Asked, signal: AbortSignal | undefined): Promise<EstCertificate> => {
    const request = parseCsr(csr);
    const body = `${toBase64(csr)}\n`;
    const got = await ask(server, { ...asked, method: 'POST', body, type: 'application/pkcs10' }, signal);
    const found = certificatesIn(bytesOf(got, 'application/pkcs7-mime'));
    const mine = found.filter(({ key }) => Buffer.compare(key.spki, request.key.spki) === 0);
    const [leaf, more] = mine;
    if (leaf === undefined || more !== undefined) throw badAnswer('It holds no certificate for this key, or several.');
    const at = now?.() ?? null;
    // The answer holds the certificate alone: those above it may have to be asked for.
    const above =
      pathOf(leaf, [...found, ...anchors], anchors, at) ??
      pathOf(leaf, [...(await cacerts(signal)), ...anchors], anchors, at);
    if (above === undefined) throw badAnswer('No authority that this client trusts has issued it.');
    checkLeaf(leaf, label, asked.identity === undefined ? undefined : commonNameOf(request), at);
    const { serial, notBefore, notAfter, der } = leaf;
    const between = above.filter((one) => Buffer.compare(one.subject, one.issuer) !== 0);
    const pem = toPem('CERTIFICATE', der);
    return {
      serial,
      notBefore,
      notAfter,
      der,
      pem,
      chain: pem + between.map((one) => toPem('CERTIFICATE', one.der)).join(''),
    };
  };

  return {
    cacerts: async ({ signal } = {}) => (await cacerts(signal)).map(({ der }) => toPem('CERTIFICATE', der)).join(''),
    csrattrs: async ({ signal } = {}) => {
      const got = await ask(server, { method: 'GET', path: path('csrattrs'), absent: true }, signal);
      return got.status === 200 ? readable(() => attributesIn(bytesOf(got, 'application/csrattrs'))) : [];
    },
    enroll: (csr, { user, ticket }, { signal } = {}) =>
      enrolled(csr, { method: 'POST', path: path('simpleenroll'), user, ticket }, signal),
    reenroll: (csr, identity, { signal } = {}) =>
      enrolled(csr, { method: 'POST', path: path('simplereenroll'), identity }, signal),
  };
}

function anchorsOf(trust: string): Certificate[] {
  const found = parsePem(trust).filter(({ label }) => label === 'CERTIFICATE');
  if (found.length > 0) return found.map(({ bytes }) => parseCertificate(bytes));
  throw fail('EST_BAD_OPTIONS', 'There is no authority that an EST server could be verified with.', {
    hint: 'Give the certificates of the authority as PEM: those that the device has beside its own.',
    detail: { field: 'trust' },
  });
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isKeywayError(error) || error.code.startsWith('EST_')) throw error;
    throw badAnswer(error.message, error);
  }
}

function bytesOf({ type, body }: { type: string; body: string }, wanted: string): Uint8Array {
  if (type !== wanted) throw badAnswer(`It is ${JSON.stringify(type.slice(0, 64))}, not ${wanted}.`);
  return readable(() => fromBase64(body));
}

function certificatesIn(der: Uint8Array): Certificate[] {
  return readable(() => certsIn(der).map(parseCertificate));
}

/** @throws EST_BAD_ANSWER */
function checkLeaf(leaf: Certificate, label: string | undefined, name: string | undefined, now: number | null): void {
  if (leaf.authority !== null) throw badAnswer('It is an authority’s certificate.');
  if (leaf.purposes?.includes('clientAuth') !== true) throw badAnswer('It is not for a client.');
  if (leaf.unknownCritical.length > 0) throw badAnswer('It has critical extensions that nobody knows.');
  const strange = label !== undefined && leaf.commonName?.startsWith(`${label}:`) !== true;
  if (strange || (name !== undefined && leaf.commonName !== name)) {
    throw badAnswer(`It is for ${JSON.stringify(leaf.commonName)}, not for ${JSON.stringify(name ?? `${label}:…`)}.`);
  }
  if (now !== null && (now < leaf.notBefore || now >= leaf.notAfter)) throw badAnswer('It is not valid now.');
}
