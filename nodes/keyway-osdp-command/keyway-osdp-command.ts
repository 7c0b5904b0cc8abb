import { checkAddress, checkBaudRate } from '../../lib/osdp/index.ts';
import { audit } from '../shared/audit.ts';
import { type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { busById, type OsdpBus } from '../shared/osdp-bus.ts';
import { addReader, withBus } from '../shared/osdp-job.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { addedReader } from './add.ts';
import { readCommand } from './ask.ts';
import { type CommandConfig, defaults, operations } from './config.ts';

export default function register(RED: Red): void {
  function CommandNode(this: RedNode, saved: CommandConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as CommandConfig;
    onInput<CommandConfig>({
      red: RED,
      node: this,
      config,
      verb: 'osdp',
      run: async (job, fields): Promise<Outcome> => {
        const bus = busById(config.bus);
        const operation = await fields.choice('operation', operations);
        const address = addressOf(bus, await fields.number('address', { blank: -1 }));
        const words = { topic: `osdp/${operation}`, status: RED._(`keyway-osdp-command.done.${operation}`) };
        if (operation === 'add' || operation === 'remove') {
          if (operation === 'add') bus.add(await addedReader(fields, address, job.msg));
          else bus.remove(address);
          const readers = bus.readers.map((one) => ({ address: one.address, security: one.security }));
          addReader(job.msg, { address });
          return { ...words, payload: { address, readers } };
        }
        const baudRate = await fields.number('baudRate', { blank: bus.settings.baudRate() });
        checkBaudRate(baudRate);
        const command = await readCommand(operation, fields);
        if (operation === 'raw') audit(RED, this, 'osdp.raw', { bus: bus.settings.name, address, code: command.code });
        const { payload, known } = await withBus(RED, this, config, job, async (panel) => {
          const ask = () => command.ask(bus.reader(panel, address), { signal: job.signal });
          if (baudRate === panel.baudRate) return await ask();
          return await panel.exclusive(async () => {
            const before = panel.baudRate;
            await panel.line.setBaudRate(baudRate);
            try {
              return await ask();
            } finally {
              if (!panel.isClosed) await panel.line.setBaudRate(before);
            }
          });
        });
        addReader(job.msg, { address, baudRate, ...known });
        return { ...words, payload: { address, baudRate, ...payload } };
      },
    });
  }
  RED.nodes.registerType('keyway-osdp-command', CommandNode);
}

/** The reader that is asked; on a bus with one known reader it need not be named. @throws BAD_OSDP_ADDRESS */
function addressOf(bus: OsdpBus, asked: number): number {
  const [only, ...more] = bus.readers;
  const address = asked === -1 && only !== undefined && more.length === 0 ? only.address : asked;
  checkAddress(address === -1 ? Number.NaN : address);
  return address;
}
