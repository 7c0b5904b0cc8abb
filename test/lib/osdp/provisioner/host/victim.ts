/** A host that writes down each edge before it takes it, until it is killed: `victim.ts ADDRESS FILE`. */
import { appendFileSync, readFileSync } from 'node:fs';
import { ProvisionerHost } from '../../../../../lib/osdp/provisioner/host/index.ts';

const [address = '', record = ''] = process.argv.slice(2);
const written = readFileSync(record, 'utf8').split('\n');
const seq = Number(written.at(-2) ?? 0);

// Which session it is, it learns from the slot itself; a real host writes it down beside the number.
const probe = await ProvisionerHost.connect(address, { name: 'victim' });
const session = (await probe.slots()).find((slot) => slot.slot === 1)?.session ?? '';
await probe.close();
const host = ProvisionerHost.start(address, { name: 'victim', after: [{ slot: 1, session, seq }], retryMs: [5, 20] });
host.onEdge((edge) => appendFileSync(record, `${edge.seq}\n`));
