import { open } from 'node:fs/promises';
import { pemBlock, toPem } from '../../lib/pki/index.ts';
import { wipe, writeSecretFile } from '../../lib/vault/index.ts';
import type { DeployedAuthority } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import { type Ask, adminRoute } from '../shared/http.ts';
import { pathBelow } from '../shared/path-below.ts';
import type { Red } from '../shared/types.ts';

const BY = { actor: 'keyway-authority', source: 'editor' };
/** RFC 7468 §11: what `openssl pkey` reads and asks the passphrase for. */
const LABEL = 'ENCRYPTED PRIVATE KEY';
/** A PEM of an RSA key of 16384 bits is smaller. */
const FILE_MOST = 32_768;

/**
 * Taking the key of the root out, and putting it back. It goes into a file of this machine rather than to the browser:
 * the key here is destroyed only once the file is on the disk, and no download says when it is.
 */
export function mountRootRoutes(
  RED: Red,
  authorityFor: (body: Record<string, unknown>, namespace: string) => DeployedAuthority,
): void {
  adminRoute(RED, 'post', '/keyway/authority/root-key', 'keyway.read', async (ask) => {
    const { authority } = await authorityFor(bodyOf(ask), '').open();
    const { root, rootKey, demo } = await authority.state();
    return { root: root?.subjectText ?? null, rootKey, demo };
  });
  adminRoute(RED, 'post', '/keyway/authority/root-key/take-out', 'keyway.export', async (ask) => {
    const body = bodyOf(ask);
    const { authority, registry } = await authorityFor(body, '').open();
    const { demo } = await authority.state();
    const path = pathBelow(RED.settings.userDir, demo, textOf(body.file), 'root-key.pem');
    await withPassphrase(body, (passphrase) =>
      authority.takeOutRoot(passphrase, async (key) => {
        await writeSecretFile(path, Buffer.from(toPem(LABEL, key)));
      }),
    );
    await registry.audit({ action: 'authority.root-out', detail: { file: path.slice(-1000) } }, BY);
    return { path };
  });
  adminRoute(RED, 'post', '/keyway/authority/root-key/put-back', 'keyway.mint', async (ask) => {
    const body = bodyOf(ask);
    const { authority, registry } = await authorityFor(body, '').open();
    const { demo } = await authority.state();
    const path = pathBelow(RED.settings.userDir, demo, textOf(body.file), 'root-key.pem');
    const key = await readKey(path);
    await withPassphrase(body, (passphrase) => authority.putRootBack(key, passphrase));
    await registry.audit({ action: 'authority.root-back', detail: { file: path.slice(-1000) } }, BY);
    return { path };
  });
}

function bodyOf(ask: Ask): Record<string, unknown> {
  return (ask.body ?? {}) as Record<string, unknown>;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The passphrase that was typed, overwritten afterwards. */
async function withPassphrase(
  body: Record<string, unknown>,
  use: (passphrase: Buffer) => Promise<void>,
): Promise<void> {
  const passphrase = Buffer.from(textOf(body.passphrase));
  delete body.passphrase;
  try {
    await use(passphrase);
  } finally {
    wipe(passphrase);
  }
}

async function readKey(path: string): Promise<Uint8Array> {
  const refuse = (what: string, cause?: unknown): Error =>
    fail('FILE_UNREADABLE', `The file ${path} ${what}.`, {
      hint: 'Name the file that the key of the root was taken out into.',
      detail: { field: 'file', value: path },
      ...(cause === undefined ? {} : { cause }),
    });
  let text: string;
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > FILE_MOST) throw refuse('is too large for a key');
      text = (await file.readFile()).toString('latin1');
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof Error && error.name === 'KeywayError' ? error : refuse('cannot be read', error);
  }
  try {
    return pemBlock(text, LABEL);
  } catch (error) {
    throw refuse('holds no encrypted private key', error);
  }
}
