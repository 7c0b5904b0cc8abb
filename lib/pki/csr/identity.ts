import { deviceCommonName } from '../names.ts';
import { toPemBytes } from '../pem.ts';
import type { PkiPlatform } from '../platform.ts';
import { createCsr } from './create.ts';

/** A key for a device, and the request for its certificate. */
export interface IdentityKey {
  /** PKCS#8 as PEM, in bytes: a secret. Give it to the vault, which overwrites them. */
  readonly privateKey: Uint8Array;
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
}

/**
 * A new P-256 key for a device, where the chip is attached: it goes into the chip and nowhere else.
 * @throws BAD_MAC, BAD_NAMESPACE
 */
export async function createIdentityKey(
  platform: PkiPlatform,
  device: { readonly namespace: string; readonly mac: string },
): Promise<IdentityKey> {
  const { der, key } = await createCsr(platform, deviceCommonName(device.namespace, device.mac));
  const pkcs8 = await key.exportPrivateKey();
  try {
    return { privateKey: toPemBytes('PRIVATE KEY', pkcs8), csr: der };
  } finally {
    pkcs8.fill(0);
  }
}
