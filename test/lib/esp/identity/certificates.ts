/** Certificates for tests, written by hand and signed by node:crypto: no authority of the product is needed. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { IdentityLayoutName, IdentityParts } from '../../../../lib/esp/identity/index.ts';

export const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const size = Buffer.from(content.length.toString(16).padStart(content.length > 0xff ? 4 : 2, '0'), 'hex');
  const length = content.length < 0x80 ? size : Buffer.concat([Uint8Array.of(0x80 | size.length), size]);
  return Buffer.concat([Uint8Array.of(tag), length, content]);
};
export const sequence = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, ...parts);

const ECDSA_SHA256 = sequence(tlv(6, Buffer.from('2a8648ce3d040302', 'hex')));
export const commonName = (text: string, tag = 12, encoding: BufferEncoding = 'utf8'): Buffer =>
  sequence(tlv(0x31, sequence(tlv(6, Buffer.from('550403', 'hex')), tlv(tag, Buffer.from(text, encoding)))));

export const utcTime = (ms: number): Buffer =>
  tlv(
    0x17,
    Buffer.from(
      `${new Date(ms)
        .toISOString()
        .replace(/[-:T]|\.000/g, '')
        .slice(2)}`,
    ),
  );
export const generalizedTime = (ms: number): Buffer =>
  tlv(0x18, Buffer.from(new Date(ms).toISOString().replace(/[-:T]|\.000/g, '')));

export const pem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${(
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')}\n-----END ${label}-----\n`;

export interface Terms {
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: Uint8Array;
  readonly notAfter: Uint8Array;
  readonly serial: Uint8Array;
  readonly key: KeyObject;
  readonly signer: KeyObject;
}

export function certificate(terms: Terms): Buffer {
  const tbs = sequence(
    tlv(0xa0, tlv(2, Uint8Array.of(2))),
    tlv(2, terms.serial),
    ECDSA_SHA256,
    terms.issuer,
    sequence(terms.notBefore, terms.notAfter),
    terms.subject,
    terms.key.export({ type: 'spki', format: 'der' }),
  );
  return sequence(tbs, ECDSA_SHA256, tlv(3, Uint8Array.of(0), sign('sha256', tbs, terms.signer)));
}

export const makeKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const FROM = Date.UTC(2026, 3, 22, 12);
export const UNTIL = Date.UTC(2026, 3, 29, 12);
export const DEVICE = 'acme:7cdfa1000001';
export const AUTHORITY = 'Acme devices';
const SERIAL = Buffer.from('00c0ffee00112233445566778899aabbcc', 'hex');

const root = makeKeys();
const device = makeKeys();
const stranger = makeKeys();

const issued = (more: Partial<Terms> = {}): string =>
  pem(
    'CERTIFICATE',
    certificate({
      subject: commonName(DEVICE),
      issuer: commonName(AUTHORITY),
      notBefore: utcTime(FROM),
      notAfter: utcTime(UNTIL),
      serial: SERIAL,
      key: device.publicKey,
      signer: root.privateKey,
      ...more,
    }),
  );

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

/** One device's identity, and what may stand in the wrong place. */
export const sample = {
  issued,
  serial: SERIAL.subarray(1).toString('hex'),
  certificate: issued(),
  key: pkcs8(device.privateKey),
  sec1: device.privateKey.export({ type: 'sec1', format: 'pem' }) as string,
  encrypted: device.privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'workshop',
  }) as string,
  otherKey: pkcs8(stranger.privateKey),
  publicKey: device.publicKey.export({ type: 'spki', format: 'pem' }) as string,
  ca: issued({ subject: commonName(AUTHORITY), key: root.publicKey }),
} as const;

const HOST = { brokerHost: 'broker.example' };

/** That identity as a layout takes it, its key behind a handle or as text. */
export function parts(layout: IdentityLayoutName, key: IdentityParts['key'] = { value: sample.key }): IdentityParts {
  const { certificate: own, ca } = sample;
  return { certificate: own, ca, key, ...(layout === 'gateway-esp' ? { extra: HOST } : {}) };
}
