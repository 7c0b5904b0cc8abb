import { connectChip } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { listPorts, type SerialPortConfig } from '../../lib/link/index.ts';
import { acquirePort } from '../shared/broker.ts';
import { chipById, deployPort, type PortTarget } from '../shared/deployed.ts';
import { fail } from '../shared/errors.ts';
import { parseSize } from '../shared/evaluate.ts';
import { type Ask, adminRoute } from '../shared/http.ts';
import { migrate } from '../shared/migrate.ts';
import { describePort } from '../shared/port-info.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, kinds, type PortNodeConfig } from './config.ts';

type Where = Pick<PortNodeConfig, 'kind' | 'address' | 'chip' | 'serial' | 'name'>;

/** How long the Test button looks for a chip. */
const TEST_MS = 20_000;
/** The rate at which ESP-IDF prints unless it is told otherwise. */
const CONSOLE_BAUD = 115_200;

export default function register(RED: Red): void {
  function PortNode(this: RedNode, saved: PortNodeConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as PortNodeConfig;
    const undeploy = deployPort({
      id: this.id,
      name: config.name || config.address,
      target: () => targetOf(RED, config, baudOf(config)),
    });
    this.on('close', () => undeploy());
  }
  RED.nodes.registerType('keyway-port', PortNode);

  adminRoute(RED, 'get', '/keyway/ports', 'keyway.read', async () => (await listPorts()).map(describePort));
  adminRoute(RED, 'post', '/keyway/ports/test', 'keyway.write', (ask) => testPort(RED, ask));
}

/** @throws PORT_NOT_SET */
function targetOf(RED: Red, config: Where, baudRate: number): PortTarget {
  const name = (address: string): string => config.name || address;
  switch (config.kind) {
    case 'virtual': {
      const chip = chipById(config.chip);
      if (chip === undefined) throw notSet(config, 'chip', 'its virtual chip is not deployed');
      return { address: `virtual:${chip.name}`, name: name(chip.name), baudRate };
    }
    case 'serial-port': {
      const lender = RED.nodes.getNode(config.serial) as unknown as SerialPortConfig | null;
      if (typeof lender?.serialport !== 'string' || lender.serialport === '') {
        throw notSet(config, 'serial', 'its serial-port node is not deployed or has no path');
      }
      return { address: lender.serialport, name: name(lender.serialport), baudRate, lender };
    }
    default: {
      const address = config.address.trim();
      if (address === '') throw notSet(config, 'address', 'it has no address');
      return { address, name: name(address), baudRate };
    }
  }
}

/** The rate of the chip's console; 115200 when blank. @throws BAD_FIELD */
function baudOf({ name, baudRate: saved }: PortNodeConfig): number {
  const baudRate = String(saved).trim();
  if (baudRate === '') return CONSOLE_BAUD;
  const baud = parseSize(baudRate);
  if (Number.isInteger(baud) && baud > 0) return baud;
  throw fail('BAD_FIELD', `The port "${name}" has the baud rate "${baudRate}", which is no whole positive number.`, {
    hint: 'Open the port node and correct it: usually it is 115200.',
    detail: { field: 'baudRate', value: baudRate },
  });
}

function notSet(config: Where, field: string, why: string): Error {
  return fail('PORT_NOT_SET', `The port "${config.name}" leads nowhere: ${why}.`, {
    hint: 'Open the port node, choose where it leads, and deploy.',
    detail: { field },
  });
}

/** The Test button: finds the chip on the port as it stands in the dialog, and starts its firmware again. */
async function testPort(RED: Red, ask: Ask): Promise<unknown> {
  const body = (ask.body ?? {}) as Record<string, unknown>;
  const text = (field: string): string => (typeof body[field] === 'string' ? body[field] : '');
  const kind = kinds.find((known) => known === body.kind) ?? 'address';
  const where: Where = { name: '', kind, address: text('address'), chip: text('chip'), serial: text('serial') };
  const signal = AbortSignal.timeout(TEST_MS);
  const lease = await acquirePort(targetOf(RED, where, CONSOLE_BAUD), {
    owner: 'the Test button',
    wait: false,
    signal,
  });
  try {
    const session = await connectChip(lease.link, { platform: nodePlatform, signal, attempts: 3 });
    try {
      lease.readAlong();
      await session.reset();
    } finally {
      await session.close();
    }
    return { description: session.facts.description, mac: session.facts.mac };
  } finally {
    await lease.release();
  }
}
