/**
 * A rotation in a process of its own, which is killed while its nth record is on its way to the disk (0: never).
 * `rewrap-host.ts <registry> <new key> <old key> <n>`
 */
import { writeSync } from 'node:fs';
import { openSqliteRegistry } from '../../../lib/registry/index.ts';
import { openKeystore, rewrapAll, type SealedStore } from '../../../lib/vault/index.ts';

const [path = '', key = '', previous = '', nth = '0'] = process.argv.slice(2);
const keystore = await openKeystore({ source: { file: key }, previous: [{ file: previous }] });
const text = new TextDecoder();
const registry = await openSqliteRegistry({
  path,
  keystore: {
    seal: (purpose, bytes, aad) => keystore.seal(purpose, bytes, text.decode(aad)),
    unseal: (purpose, bytes, aad) => keystore.unseal(purpose, bytes, text.decode(aad)),
  },
});
let asked = 0;
/** Asked, and not yet answered: nobody knows whether it is kept. */
const written = async (write: Promise<void>): Promise<void> => {
  if (++asked === Number(nth)) setImmediate(() => process.kill(process.pid, 'SIGKILL'));
  await write;
};
const mortal: SealedStore = {
  keyNames: () => registry.keyNames(),
  keyRecord: (name) => registry.keyRecord(name),
  putKeyRecord: (name, sealed) => written(registry.putKeyRecord(name, sealed)),
  credentials: (device, page) => registry.credentials(device, page),
  rewrapCredential: (id, sealed) => written(registry.rewrapCredential(id, sealed)),
};
const { changed, same, failed } = await rewrapAll(keystore, mortal);
writeSync(1, `done ${changed} ${same} ${failed.length}\n`);
await registry.close();
keystore.close();
