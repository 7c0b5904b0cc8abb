import type { SlotId } from '../../lib/osdp/index.ts';
import { EXPORT_FORMATS } from '../../lib/osdp/node.ts';
import { audit } from '../shared/audit.ts';
import { fail as failField } from '../shared/errors.ts';
import { type Ask, adminRoute } from '../shared/http.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { provisionerById } from '../shared/provisioner.ts';
import { fail } from '../shared/provisioner-errors.ts';
import { exportFolder, withExport, writeNamed } from '../shared/provisioner-export.ts';
import { chosenSlot, readSlot, showSlot } from '../shared/provisioner-job.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type ExportConfig, formats } from './config.ts';

/** How long the route may take, in ms. */
const ROUTE_MS = 30_000;

/** What the route needs of a deployed node. */
interface DeployedExport {
  readonly node: RedNode;
  readonly config: ExportConfig;
}

const deployed = new Map<string, DeployedExport>();

export default function register(RED: Red): void {
  function ExportNode(this: RedNode, saved: ExportConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as ExportConfig;
    deployed.set(this.id, { node: this, config });
    this.on('close', () => {
      if (deployed.get(this.id)?.node === this) deployed.delete(this.id);
    });
    onInput<ExportConfig>({
      red: RED,
      node: this,
      config,
      verb: 'export',
      inOrder: true,
      run: async (job, fields) => {
        checkAllowed(RED, this, config);
        const format = await fields.choice('format', formats);
        const asked = await readSlot(fields);
        const file = await fields.text('file');
        const provisioner = provisionerById(config.provisioner);
        const host = await provisioner.host(job.signal);
        const slot = await chosenSlot(asked, host);
        const { payload, count } = await withExport(provisioner, slot, format, job.signal, async (made, base) => {
          const facts = { format, count: made.count, session: made.session };
          if (config.target === 'message') {
            const text = made.bytes.toString('utf8');
            audit(RED, this, 'osdp.export', { ...facts, provisioner: provisioner.name, slot, to: 'message' });
            return { payload: text as unknown, count: made.count };
          }
          const path = await writeNamed(exportFolder(config.folder, RED.settings.userDir), file, base, made);
          audit(RED, this, 'osdp.export', { ...facts, provisioner: provisioner.name, slot, to: path });
          return { payload: { file: path, ...facts }, count: made.count };
        });
        await showSlot(job, host, slot);
        return {
          topic: `export/${format}`,
          payload,
          status: RED._('keyway-export.done', { count: String(count) }),
        };
      },
    });
  }
  RED.nodes.registerType('keyway-export', ExportNode);

  adminRoute(RED, 'post', '/keyway/provisioner/export', 'keyway.export', (ask) => exportByRoute(RED, ask));
}

/** @throws EXPORT_NOT_ALLOWED; the refusal is in the audit log */
function checkAllowed(RED: Red, node: RedNode, config: ExportConfig): void {
  if (config.allow === true) return;
  audit(RED, node, 'osdp.export.denied', { reason: 'not allowed in the node' });
  throw fail('EXPORT_NOT_ALLOWED', 'This node may not export keys.', {
    hint: 'Open it and tick that keys of readers may leave here.',
    detail: { field: 'allow' },
  });
}

/** Into a file alone, and into the folder of the node alone. */
async function exportByRoute(RED: Red, ask: Ask): Promise<unknown> {
  const { node: id, slot, format = 'csv', file } = (ask.body ?? {}) as Record<string, unknown>;
  const found = typeof id === 'string' ? deployed.get(id) : undefined;
  if (found === undefined) throw bad('node', 'the id of an export node that is deployed');
  const { node, config } = found;
  checkAllowed(RED, node, config);
  const known = EXPORT_FORMATS.find((one) => one === format);
  if (known === undefined) throw bad('format', `one of ${EXPORT_FORMATS.join(', ')}`);
  if (slot !== 'live' && !(Number.isInteger(slot) && (slot as number) >= 1))
    throw bad('slot', 'a number from 1, or live');
  if (file !== undefined && typeof file !== 'string') throw bad('file', 'a file name, or left out');
  const provisioner = provisionerById(config.provisioner);
  const folder = exportFolder(config.folder, RED.settings.userDir);
  const signal = AbortSignal.timeout(ROUTE_MS);
  return await withExport(provisioner, slot as SlotId, known, signal, async (made, base) => {
    const facts = { format: known, count: made.count, session: made.session };
    const path = await writeNamed(folder, file === '' ? undefined : file, base, made);
    audit(RED, node, 'osdp.export', {
      ...facts,
      provisioner: provisioner.name,
      slot: slot as SlotId,
      to: path,
      by: 'http',
    });
    return { file: path, ...facts };
  });
}

function bad(field: string, wanted: string): Error {
  return failField('BAD_FIELD', `The field "${field}" of the request must be ${wanted}.`, { detail: { field } });
}
